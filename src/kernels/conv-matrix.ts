/**
 * Convolution on a chip's units for small matrices, which WebGPU calls subgroup matrices (`chromium-experimental-subgroup-
 * matrix`; on NVIDIA the tensor cores): products of half precision, summed in float32. The lanes of a workgroup fetch the
 * tiles of the input and the filter, round the input to half precision, and share them; each subgroup multiplies its part
 * of the tile in pieces of 16x16x16. Pairs and octets of halves travel as whole words: single halves take as long each.
 * Where there is room, tiles lie there twice: one is filled while the other is multiplied.
 *
 * The tiles lie in pieces, one for each row or column of subgroups, so that a small matrix lies at a constant place of its
 * piece: Dawn guards every other matrix by a branch of its own, which keeps its load from starting beside the next one's.
 *
 * The splits of the depth change bits here (the units sum in an order of their own), so they follow the layer alone.
 */
import { storeParams } from "./epilogue.ts";
import { estimating, ofTypicalBatch, type WindowGeometry } from "./geometry.ts";
import { type MatrixTile, matrixWork } from "./hardware.ts";
import { inputElement, inputWalk, walkParams, windowRows } from "./input-walk.ts";
import { pieceBytes, roundsOf, side, stripShapes, sumsWgsl } from "./matrix-sums.ts";
import { type Caps, type Epilogue, type GpuKernel, type MatrixProducts, plainEpilogue } from "./op.ts";
import { panelProduct } from "./panel-product.ts";
import { panelChannels, pixelsOf } from "./shared-plan.ts";
import { cornerWgsl, each, wgslModule, windowParams } from "./wgsl.ts";

/** Products of depth between two barriers. */
const step = 32;

/** Halves from row to row of the tiles: what is over keeps the rows of a small matrix in different banks. */
const spare = 8;
const tileRow = step + spare;

/** The part of the workgroup's tile that a subgroup computes, and how many of them lie below and beside each other. */
const tiles: readonly MatrixTile[] = [
  { pixels: 64, channels: 64, down: 2, across: 2 },
  { pixels: 64, channels: 32, down: 2, across: 4 },
  { pixels: 32, channels: 64, down: 4, across: 2 },
  { pixels: 64, channels: 32, down: 2, across: 2 },
  { pixels: 32, channels: 64, down: 4, across: 1 },
  { pixels: 32, channels: 32, down: 4, across: 2 },
  { pixels: 32, channels: 32, down: 4, across: 1 },
  { pixels: 32, channels: 32, down: 2, across: 2 },
  { pixels: 16, channels: 32, down: 2, across: 2 },
  { pixels: 16, channels: 32, down: 1, across: 4 },
];

const nameOf = ({ pixels, channels, down, across }: MatrixTile, groups: number): string =>
  `${down * pixels}x${across * channels}x${step}, ${pixels}x${channels} a subgroup${groups > 1 ? `, depth in ${groups}` : ""}`;

const stepsOf = (g: WindowGeometry) => windowRows(g, step).depth / step;

const lanesOf = (t: MatrixTile, caps: Caps) => t.down * t.across * caps.subgroupSize;

/** How a workgroup's memory is used. */
interface Memory {
  /** How often the tiles lie in it. */
  readonly buffers: 1 | 2;
  /** Rows of matrices in a strip of sums on their way out. Strips take the place of the filter's tiles. */
  readonly strip: number;
}

/** Pieces of the filter's tiles, or of strips. A piece of either is as large: 32 rows of halves, 16 of floats. */
const piecesOf = (t: MatrixTile, { buffers, strip }: Memory) =>
  Math.max(buffers * t.across, strip * t.down * t.across);

const sharedBytes = (t: MatrixTile, memory: Memory) =>
  2 * memory.buffers * t.down * t.pixels * tileRow + piecesOf(t, memory) * pieceBytes(t);

const memoryOf = (t: MatrixTile, caps: Caps): Memory | undefined =>
  ([2, 1] as const)
    .flatMap((buffers) => stripShapes(t).map((strip) => ({ buffers, strip })))
    .find((memory) => sharedBytes(t, memory) <= caps.workgroupBytes);

const fits = (t: MatrixTile, g: WindowGeometry, caps: Caps): boolean =>
  lanesOf(t, caps) <= caps.maxWorkgroupSize &&
  // A row of sums is no longer than a subgroup.
  t.channels / 4 <= caps.subgroupSize &&
  memoryOf(t, caps) !== undefined &&
  (t.down * t.pixels * step) / 4 >= lanesOf(t, caps) &&
  (t.across * t.channels * step) / 8 >= lanesOf(t, caps) &&
  Math.ceil(pixelsOf(g) / (t.down * t.pixels)) <= caps.maxWorkgroupsPerDimension;

