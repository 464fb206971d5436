/**
 * Convolution as an implicit matrix product for adapters whose lanes load one by one: processors that play a GPU have no
 * wide loads, and a load costs them dozens of multiply-adds. So a lane keeps a large tile of sums, the lanes of a
 * subgroup load different weights and hand them round by broadcasts, and nothing is loaded twice.
 */
import { epilogueInputs, finishWgsl, rowOf } from "./epilogue.ts";
import type { WindowGeometry } from "./geometry.ts";
import type { Caps, Epilogue, GpuKernel, GpuStage } from "./op.ts";
import { blockLength, groupLength, panelDispatches, panelPacking, panelSize } from "./panels.ts";
import {
  cornerWgsl,
  each,
  encodeParams,
  flatDispatch,
  flatIndex,
  flatWorkgroup,
  texelAt,
  wgslModule,
  windowParams,
} from "./wgsl.ts";

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
 * What the lanes of a subgroup take for one thing each, in llvmpipe's instructions: a vector loaded from a buffer or
 * stored into one, a vector fetched from a texture, a multiply-add with its share of moves. Fitted to times of tiles of
 * many shapes.
 */
export const instructions = { vector: 300, texel: 165, multiplyAdd: 6 };

/** Instructions of a tile for four products of depth. */
const tileCost = ({ pixels, channels }: LaneTile, lanes: number) =>
  instructions.vector * pixels +
  (instructions.texel * channels) / lanes +
  instructions.multiplyAdd * 4 * pixels * channels;

/** Instructions of all tiles for four products of depth; one that hangs over the edge works for nothing. */
const tilesCost = (g: WindowGeometry, tile: LaneTile, lanes: number) =>
  Math.ceil(pixelsOf(g) / (tile.pixels * lanes)) * Math.ceil(g.outC / tile.channels) * tileCost(tile, lanes);

/** The tile whose whole work is least. */
export function chooseLaneTile(g: WindowGeometry, lanes: number): LaneTile {
  const work = (t: LaneTile) => tilesCost(g, t, lanes);
  return tiles.filter((t) => fills(g.inC, t, lanes)).reduce((best, t) => (work(t) < work(best) ? t : best));
}

const pixelsOf = (g: WindowGeometry) => g.batch * g.outH * g.outW;

/** Products of depth in one turn of the inner loop: those of one vector of the input. */
const stepsOf = (inC: number) => Math.min(inC, 4);

/** Whether a turn's weights are whole loads of all lanes. */
const fills = (inC: number, { channels }: LaneTile, lanes: number) =>
  (stepsOf(inC) * channels) % (4 * lanes) === 0;

/** Filter values of a tap for each output: channels beyond four are filled up to whole vectors by zeros. */
const rowsOfTap = (inC: number) => (inC < 4 ? inC : 4 * Math.ceil(inC / 4));

/** Whether `laneConvolution` can be had. */
export const lanesFit = (g: WindowGeometry, caps: Caps): boolean =>
  !caps.hardware &&
  (caps.subgroupSize === 4 || caps.subgroupSize === 8) &&
  g.outC % 4 === 0 &&
  tiles.some((tile) => fills(g.inC, tile, caps.subgroupSize)) &&
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

/** The tile's whole work for a convolution, in instructions. */
export function laneWork(g: WindowGeometry, lanes: number): number {
  const products = g.kernelH * g.kernelW * g.inC;
  const stores = (pixelsOf(g) * g.outC * instructions.vector) / 4 / lanes;
  return (tilesCost(g, chooseLaneTile(g, lanes), lanes) * products) / 4 + stores;
}

export function laneSums(g: WindowGeometry, tile: LaneTile, lanes: number): LaneSums {
  const { pixels } = tile;
  const vectors = tile.channels / 4;
  const steps = stepsOf(g.inC);
  const longest = blockLength(g);
  /** In vectors of the input. */
  const block = Math.max(1, Math.floor(Math.min(g.inC, longest) / 4));
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
  const weight = (vector: number) =>
    `subgroupBroadcast(own${Math.floor(vector / lanes)}, ${vector % lanes}u)`;
  const load = (j: number) =>
    `let x${j} = ${g.padded ? `select(vec4f(), x[at${j} + c], inside${j})` : `x[at${j} + c]`};`;
  // All weights are handed round before they are used, and a sum's products follow each other: there are far more sums
  // than registers, so each turn loads and stores a sum once.
  const handedRound = each(steps, (step) =>
    each(vectors, (v) => `let w${step}_${v} = ${weight(step * vectors + v)};`),
  );
  const multiplied = each(pixels, (j) =>
    each(vectors, (v) =>
      each(steps, (step) => `s${j}_${v} = fma(vec4f(x${j}.${"xyzw"[step]}), w${step}_${v}, s${j}_${v});`),
    ),
  );
  /** A row of the window may itself be short enough for a block. */
  const rowsAreBlocks = g.kernelW * g.inC <= longest;
  const inner = (from: string, to: string) => `        for (var c = ${from}; c < ${to}; c++) {
${each(loads, (l) => `let own${l} = ${texelAt("filterPanels", `w + ${l * lanes}u`)};`)}
          w += ${loads * lanes}u;
${each(pixels, load)}
${handedRound}
${multiplied}
        }`;
  const endOfBlock =
    levels > 1
      ? `${carry("s", "group")}
        blocks++;
        if (blocks == ${groupLength}u) {
          blocks = 0u;
${carry("group", "total")}
        }`
      : "";
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
${
  rowsAreBlocks
    ? inner("0u", "p.depth")
    : `      for (var start = 0u; start < p.depth; start += p.block) {
        let end = min(start + p.block, p.depth);
${inner("start", "end")}
${endOfBlock}
      }`
}
    }
