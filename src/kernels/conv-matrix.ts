/**
 * Convolution on a chip's units for small matrices, which WebGPU calls subgroup matrices (`chromium-experimental-subgroup-
 * matrix`; on NVIDIA the tensor cores): products of half precision, summed in float32. The lanes of a workgroup fetch the
 * tiles of the input and the filter, round the input to half precision, and share them; each subgroup multiplies its part
 * of the tile in pieces of 16x16x16. Pairs and octets of halves travel as whole words: single halves take as long each.
 *
 * The splits of the depth change bits here (the units sum in an order of their own), so they follow the layer alone.
 */
import { epilogueInputs, epilogueWgsl, rowOf } from "./epilogue.ts";
import { ofTypicalBatch, type WindowGeometry } from "./geometry.ts";
import { type MatrixTile, matrixWork } from "./hardware.ts";
import { inputElement, inputWalk, walkParams, windowRows } from "./input-walk.ts";
import type { Caps, Epilogue, GpuKernel } from "./op.ts";
import { panelProduct } from "./panel-product.ts";
import { panelChannels, pixelsOf } from "./shared-plan.ts";
import { cornerWgsl, each, type ModuleParts, wgslModule, windowParams } from "./wgsl.ts";

/** The side of the small matrices. */
const side = 16;

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

const rowHalves = (t: MatrixTile) => t.across * t.channels + spare;

/** Both tiles in halves, and for each subgroup a strip of its sums on their way out. */
const sharedBytes = (t: MatrixTile) =>
  2 * (t.down * t.pixels * tileRow + step * rowHalves(t)) + 4 * t.down * t.across * side * t.channels;

const fits = (t: MatrixTile, g: WindowGeometry, caps: Caps): boolean =>
  lanesOf(t, caps) <= caps.maxWorkgroupSize &&
  sharedBytes(t) <= caps.workgroupBytes &&
  (t.down * t.pixels * step) / 4 >= lanesOf(t, caps) &&
  (t.across * t.channels * step) / 8 >= lanesOf(t, caps) &&
  Math.ceil(pixelsOf(g) / (t.down * t.pixels)) <= caps.maxWorkgroupsPerDimension;

export const matrixFits = (g: WindowGeometry, caps: Caps): boolean =>
  caps.hardware &&
  caps.halfWeights &&
  caps.matrices &&
  g.dilationW === 1 &&
  g.outC % 4 === 0 &&
  tiles.some((t) => fits(t, g, caps));

const workOf = (g: WindowGeometry, tile: MatrixTile, groups: number): number =>
  matrixWork({ tile, pixels: pixelsOf(g), channels: g.outC, depth: step * stepsOf(g), groups });

const bestTile = (g: WindowGeometry, groups: number, caps: Caps): MatrixTile =>
  tiles
    .filter((t) => fits(t, g, caps))
    .reduce((best, t) => (workOf(g, t, groups) < workOf(g, best, groups) ? t : best));

/** Images that half precision is for: who asks for it has many. */
const typicalBatch = 32;

/** Groups of workgroups that share the depth, by the layer alone. */
function groupsOf(g: WindowGeometry, caps: Caps): number {
  const typical = ofTypicalBatch(g, caps, typicalBatch);
  const counts = [1, 2, 3, 4, 6, 8, 12, 16].filter((n) => n <= stepsOf(g));
  const work = (groups: number) => workOf(typical, bestTile(typical, groups, caps), groups);
  return counts.reduce((best, n) => (work(n) < work(best) ? n : best));
}

/** Estimated nanoseconds of the best tile. */
export const matrixConvolutionWork = (g: WindowGeometry, caps: Caps): number => {
  const groups = groupsOf(g, caps);
  return workOf(g, bestTile(g, groups, caps), groups);
};

/** Names of the tiles that can be asked for, the one that is estimated best first. */
export function matrixTiles(g: WindowGeometry, caps: Caps): string[] {
  const groups = groupsOf(g, caps);
  return tiles
    .filter((t) => fits(t, g, caps))
    .toSorted((a, b) => workOf(g, a, groups) - workOf(g, b, groups))
    .map((t) => nameOf(t, groups));
}

interface Stage {
  readonly g: WindowGeometry;
  readonly tile: MatrixTile;
  readonly groups: number;
  readonly epilogue: Epilogue;
  readonly caps: Caps;
}

const stageParams = ({ g, groups, epilogue }: Stage, firstPanel: number, panels: number) => ({
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
  ...rowOf(epilogue, g.outC, 4),
});

