/**
 * Convolution as an implicit matrix product for chips of their own: the lanes of a workgroup load a tile of the input
 * and one of the filter into workgroup memory and use each value many times, each lane for a block of sums in registers;
 * while one step of the depth is multiplied, the next is fetched. (Goto and van de Geijn's blocking, with CUTLASS' levels
 * of threadblock and thread.)
 *
 * How the depth is walked through the rows of a window is the business of input-walk.ts.
 *
 * Sums do not depend on the tile: products are summed in segments and parts of lengths by the layer's shape, and parts in
 * their order. Where few pixels leave most of a chip idle, groups of workgroups share the depth; each writes the sums of
 * its parts, and a last stage adds them in the same order.
 */
import { epilogueInputs, epilogueWgsl, outputsOf, putWgsl, storeLine, storeParams } from "./epilogue.ts";
import type { WindowGeometry } from "./geometry.ts";
import { lanesOf, type SharedTile } from "./hardware.ts";
import { inputElement, inputWalk, walkParams } from "./input-walk.ts";
import { type Caps, type Epilogue, type GpuKernel, type GpuStage, type Place, plainEpilogue } from "./op.ts";
import { panelProduct } from "./panel-product.ts";
import {
  best,
  bestOfPlaces,
  block,
  depthOf,
  nameOf,
  panelChannels,
  pixelsOf,
  plansOf,
} from "./shared-plan.ts";
import {
  cornerWgsl,
  each,
  encodeParams,
  type ModuleParts,
  weightElement,
  wgslModule,
  windowParams,
} from "./wgsl.ts";

/** What a product writes: its outputs, the sums of its parts, or a product for each of several places. */
type Writes = "outputs" | "parts" | "places";

interface Stage {
  readonly g: WindowGeometry;
  readonly tile: SharedTile;
  readonly groups: number;
  readonly writes: Writes;
  readonly epilogue: Epilogue;
  readonly caps: Caps;
}

/** The parameters of a chunk of panels; `panels` of them from `firstPanel` on. */
function stageParams({ g, tile: t, groups, epilogue, caps }: Stage, firstPanel: number, panels: number) {
  const { rows, segment, part, parts } = depthOf(g, caps);
  const perStep = t.depth / block;
  const outWidth = g.outC % 4 === 0 ? 4 : 1;
  return {
    pixels: pixelsOf(g),
    ...windowParams(g),
    ...walkParams(g, rows, t.depth),
    segmentSteps: segment / perStep,
    partSteps: part / perStep,
    groupSteps: (Math.ceil(parts / groups) * part) / perStep,
    panel: (rows.depth * panelChannels) / 4,
    lastPanel: panels - 1,
    firstVector: (firstPanel * panelChannels) / 4,
    endVector: Math.min(Math.ceil(g.outC / 4), ((firstPanel + panels) * panelChannels) / 4),
    vectors: Math.ceil(g.outC / 4),
    outC: g.outC,
    ...storeParams(epilogue, g.outC, outWidth),
  };
}

/** Lines for each sum of a lane: `line(pixel, vector)`. */
const eachSum = ({ lanePixels, laneChannels }: SharedTile, line: (i: number, j: number) => string) =>
  each(lanePixels, (i) => each(laneChannels / 4, (j) => line(i, j)));

/** Sums that are finished together: what they are added to is loaded for all of them before the first is stored. */
const together = 8;

