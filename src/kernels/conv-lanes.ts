/**
 * Convolution as an implicit matrix product for adapters whose lanes load one by one: processors that play a GPU have no
 * wide loads, and a load costs them dozens of multiply-adds. So a lane keeps a large tile of sums, the lanes of a
 * subgroup load different weights and hand them round by broadcasts, and nothing is loaded twice.
 */
import { epilogueInputs, finishWgsl, rowOf } from "./epilogue.ts";
import type { WindowGeometry } from "./geometry.ts";
import type { Caps, Epilogue, GpuKernel } from "./op.ts";
import { blockLength, groupLength, panelDispatches, panelPacking, panelSize } from "./panels.ts";
import { encodeParams, wgslModule } from "./wgsl.ts";

/** What a lane computes. */
export interface LaneTile {
  readonly pixels: number;
  readonly channels: number;
}

const tiles: readonly LaneTile[] = [
  { pixels: 4, channels: 32 },
  { pixels: 2, channels: 32 },
  { pixels: 4, channels: 16 },
  { pixels: 2, channels: 16 },
];

/**
 * Instructions of a tile for four products of depth, as counted in what llvmpipe makes of it: a load of a vector by each
 * lane takes about 300, a multiply-add with its share of moves about 3.
 */
const tileCost = ({ pixels, channels }: LaneTile, lanes: number) =>
  300 * (pixels + channels / lanes) + 3 * 4 * pixels * channels;

/** The tile whose whole work is least; a tile that hangs over the edge works for nothing. */
export function chooseLaneTile(g: WindowGeometry, lanes: number): LaneTile {
  const count = (t: LaneTile) => Math.ceil(pixelsOf(g) / (t.pixels * lanes)) * Math.ceil(g.outC / t.channels);
  const work = (t: LaneTile) => count(t) * tileCost(t, lanes);
  return tiles
    .filter((t) => stepsOf(g.inC, t, lanes) !== undefined)
    .reduce((best, t) => (work(t) < work(best) ? t : best));
}

const pixelsOf = (g: WindowGeometry) => g.batch * g.outH * g.outW;

export const each = (n: number, line: (i: number) => string) =>
  Array.from({ length: n }, (_, i) => line(i)).join("\n");

/** Products of depth in one turn of the inner loop; undefined where no number of them fills the lanes' loads. */
export function stepsOf(inC: number, tile: LaneTile, lanes: number): number | undefined {
  const fills = (steps: number) => (steps * tile.channels) % (4 * lanes) === 0;
  if (inC % 4 === 0) return fills(4) ? 4 : undefined;
  return [inC, 1].find((steps) => steps <= 4 && fills(steps));
}

/** Whether `laneConvolution` can be had. */
export const lanesFit = (g: WindowGeometry, caps: Caps): boolean =>
  (caps.subgroupSize === 4 || caps.subgroupSize === 8) &&
  g.outC % 4 === 0 &&
  stepsOf(g.inC, tiles[0], caps.subgroupSize) !== undefined &&
  Math.ceil(pixelsOf(g) / caps.subgroupSize) <= caps.maxWorkgroupsPerDimension;

/**
 * The WGSL that fills the sums `sum(j, v)` of a lane's tile. It expects the running place `w` of the lane's weights, and
 * for each pixel j where its window begins: `corner<j>`, or for 1x1 windows `start<j>`, the place in x itself. Bindings `x` and `filterPanels`; parameters depth, block, inH, inW, dilations.
 */
export interface LaneSums {
  readonly code: string;
  /** The parameter `block`. */
  readonly block: number;
  sum(pixel: number, vector: number): string;
}

/**
 * The geometry by which an algorithm is chosen: that of one image. Algorithms differ in their last bits, and an image's
 * bits must not depend on how many others are computed with it. (Tiles do not change bits, and may follow the batch.)
 */
export const ofOneImage = (g: WindowGeometry): WindowGeometry => ({ ...g, batch: 1 });

/** The tile's whole work for a convolution, in instructions. */
export function laneWork(g: WindowGeometry, lanes: number): number {
  const tile = chooseLaneTile(g, lanes);
  const count = Math.ceil(pixelsOf(g) / (tile.pixels * lanes)) * Math.ceil(g.outC / tile.channels);
  return (count * tileCost(tile, lanes) * g.kernelH * g.kernelW * g.inC) / 4;
}