const matrixFits = (g: WindowGeometry, caps: Caps): boolean =>
  caps.hardware &&
  caps.halfWeights &&
  caps.matrices !== undefined &&
  g.dilationW === 1 &&
  g.outC % 4 === 0 &&
  tiles.some((t) => fits(t, g, caps));

/** Nanoseconds that a tile is estimated to take; only with one group does a product read its residual. */
const workOf = (g: WindowGeometry, tile: MatrixTile, groups: number, residual = false): number =>
  matrixWork({
    tile,
    pixels: pixelsOf(g),
    channels: g.outC,
    depth: step * stepsOf(g),
    groups,
    input: 4 * g.batch * g.inH * g.inW * g.inC,
    residual: residual && groups === 1,
  });

/** The tiles that fit, the one that is estimated best first. */
const tilesFor = (g: WindowGeometry, groups: number, caps: Caps, residual?: boolean): MatrixTile[] =>
  tiles
    .filter((t) => fits(t, g, caps))
    .toSorted((a, b) => workOf(g, a, groups, residual) - workOf(g, b, groups, residual));

/** Groups of workgroups that share the depth, by the layer alone. */
function groupsOf(g: WindowGeometry, caps: Caps): number {
  const typical = ofTypicalBatch(g, caps);
  const counts = [1, 2, 3, 4, 6, 8, 12, 16].filter((n) => n <= stepsOf(g));
  const work = (groups: number) => workOf(typical, tilesFor(typical, groups, estimating(caps))[0], groups);
  return counts.reduce((best, n) => (work(n) < work(best) ? n : best));
}

/** Estimated nanoseconds of the best tile. */
const matrixConvolutionWork = (g: WindowGeometry, caps: Caps): number => {
  const groups = groupsOf(g, caps);
  return workOf(g, tilesFor(g, groups, caps)[0], groups);
};

/** Names of the tiles that can be asked for, the one that is estimated best first. */
export function matrixTiles(g: WindowGeometry, caps: Caps, epilogue = plainEpilogue): string[] {
  const groups = groupsOf(g, caps);
  return tilesFor(g, groups, caps, epilogue.residual).map((t) => nameOf(t, groups));
}

interface Stage {
  readonly g: WindowGeometry;
  readonly tile: MatrixTile;
  readonly memory: Memory;
  readonly groups: number;
  readonly epilogue: Epilogue;
  readonly caps: Caps;
}

const stageParams = ({ g, tile, memory, groups, epilogue }: Stage, firstPanel: number, panels: number) => ({
  pixels: pixelsOf(g),
  ...windowParams(g),
  ...walkParams(g, windowRows(g, step), step),
  groupSteps: Math.ceil(stepsOf(g) / groups),
  /** Octets of a panel. */
  panel: (windowRows(g, step).depth * panelChannels) / 8,
  lastPanel: panels - 1,
  firstVector: (firstPanel * panelChannels) / 4,
  endVector: Math.min(g.outC / 4, ((firstPanel + panels) * panelChannels) / 4),
  vectors: g.outC / 4,
  rounds: roundsOf(tile, memory.strip),
  ...storeParams(epilogue, g.outC, 4),
});