/** The lines that store a lane's sums `sum(i, j)`. */
function storeLines({ g, tile: t, writes, epilogue }: Stage, sum: (i: number, j: number) => string): string {
  const columns = t.channels / t.laneChannels;
  const lines = t.pixels / t.lanePixels;
  const vectors = t.laneChannels / 4;
  const count = t.lanePixels * vectors;
  const place = (n: number) => ({ i: Math.floor(n / vectors), j: n % vectors });
  const at = (n: number) => {
    const { i, j } = place(n);
    return `let pixel${n} = firstPixel + line + ${i * lines}u; let inside${n} = pixel${n} < p.pixels && vector${j} < p.endVector;`;
  };
  const whole = writes !== "outputs" || g.outC % 4 === 0;
  const own = (n: number) => `pixel${n} * p.vectors + vector${place(n).j}`;
  const store = (n: number) => {
    const { i, j } = place(n);
    const value = sum(i, j);
    if (writes === "parts") return `y[part * p.pixels * p.vectors + ${own(n)}] = ${value};`;
    if (writes === "places") return `y[wid.z * p.pixels * p.vectors + ${own(n)}] = ${value};`;
    if (whole) {
      const finished = `finished(${value}, factor${j}, term${j}, other${n})`;
      return storeLine(epilogue, `pixel${n}`, `vector${j}`, finished);
    }
    return `for (var c = 0u; c < 4u; c++) { let channel = 4u * vector${j} + c;
      if (channel < p.outC) { y[pixel${n} * p.row + p.first + channel] = finish(${value}[c], channel, pixel${n} * p.outC + channel); } }`;
  };
  const read = (name: "scale" | "bias", j: number) =>
    epilogue[name] ? `${name}[min(vector${j}, p.vectors - 1u)]` : "vec4f()";
  const finishes = writes === "outputs" && whole;
  const other = (n: number) =>
    `let other${n} = ${epilogue.residual ? `residual[select(0u, ${own(n)}, inside${n})]` : "vec4f()"};`;
  const batches = Array.from({ length: Math.ceil(count / together) }, (_, k) =>
    Array.from({ length: Math.min(together, count - k * together) }, (_, n) => k * together + n),
  );
  return `{
${each(vectors, (j) => `let vector${j} = p.firstVector + firstVector + column + ${j * columns}u;${finishes ? ` let factor${j} = ${read("scale", j)}; let term${j} = ${read("bias", j)};` : ""}`)}
${batches
  .map(
    (numbers) => `{ ${numbers.map(at).join("\n")}
${finishes ? numbers.map(other).join("\n") : ""}
${numbers.map((n) => `if (inside${n}) { ${store(n)} }`).join("\n")} }`,
  )
  .join("\n")}
}`;
}

/** The WGSL of the product. */
function stageCode(stage: Stage): string {
  const { g, tile: t, writes, epilogue, caps } = stage;
  const lanes = lanesOf(t);
  const columns = t.channels / t.laneChannels;
  const lines = t.pixels / t.lanePixels;
  const parts = t.depth / 4;
  const rowVectors = t.channels / 4;
  const loads = Math.max(1, (t.pixels * parts) / lanes);
  const weightLoads = (t.depth * rowVectors) / lanes;
  const output = writes !== "outputs" || g.outC % 4 === 0 ? "vec4f" : "f32";
  const { rows, segment, part, parts: allParts } = depthOf(g, caps);
  const levels = [
    "sum",
    ...(segment < part ? ["group"] : []),
    ...(writes !== "parts" && allParts > 1 ? ["total"] : []),
  ];
  const carry = (from: number) =>
    eachSum(
      t,
      (i, j) =>
        `${levels[from + 1]}${i}_${j} += ${levels[from]}${i}_${j}; ${levels[from]}${i}_${j} = vec4f();`,
    );
  /** The level that holds a part. */
  const ofPart = segment < part ? 1 : 0;
  const walk = inputWalk(g, rows, t.depth, loads, lanes);
  const fetchWeights = each(
    weightLoads,
    (j) => `w${j} = vec4f(weights[from${j}]); from${j} += ${t.depth * 8}u;`,
  );
  const storeInput = each(loads, (i) => `tileX[lid.x + ${i * lanes}u] = x${i};`);
  const endOfSegment =
    segment < part ? `    if (step % p.segmentSteps == 0u || step == end) {\n${carry(0)}\n    }` : "";
  const endOfPart =
    writes === "parts"
      ? `let part = (step - 1u) / p.partSteps;
${storeLines(stage, (i, j) => `${levels[ofPart]}${i}_${j}`)}
${eachSum(t, (i, j) => `${levels[ofPart]}${i}_${j} = vec4f();`)}`
      : allParts > 1
        ? carry(ofPart)
        : "";
  const extra: ModuleParts["inputs"] = writes === "outputs" ? epilogueInputs(epilogue, output) : [];
  return wgslModule({
    params: stageParams(stage, 0, 1),
    inputs: [
      { name: "x", type: inputElement(g) },
      { name: "weights", type: writes === "places" ? "vec4f" : weightElement(caps) },
      ...extra,
    ],
    output,
    outputs: writes === "outputs" ? outputsOf(epilogue) : 1,
    workgroup: [lanes, 1, 1],
    head: `var<workgroup> tileX: array<vec4f, ${t.pixels * parts}>;
var<workgroup> tileW: array<vec4f, ${t.depth * rowVectors}>;
${cornerWgsl}
${writes === "outputs" ? epilogueWgsl(epilogue, output) + putWgsl(epilogue) : ""}`,
    body: `  let column = lid.x % ${columns}u;
  let line = lid.x / ${columns}u;
  let firstPixel = wid.y * ${t.pixels}u;
  let firstVector = wid.x * ${rowVectors}u;
  // What this lane loads: one part of the depth of every ${lanes / parts}th pixel, one vector of every ${lanes / rowVectors}th product.
  let vector = firstVector + lid.x % ${rowVectors}u;
  let panel = min(vector / 8u, p.lastPanel)${writes === "places" ? " + wid.z * (p.lastPanel + 1u)" : ""};
  let begin = ${writes === "parts" ? "wid.z * p.groupSteps" : "0u"};
  let end = ${writes === "parts" ? "min(begin + p.groupSteps, p.steps)" : "p.steps"};
${each(weightLoads, (j) => `  var from${j} = panel * p.panel + (begin * ${t.depth}u + lid.x / ${rowVectors}u + ${(j * lanes) / rowVectors}u) * 8u + vector % 8u; var w${j}: vec4f;`)}
${eachSum(t, (i, j) => levels.map((level) => `  var ${level}${i}_${j} = vec4f();`).join(""))}
  var step = begin;
${walk.begin}
${writes === "places" ? each(loads, (i) => `  start${i} += i32(wid.z * p.rowLength);`) : ""}
${walk.fetch}
${fetchWeights}
  while (step < end) {
${loads * lanes > t.pixels * parts ? `if (lid.x < ${t.pixels * parts}u) { ${storeInput} }` : storeInput}
${each(weightLoads, (j) => `tileW[lid.x + ${j * lanes}u] = w${j};`)}
    workgroupBarrier();
    step++;
    if (step < end) {
${walk.next}
${walk.fetch}
${fetchWeights}
    }
    for (var q = 0u; q < ${parts}u; q++) {
${each(t.lanePixels, (i) => `      let a${i} = tileX[(line + ${i * lines}u) * ${parts}u + q];`)}
${each(
  4,
  (
    s,
  ) => `${each(t.laneChannels / 4, (j) => `      let b${s}_${j} = tileW[(q * 4u + ${s}u) * ${rowVectors}u + column + ${j * columns}u];`)}
${eachSum(t, (i, j) => `      sum${i}_${j} = fma(vec4f(a${i}[${s}]), b${s}_${j}, sum${i}_${j});`)}`,
)}
    }
${endOfSegment}
${endOfPart ? `    if (step % p.partSteps == 0u || step == end) {\n${endOfPart}\n    }` : ""}
    workgroupBarrier();
  }
${writes === "parts" ? "" : storeLines(stage, (i, j) => `${levels[levels.length - 1]}${i}_${j}`)}`,
  });
}