function stageCode(stage: Stage): string {
  const { g, tile: t, groups, epilogue, caps } = stage;
  const lanes = lanesOf(t, caps);
  const parts = step / 4;
  const [pixels, channels] = [t.down * t.pixels, t.across * t.channels];
  const loads = (pixels * parts) / lanes;
  const [rows, columns] = [t.pixels / side, t.channels / side];
  const walk = inputWalk(g, windowRows(g, step), step, loads, lanes);
  const strip = side * t.channels;
  const outVectors = strip / 4 / caps.subgroupSize;
  const rowVectors = t.channels / 4;
  /** Octets: of a row of the filter's tile, with and without what is over, and those that a lane loads. */
  const [octets, rowOctets] = [channels / 8, rowHalves(t) / 8];
  const weightLoads = (step * octets) / lanes;
  const storeInput = each(
    loads,
    (i) =>
      `tileX[(lid.x / ${parts}u + ${(i * lanes) / parts}u) * ${tileRow / 4}u + own] = vec2u(pack2x16float(x${i}.xy), pack2x16float(x${i}.zw));`,
  );
  const storeWeights = each(
    weightLoads,
    (j) =>
      `tileW[(lid.x / ${octets}u + ${(j * lanes) / octets}u) * ${rowOctets}u + lid.x % ${octets}u] = w${j};`,
  );
  const fetchWeights = each(
    weightLoads,
    (j) => `w${j} = weights[next${j}]; next${j} += ${(step * panelChannels) / 8}u;`,
  );
  const multiply = each(
    step / side,
    (
      k,
    ) => `${each(columns, (j) => `    let b${k}_${j} = subgroupMatrixLoad<subgroup_matrix_right<f16, ${side}, ${side}>, row_major>(&tileW, ${k * side * rowOctets}u + ownOctet + ${(j * side) / 8}u, ${rowOctets}u);`)}
${each(
  rows,
  (
    i,
  ) => `    let a${k}_${i} = subgroupMatrixLoad<subgroup_matrix_left<f16, ${side}, ${side}>, row_major>(&tileX, (ownPixel + ${i * side}u) * ${tileRow / 4}u + ${(k * side) / 4}u, ${tileRow / 4}u);
${each(columns, (j) => `    c${i}_${j} = subgroupMatrixMultiplyAccumulate(a${k}_${i}, b${k}_${j}, c${i}_${j});`)}`,
)}`,
  );
  /** What a strip's sums are added to is loaded for all of them before the first is stored. */
  const residual = groups === 1 && epilogue.residual;
  const read = (name: "scale" | "bias", k: number) =>
    epilogue[name] ? `${name}[min(vector${k}, p.vectors - 1u)]` : "vec4f()";
  const store = (k: number) =>
    groups > 1
      ? `y[(wid.z * p.pixels + pixel${k}) * p.vectors + vector${k}] = value${k};`
      : `y[pixel${k} * p.row + p.first + vector${k}] = finished(value${k}, ${read("scale", k)}, ${read("bias", k)}, other${k});`;
  const extra: ModuleParts["inputs"] = groups > 1 ? [] : epilogueInputs(epilogue, "vec4f");
  return wgslModule({
    params: stageParams(stage, 0, 1),
    inputs: [{ name: "x", type: inputElement(g) }, { name: "weights", type: "vec4u" }, ...extra],
    output: "vec4f",
    workgroup: [lanes, 1, 1],
    matrices: true,
    head: `var<workgroup> tileX: array<vec2u, ${(pixels * tileRow) / 4}>;
var<workgroup> tileW: array<vec4u, ${step * rowOctets}>;
var<workgroup> strips: array<f32, ${t.down * t.across * strip}>;
${cornerWgsl}
${groups > 1 ? "" : epilogueWgsl(epilogue, "vec4f")}`,
    body: `  let subgroup = lid.x / ${caps.subgroupSize}u;
  let lane = lid.x % ${caps.subgroupSize}u;
  let firstPixel = wid.y * ${pixels}u;
  let ownPixel = (subgroup / ${t.across}u) * ${t.pixels}u;
  let ownVector = wid.x * ${channels / 4}u + (subgroup % ${t.across}u) * ${rowVectors}u;
  let ownOctet = (subgroup % ${t.across}u) * ${t.channels / 8}u;
  let octet = wid.x * ${octets}u + lid.x % ${octets}u;
${each(weightLoads, (j) => `  var next${j} = min(octet / ${panelChannels / 8}u, p.lastPanel) * p.panel + (wid.z * p.groupSteps * ${step}u + lid.x / ${octets}u + ${(j * lanes) / octets}u) * ${panelChannels / 8}u + octet % ${panelChannels / 8}u; var w${j}: vec4u;`)}
${each(rows, (i) => each(columns, (j) => `  var c${i}_${j}: subgroup_matrix_result<f32, ${side}, ${side}>;`))}
  var step = wid.z * p.groupSteps;
  let end = min(step + p.groupSteps, p.steps);
${walk.begin}
${walk.fetch}
${fetchWeights}
  while (step < end) {
${storeInput}
${storeWeights}
    workgroupBarrier();
    step++;
    if (step < end) {
${walk.next}
${walk.fetch}
${fetchWeights}
    }
${multiply}
    workgroupBarrier();
  }
${each(
  rows,
  (
    i,
  ) => `${each(columns, (j) => `  subgroupMatrixStore<row_major>(&strips, subgroup * ${strip}u + ${j * side}u, c${i}_${j}, ${t.channels}u);`)}
  workgroupBarrier();
  {
${each(
  outVectors,
  (k) => `    let cell${k} = lane + ${k * caps.subgroupSize}u;
    let pixel${k} = firstPixel + ownPixel + ${i * side}u + cell${k} / ${rowVectors}u;
    let vector${k} = p.firstVector + ownVector + cell${k} % ${rowVectors}u;
    let inside${k} = pixel${k} < p.pixels && vector${k} < p.endVector;
    let other${k} = ${residual ? `residual[select(0u, pixel${k} * p.vectors + vector${k}, inside${k})]` : "vec4f()"};`,
)}
${each(
  outVectors,
  (k) => `    let begin${k} = subgroup * ${strip}u + 4u * cell${k};
    let value${k} = vec4f(strips[begin${k}], strips[begin${k} + 1u], strips[begin${k} + 2u], strips[begin${k} + 3u]);
    if (inside${k}) { ${store(k)} }`,
)}
  }
  workgroupBarrier();`,
)}`,
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
  const tile =
    tiles.find((t) => fits(t, g, caps) && nameOf(t, groups) === asked) ?? bestTile(g, groups, caps);
  const stage: Stage = { g, tile, groups, epilogue, caps };
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