function stageCode(stage: Stage): string {
  const { g, tile: t, memory, groups, caps } = stage;
  const lanes = lanesOf(t, caps);
  const parts = step / 4;
  const [pixels, channels] = [t.down * t.pixels, t.across * t.channels];
  const loads = (pixels * parts) / lanes;
  const [rows, columns] = [t.pixels / side, t.channels / side];
  const walk = inputWalk(g, windowRows(g, step), step, loads, lanes);
  const sums = sumsWgsl({ ...stage, strip: memory.strip }, "tileW");
  const twice = memory.buffers === 2;
  /** Octets: of a row of the filter's tile, of one of a piece, with what is over too, and those that a lane loads. */
  const octets = channels / 8;
  const ownOctets = t.channels / 8;
  const rowOctets = pieceBytes(t) / 16 / step;
  const weightLoads = (step * octets) / lanes;
  const storeInput = each(loads, (i) => {
    const row = (i * lanes) / parts;
    return `    tileX[inX + pieceX + ${Math.floor(row / t.pixels)}u][placeX + ${((row % t.pixels) * tileRow) / 4}u] = vec2u(pack2x16float(x${i}.xy), pack2x16float(x${i}.zw));`;
  });
  const storeWeights = each(
    weightLoads,
    (j) => `    tileW[inW + pieceW][placeW + ${((j * lanes) / octets) * rowOctets}u] = w${j};`,
  );
  const fetchWeights = each(
    weightLoads,
    (j) => `    w${j} = weights[next${j}]; next${j} += ${(step * panelChannels) / 8}u;`,
  );
  const multiply = each(
    step / side,
    (
      k,
    ) => `${each(columns, (j) => `    let b${k}_${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${side}, ${side}>, row_major>(&tileW[inW + ownW], ${k * side * rowOctets + (j * side) / 8}u, ${rowOctets}u);`)}
${each(
  rows,
  (
    i,
  ) => `    let a${k}_${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${side}, ${side}>, row_major>(&tileX[inX + ownX], ${(i * side * tileRow + k * side) / 4}u, ${tileRow / 4}u);
${each(columns, (j) => `    c${i}_${j} = subgroupMatrixMultiplyAccumulate(a${k}_${i}, b${k}_${j}, c${i}_${j});`)}`,
)}`,
  );
  return wgslModule({
    params: stageParams(stage, 0, 1),
    inputs: [{ name: "x", type: inputElement(g) }, { name: "weights", type: "vec4u" }, ...sums.inputs],
    output: "vec4f",
    outputs: sums.outputs,
    workgroup: [lanes, 1, 1],
    matrices: true,
    head: `var<workgroup> tileX: array<array<vec2u, ${(t.pixels * tileRow) / 4}>, ${memory.buffers * t.down}>;
var<workgroup> tileW: array<array<vec4u, ${pieceBytes(t) / 16}>, ${piecesOf(t, memory)}>;
${cornerWgsl}
${sums.head}`,
    body: `  let subgroup = lid.x / ${caps.subgroupSize}u;
  let lane = lid.x % ${caps.subgroupSize}u;
  let firstPixel = wid.y * ${pixels}u;
  let ownX = subgroup / ${t.across}u;
  let ownW = subgroup % ${t.across}u;
  let ownPixel = ownX * ${t.pixels}u;
  let ownVector = wid.x * ${channels / 4}u + ownW * ${t.channels / 4}u;
  let octet = wid.x * ${octets}u + lid.x % ${octets}u;
${each(weightLoads, (j) => `  var next${j} = min(octet / ${panelChannels / 8}u, p.lastPanel) * p.panel + (wid.z * p.groupSteps * ${step}u + lid.x / ${octets}u + ${(j * lanes) / octets}u) * ${panelChannels / 8}u + octet % ${panelChannels / 8}u; var w${j}: vec4u;`)}
${each(rows, (i) => each(columns, (j) => `  var c${i}_${j}: subgroup_matrix_result<f32, ${side}, ${side}>;`))}
  var step = wid.z * p.groupSteps;
  let end = min(step + p.groupSteps, p.steps);
${walk.begin}
  // Where the lane stores what it fetches: the piece, and the place in it.
  let pieceX = (lid.x / ${parts}u) / ${t.pixels}u;
  let placeX = ((lid.x / ${parts}u) % ${t.pixels}u) * ${tileRow / 4}u + own;
  let pieceW = (lid.x % ${octets}u) / ${ownOctets}u;
  let placeW = (lid.x / ${octets}u) * ${rowOctets}u + lid.x % ${ownOctets}u;
  // The first pieces of the tiles that are multiplied.
  var inX = 0u;
  var inW = 0u;
${walk.fetch}
${fetchWeights}
${storeInput}
${storeWeights}
  workgroupBarrier();
  while (step + 1u < end) {
    step++;
${walk.next}
${walk.fetch}
${fetchWeights}
${multiply}
${twice ? `    inX = ${t.down}u - inX;\n    inW = ${t.across}u - inW;` : "    workgroupBarrier();"}
${storeInput}
${storeWeights}
    workgroupBarrier();
  }
${sums.begin}
${groups > 1 ? "  // The last groups may have nothing left to do." : ""}
  ${groups > 1 ? "if (step < end) " : ""}{
${multiply}
  }
  workgroupBarrier();
${sums.end}`,
  });
}

/** `asked` names one of `matrixTiles`; the one of least estimated time is taken when left out. */
export function matrixConvolution(
  label: string,
  g: WindowGeometry,
  epilogue: Epilogue,
  caps: Caps,
  asked?: string,
): GpuKernel {
  const groups = groupsOf(g, caps);
  const fitting = tilesFor(g, groups, caps, epilogue.residual);
  const tile = fitting.find((t) => nameOf(t, groups) === asked) ?? fitting[0];
  const memory = memoryOf(tile, caps);
  if (!memory) throw new Error(`no room for the tile ${nameOf(tile, groups)}`);
  const stage: Stage = { g, tile, memory, groups, epilogue, caps };
  return panelProduct({
    label,
    name: nameOf(tile, groups),
    g,
    epilogue,
    caps,
    code: stageCode(stage),
    params: (firstPanel, panels) => stageParams(stage, firstPanel, panels),
    rows: windowRows(g, step),
    tile: { pixels: tile.down * tile.pixels, channels: tile.across * tile.channels },
    groups,
    parts: groups,
  });
}

/** All of it as a value, see Caps. */
export const matrixProducts: MatrixProducts = {
  fits: matrixFits,
  work: matrixConvolutionWork,
  tiles: matrixTiles,
  build: matrixConvolution,
};