/** `asked` names one of `sharedTiles`; the one of least estimated time is taken when left out. */
export function sharedConvolution(
  label: string,
  g: WindowGeometry,
  epilogue: Epilogue,
  caps: Caps,
  asked?: string,
): GpuKernel {
  const plans = plansOf(g, caps);
  const plan = plans.find((p) => nameOf(p) === asked) ?? best(g, plans, caps);
  const { rows, parts } = depthOf(g, caps);
  const stage: Stage = { g, ...plan, writes: plan.groups > 1 ? "parts" : "outputs", epilogue, caps };
  return panelProduct({
    label,
    name: nameOf(plan),
    g,
    epilogue,
    caps,
    code: stageCode(stage),
    params: (firstPanel, panels) => stageParams(stage, firstPanel, panels),
    rows,
    tile: plan.tile,
    groups: plan.groups,
    parts,
  });
}

/**
 * A stage of `places` products, each of the 1x1 convolution `g`: x [place][pixel][inC] by filters in panels
 * [place][outC / 32][inC][32], written to scratch memory as [place][pixel][outC].
 */
export function sharedPlaces(
  g: WindowGeometry,
  places: number,
  caps: Caps,
  io: { readonly reads: readonly Place[]; readonly writes: { readonly scratch: number } },
): GpuStage {
  const plan = bestOfPlaces(g, places, caps);
  const stage: Stage = { g, ...plan, writes: "places", epilogue: plainEpilogue, caps };
  const panels = Math.ceil(g.outC / panelChannels);
  return {
    code: stageCode(stage),
    dispatches: [
      {
        params: encodeParams(stageParams(stage, 0, panels)),
        grid: [
          Math.ceil((panels * panelChannels) / plan.tile.channels),
          Math.ceil(pixelsOf(g) / plan.tile.pixels),
          places,
        ],
        ...io,
      },
    ],
  };
}