export function laneSums(g: WindowGeometry, tile: LaneTile, lanes: number): LaneSums {
  const { pixels } = tile;
  const vectors = tile.channels / 4;
  const steps = stepsOf(g.inC, tile, lanes) ?? 1;
  const depth = g.inC % 4 === 0 ? 4 : 1;
  const input = depth === 4 ? "vec4f" : "f32";
  const longest = blockLength(g);
  const turns = steps / depth;
  /** In elements of the input's type. */
  const block = Math.max(turns, Math.floor(Math.min(g.inC, longest) / steps) * turns);
  const products = g.kernelH * g.kernelW * g.inC;
  const prefixes = products <= longest ? ["s"] : ["s", "group", "total"];
  const levels = prefixes.length;
  const names = (prefix: string) =>
    Array.from({ length: pixels * vectors }, (_, i) => `${prefix}${Math.floor(i / vectors)}_${i % vectors}`);
  const carry = (from: string, to: string) =>
    names("")
      .map((name) => `${to}${name} += ${from}${name}; ${from}${name} = vec4f();`)
      .join("\n");
  const loads = (steps * tile.channels) / 4 / lanes;
  const weight = (vector: number) => `subgroupBroadcast(w${Math.floor(vector / lanes)}, ${vector % lanes}u)`;
  const load = (j: number, turn: number) => {
    const value = `x[at${j} + c + ${turn}u]`;
    return `let x${j}_${turn} = ${g.padded ? `select(${input}(), ${value}, inside${j})` : value};`;
  };
  const factor = (j: number, step: number) =>
    depth === 4 ? `x${j}_${Math.floor(step / 4)}.${"xyzw"[step % 4]}` : `x${j}_${step}`;
  const products4 = each(steps, (step) =>
    each(
      vectors,
      (v) => `{ let w = ${weight(step * vectors + v)};
${each(pixels, (j) => `s${j}_${v} = fma(vec4f(${factor(j, step)}), w, s${j}_${v});`)} }`,
    ),
  );
  const code = `${prefixes
    .map((p) =>
      names(p)
        .map((name) => `var ${name} = vec4f();`)
        .join(" "),
    )
    .join("\n")}
  var blocks = 0u;
  for (var ky = 0u; ky < ${g.kernelH}u; ky++) {
    for (var kx = 0u; kx < ${g.kernelW}u; kx++) {
${each(pixels, (j) =>
  g.padded
    ? `let row${j} = corner${j}.y + i32(ky * p.dilationH); let col${j} = corner${j}.x + i32(kx * p.dilationW);
      let inside${j} = row${j} >= 0 && row${j} < i32(p.inH) && col${j} >= 0 && col${j} < i32(p.inW);
      let at${j} = select(0u, ((corner${j}.row + u32(row${j})) * p.inW + u32(col${j})) * p.depth, inside${j});`
    : g.kernelH * g.kernelW === 1
      ? `let at${j} = start${j};`
      : `let at${j} = ((corner${j}.row + u32(corner${j}.y) + ky * p.dilationH) * p.inW + u32(corner${j}.x) + kx * p.dilationW) * p.depth;`,
)}
      for (var start = 0u; start < p.depth; start += p.block) {
        let end = min(start + p.block, p.depth);
        for (var c = start; c < end; c += ${turns}u) {
${each(loads, (l) => `let w${l} = filterPanels[w + ${l * lanes}u];`)}
          w += ${loads * lanes}u;
${each(turns, (turn) => each(pixels, (j) => load(j, turn)))}
${products4}
        }
${
  levels > 1
    ? `${carry("s", "group")}
        blocks++;
        if (blocks == ${groupLength}u) {
          blocks = 0u;
${carry("group", "total")}
        }`
    : ""
}
      }
    }
  }
${levels > 1 ? carry("group", "total") : ""}`;
  return { code, block, sum: (j, v) => `${prefixes[levels - 1]}${j}_${v}` };
}

/**
 * WGSL that stores a lane's sums: `store` gives the statement for vector v of `pixel`. There is one place in the text for
 * all pixels (the bound is a parameter so that nobody unrolls it), since compiling a store takes llvmpipe longer than
 * running it: the sums of the next pixel move up.
 */
