/**
 * Winograd's minimal filtering: a tile of outputs along an axis from as many multiplications as it has inputs (Lavin and
 * Gray, "Fast algorithms for convolutional neural networks", 2015). The matrices come from Toom and Cook's interpolation
 * at small points; points near 1 keep rounding small (Barabasz et al., "Error analysis and improving the accuracy of
 * Winograd convolution", 2018).
 *
 * A window that moves by a stride is as many windows as the stride has phases, each of every stride-th tap on every
 * stride-th input: their channels are added up like those of one window.
 */

import type { WindowGeometry } from "./geometry.ts";

/** One axis: `side` outputs of a window of `taps`, from side + taps - 1 inputs, by one finite point less. */
export interface Minimal {
  readonly side: number;
  readonly taps: number;
  readonly points: readonly number[];
}

/** Inputs of a tile, and multiplications. */
export const sizeOf = ({ side, taps }: Minimal): number => side + taps - 1;

export type Matrix = readonly (readonly number[])[];

export interface WinogradMatrices {
  /** size x size: on inputs. */
  readonly input: Matrix;
  /** size x taps: on filters. */
  readonly filter: Matrix;
  /** side x size: on products. */
  readonly output: Matrix;
}

/** The coefficients of the polynomial with these roots, the constant first. */
export function polynomialOf(roots: readonly number[]): number[] {
  let polynomial = [1];
  for (const root of roots) {
    polynomial = [0, ...polynomial].map((c, i) => c - root * (polynomial[i] ?? 0));
  }
  return polynomial;
}

export function winogradMatrices(axis: Minimal): WinogradMatrices {
  const { side, taps, points } = axis;
  const others = (j: number) => points.filter((_, k) => k !== j);
  const padded = (row: number[]) => Array.from({ length: sizeOf(axis) }, (_, i) => row[i] ?? 0);
  const powers = Array.from({ length: taps }, (_, k) => k);
  return {
    input: [...points.map((_, j) => padded(polynomialOf(others(j)))), padded(polynomialOf(points))],
    filter: [
      ...points.map((p, j) => {
        const scale = others(j).reduce((product, q) => product * (p - q), 1);
        return powers.map((k) => p ** k / scale);
      }),
      powers.map((k) => (k === taps - 1 ? 1 : 0)),
    ],
    output: Array.from({ length: side }, (_, i) => [...points.map((p) => p ** i), i === side - 1 ? 1 : 0]),
  };
}

/** A tile: its axes. */
export interface Tile {
  readonly down: Minimal;
  readonly across: Minimal;
}

/** Multiplications of a tile, for a pair of an input and an output channel. */
export const placesOf = ({ down, across }: Tile): number => sizeOf(down) * sizeOf(across);

/** Values of a transformed pixel: the input channels of every phase of a window that moves by a stride. */
export const depthOf = (g: Pick<WindowGeometry, "strideH" | "strideW" | "inC">): number =>
  g.strideH * g.strideW * g.inC;
