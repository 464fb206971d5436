/** Which tiles Winograd's convolution on the CPU cuts an output into, whether it pays, and which tiles a task takes. */
import type { WindowGeometry } from "../geometry.ts";
import { depthOf, type Minimal, placesOf, sizeOf, type Tile } from "../winograd.ts";
import { columns, rows } from "./product.ts";
import { gridShares, panelsOfLine } from "./shares.ts";

/**
 * Points by the multiplications of an axis, small and few-bit. The error that the filter's rounding makes grows with them:
 * from one to seven times that of a plain product of two numbers, for tiles of two axes of eight.
 */
const pointsFor: Readonly<Record<number, readonly number[]>> = {
  1: [],
  3: [0, 1],
  4: [0, 1, -1],
  5: [0, 1, -1, 2],
  6: [0, 1, -1, 2, -2],
  7: [0, 1, -1, 0.5, -0.5, -2],
  8: [0, 1, -1, 2, -2, 0.5, -0.5],
  9: [0, 1, -1, 2, -2, 0.5, -0.5, -0.25],
  10: [0, 0.5, -0.5, 1, -1, 1.5, -1.5, 2, -2],
};
/** The largest axis of a tile, beyond which it was slower, and of one whose other axis has nothing to transform. */
const mostPlaces = { both: 7, one: 10 } as const;

/** The way to cut `out` outputs of windows of `taps` into tiles that multiplies least; the smaller one of equals. */
function axisFor(out: number, taps: number, most: number): Minimal {
  const sides = taps === 1 ? [1] : Array.from({ length: Math.max(1, most - taps) }, (_, i) => i + 2);
  const ways = sides.map((side) => ({ side, taps, points: pointsFor[side + taps - 1] ?? [] }));
  const products = (axis: Minimal) => sizeOf(axis) * Math.ceil(out / axis.side);
  return ways.reduce((best, way) => (products(way) < products(best) ? way : best));
}

export function tileFor(g: WindowGeometry): Tile {
  const [tapsDown, tapsAcross] = [Math.ceil(g.kernelH / g.strideH), Math.ceil(g.kernelW / g.strideW)];
  const most = tapsDown > 1 && tapsAcross > 1 ? mostPlaces.both : mostPlaces.one;
  return { down: axisFor(g.outH, tapsDown, most), across: axisFor(g.outW, tapsAcross, most) };
}

export const tilesOf = (g: WindowGeometry, { down, across }: Tile) => ({
  tilesX: Math.ceil(g.outW / across.side),
  tilesY: Math.ceil(g.outH / down.side),
});

/** What transforming costs, in multiplications: for a place of an input channel, and of an output channel. */
const transforming = { input: 8, output: 8 } as const;

/** Whether it has less to do, with what its transforms cost. Never by the batch: the bits must not depend on it. */
export function fitsWinograd(g: WindowGeometry): boolean {
  const window = g.kernelH * g.kernelW;
  if (g.dilationH > 1 || g.dilationW > 1 || window === 1) return false;
  const longest = Math.max(Math.ceil(g.kernelH / g.strideH), Math.ceil(g.kernelW / g.strideW));
  if (longest > 7) return false;
  const tile = tileFor(g);
  const { tilesX, tilesY } = tilesOf(g, tile);
  const steps = depthOf(g);
  const ofPlace = steps * g.outC + transforming.input * steps + transforming.output * g.outC;
  return placesOf(tile) * tilesX * tilesY * ofPlace < window * g.inC * g.outC * g.outH * g.outW;
}

/** Tiles, and panels of four output channels, that a task takes at most. */
export const mostTiles = 32;
export const mostPanels = 16;

/**
 * What is done for a number, in multiply-adds: an input of a place transformed (dearer in larger tiles, which do not fit the
 * registers), a weight of a place widened, a sum of a place transformed back. Measured by cutting layers in different ways.
 */
const workOf = {
  input: (places: number) => Math.max(3, places ** 2 / 300),
  weight: 1.7,
  output: 8,
} as const;

/** The ways to cut a layer into tasks: blocks of tiles by groups of panels. */
export const sharesOf = (tiles: number, panels: number, steps: number, places: number) =>
  gridShares(
    { count: tiles, most: mostTiles, unit: rows },
    { count: panels, most: mostPanels, unit: panelsOfLine },
    (inputTiles, weightPanels, sums) =>
      places *
      (workOf.input(places) * inputTiles * steps +
        workOf.weight * columns * weightPanels * steps +
        columns * sums * (steps + workOf.output)),
  );