export const laneStores = (
  sums: LaneSums,
  { pixels, channels }: LaneTile,
  store: (value: string, vector: number) => string,
) => `  for (var j = 0u; j < p.tile; j++) {
    let pixel = first + j;
    if (pixel < p.pixels) {
${each(channels / 4, (v) => `      if (vector + ${v}u < p.vectors) { ${store(sums.sum(0, v), v)} }`)}
    }
${each(pixels - 1, (j) => each(channels / 4, (v) => `${sums.sum(j, v)} = ${sums.sum(j + 1, v)};`))}
  }`;

export function laneConvolution(label: string, g: WindowGeometry, epilogue: Epilogue, caps: Caps): GpuKernel {
  const lanes = caps.subgroupSize;
  const pixels = pixelsOf(g);
  const tile = chooseLaneTile(g, lanes);
  const vectors = tile.channels / 4;
  const packing = panelPacking(g, tile.channels, caps);
  const panel = panelSize(g, tile.channels);
  const { row, first } = rowOf(epilogue, g.outC, 4);
  const sums = laneSums(g, tile, lanes);
  const window = g.padded || g.kernelH * g.kernelW > 1;
  const params = (firstPanel: number) => ({
    pixels,
    tile: tile.pixels,
    block: sums.block,
    /** Vectors of a panel. */
    panel: panel / 4,
    inH: g.inH,
    inW: g.inW,
    depth: g.inC % 4 === 0 ? g.inC / 4 : g.inC,
    outH: g.outH,
    outW: g.outW,
    vectors: g.outC / 4,
    row,
    first,
    strideH: g.strideH,
    strideW: g.strideW,
    dilationH: g.dilationH,
    dilationW: g.dilationW,
    padTop: { i32: g.padTop },
    padLeft: { i32: g.padLeft },
    firstPanel,
  });
  /** Vectors of scale and bias, read by the lanes together. */
  const vector = (name: "scale" | "bias") =>
    epilogue[name]
      ? each(
          Math.ceil(vectors / lanes),
          (l) => `let ${name}${l} = ${name}[min(vector + ${l * lanes}u + lane, p.vectors - 1u)];`,
        )
      : "";
  const read = (name: "scale" | "bias", v: number) =>
    epilogue[name] ? `subgroupBroadcast(${name}${Math.floor(v / lanes)}, ${v % lanes}u)` : "vec4f()";
  const code = wgslModule({
    params: params(0),
    inputs: [
      { name: "x", type: g.inC % 4 === 0 ? "vec4f" : "f32" },
      { name: "filterPanels", type: "vec4f" },
      ...epilogueInputs(epilogue, "vec4f"),
    ],
    output: "vec4f",
    workgroup: [lanes, 1, 1],
    subgroups: true,
    head: `${finishWgsl(epilogue, "vec4f")}
struct Corner { row: u32, y: i32, x: i32 }
fn corner(pixel: u32) -> Corner {
  let q = min(pixel, p.pixels - 1u);
  let line = q / p.outW;
  let image = line / p.outH;
  return Corner(image * p.inH, i32((line % p.outH) * p.strideH) - p.padTop, i32((q % p.outW) * p.strideW) - p.padLeft);
}`,
    body: `  let first = (wid.x * ${lanes}u + lid.x) * ${tile.pixels}u;
  let vector = (p.firstPanel + wid.y) * ${vectors}u;
${each(tile.pixels, (j) => `  let corner${j} = corner(first + ${j}u);${window ? "" : ` let start${j} = ((corner${j}.row + u32(corner${j}.y)) * p.inW + u32(corner${j}.x)) * p.depth;`}`)}
  var w = wid.y * p.panel + lane;
${sums.code}
${vector("scale")}
${vector("bias")}
${each(vectors, (v) => `  let factor${v} = ${read("scale", v)}; let term${v} = ${read("bias", v)};`)}
${laneStores(
  sums,
  tile,
  (value, v) =>
    `y[pixel * p.row + p.first + vector + ${v}u] = finished(${value}, factor${v}, term${v}, ${epilogue.residual ? `residual[pixel * p.vectors + vector + ${v}u]` : "vec4f()"});`,
)}`,
  });
  return {
    label,
    tile: `${tile.pixels}x${tile.channels}`,
    stages: [
      {
        code,
        dispatches: panelDispatches(packing, panel, (firstPanel, panels, chunk) => ({
          params: encodeParams(params(firstPanel)),
          grid: [Math.ceil(pixels / (tile.pixels * lanes)), panels, 1],
          chunk,
        })),
      },
    ],
    packing: { 1: packing },
  };
}