${rowsAreBlocks ? endOfBlock : ""}
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

/** The geometry on an input whose channels are whole vectors and whose edges are zeros, so that nothing is padded. */
function filledUp(g: WindowGeometry): WindowGeometry {
  const reach = (out: number, stride: number, kernel: number, dilation: number) =>
    (out - 1) * stride + (kernel - 1) * dilation + 1;
  return {
    ...g,
    inH: reach(g.outH, g.strideH, g.kernelH, g.dilationH),
    inW: reach(g.outW, g.strideW, g.kernelW, g.dilationW),
    padTop: 0,
    padLeft: 0,
    padded: false,
  };
}

/** Writes the input `filledUp` wants, a lane a vector. */
function fillStage(g: WindowGeometry, to: WindowGeometry, caps: Caps): GpuStage {
  const vectors = Math.ceil(g.inC / 4);
  const params = {
    count: g.batch * to.inH * to.inW * vectors,
    vectors,
    inH: g.inH,
    inW: g.inW,
    inC: g.inC,
    toH: to.inH,
    toW: to.inW,
    padTop: g.padTop,
    padLeft: g.padLeft,
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: "f32" }],
    output: "vec4f",
    workgroup: [flatWorkgroup, 1, 1],
    // A coordinate before the input wraps to a huge u32, so one comparison guards both ends.
    body: `${flatIndex}
  let channel = (i % p.vectors) * 4u;
  let pixel = i / p.vectors;
  let line = pixel / p.toW;
  let row = line % p.toH - p.padTop;
  let col = pixel % p.toW - p.padLeft;
  let inside = row < p.inH && col < p.inW;
  let at = select(0u, (((line / p.toH) * p.inH + row) * p.inW + col) * p.inC + channel, inside);
  var value = vec4f();
  for (var c = 0u; c < min(4u, p.inC - channel); c++) { value[c] = x[at + c]; }
  y[i] = select(vec4f(), value, inside);`,
  });
  return { code, dispatches: [{ ...flatDispatch(params, caps), writes: { scratch: 0 }, reads: [0] }] };
}

export function laneConvolution(label: string, g: WindowGeometry, epilogue: Epilogue, caps: Caps): GpuKernel {
  const lanes = caps.subgroupSize;
  const pixels = pixelsOf(g);
  // A few channels are filled up to whole vectors first, and the image's edges with them.
  const widened = g.inC % 4 !== 0;
  const from = widened ? filledUp(g) : g;
  const tile = chooseLaneTile(g, lanes);
  const vectors = tile.channels / 4;
  const packing = panelPacking(g, tile.channels, caps, { rows: rowsOfTap(g.inC), texels: true });
  const panel = panelSize(g, tile.channels, rowsOfTap(g.inC));
  const { row, first } = rowOf(epilogue, g.outC, 4);
  const sums = laneSums(from, tile, lanes);
  const window = from.padded || g.kernelH * g.kernelW > 1;
  const params = (firstPanel: number) => ({
    pixels,
    tile: tile.pixels,
    block: sums.block,
    /** Vectors of a panel. */
    panel: panel / 4,
    ...windowParams(from),
    depth: Math.ceil(g.inC / 4),
    vectors: g.outC / 4,
    row,
    first,
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
      { name: "x", type: "vec4f" },
      { name: "filterPanels", type: "texels" },
      ...epilogueInputs(epilogue, "vec4f"),
    ],
    output: "vec4f",
    workgroup: [lanes, 1, 1],
    subgroups: true,
    head: `${finishWgsl(epilogue, "vec4f")}
${cornerWgsl}`,
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
      ...(widened ? [fillStage(g, from, caps)] : []),
      {
        code,
        dispatches: panelDispatches(packing, panel, (firstPanel, panels, chunk) => ({
          params: encodeParams(params(firstPanel)),
          grid: [Math.ceil(pixels / (tile.pixels * lanes)), panels, 1],
          reads: [widened ? { scratch: 0 } : 0, 1, ...epilogueInputs(epilogue, "vec4f").map((_, i) => 2 + i)],
          chunk,
        })),
      },
    ],
    scratch: widened ? [4 * g.batch * from.inH * from.inW * Math.ceil(g.inC / 4)] : [],
    packing: { 1: packing },
  };
}
