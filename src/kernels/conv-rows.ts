/**
 * Products of few rows (fully-connected layers, 1x1 convolutions of single pixels): every weight is used a few times
 * only, so reading weights is all the work. Lanes take channels, each weight is loaded once, by one lane, and the rows'
 * values go round in the subgroup.
 */
import { instructions } from "./conv-lanes.ts";
import { epilogueInputs, epilogueWgsl, rowOf } from "./epilogue.ts";
import { type WindowGeometry, windowGeometry } from "./geometry.ts";
import type { Caps, Epilogue, GpuKernel } from "./op.ts";
import { groupLength, panelDispatches, panelPacking, panelSize } from "./panels.ts";
import { each, encodeParams, texelAt, wgslModule } from "./wgsl.ts";

/** Rows of sums that a lane keeps at most. */
const mostRows = 8;

/**
 * The convolution as a product [rows, depth] x [depth, outC] whose rows lie in memory as they are, or undefined: 1x1
 * windows, or one window that is the whole image.
 */
function productOf(g: WindowGeometry): { rows: number; depth: number } | undefined {
  if (g.padded) return undefined;
  if (g.kernelH === 1 && g.kernelW === 1 && g.strideH === 1 && g.strideW === 1) {
    return { rows: g.batch * g.inH * g.inW, depth: g.inC };
  }
  const whole = g.kernelH === g.inH && g.kernelW === g.inW && g.outH === 1 && g.outW === 1;
  return whole ? { rows: g.batch, depth: g.inH * g.inW * g.inC } : undefined;
}

export function rowsFit(g: WindowGeometry, caps: Caps): boolean {
  const product = productOf(g);
  const lanes = caps.subgroupSize;
  return !caps.hardware && product !== undefined && product.depth % 4 === 0 && (lanes === 4 || lanes === 8);
}

/** Estimated instructions; see conv-lanes.ts. */
export function rowsWork(g: WindowGeometry, lanes: number): number {
  const { rows, depth } = productOf(g) ?? { rows: 0, depth: 0 };
  const kept = Math.min(rows, mostRows);
  const turn = 4 * instructions.texel + kept * (100 + 16 * instructions.multiplyAdd);
  return Math.ceil(rows / mostRows) * Math.ceil(g.outC / (4 * lanes)) * (depth / 4) * turn;
}

export function rowsProduct(label: string, g: WindowGeometry, epilogue: Epilogue, caps: Caps): GpuKernel {
  const lanes = caps.subgroupSize;
  const { rows, depth } = productOf(g) ?? { rows: 0, depth: 0 };
  const kept = Math.min(rows, mostRows);
  const flat = windowGeometry("matmul", [1, rows, 1, depth], [1, 1], g.outC, {
    strides: [1, 1],
    padding: "VALID",
  });
  const channels = 4 * lanes;
  const packing = panelPacking(flat, channels, caps, { texels: true });
  const output = g.outC % 4 === 0 ? "vec4f" : "f32";
  const width = output === "vec4f" ? 4 : 1;
  const params = (firstPanel: number) => ({
    rows,
    depth: depth / 4,
    panel: panelSize(flat, channels) / 4,
    outC: g.outC / width,
    ...rowOf(epilogue, g.outC, width),
    firstPanel,
  });
  const carry = (from: string, to: string) =>
    each(kept, (j) => `${to}${j} += ${from}${j}; ${from}${j} = vec4f();`);
  const store = (j: number) =>
    output === "vec4f"
      ? `if (firstRow + ${j}u < p.rows && channel < p.outC) {
    let row = firstRow + ${j}u;
    y[row * p.row + p.first + channel] = finish(total${j}, channel, row * p.outC + channel);
  }`
      : `if (firstRow + ${j}u < p.rows) {
    let row = firstRow + ${j}u;
    for (var c = 0u; c < 4u && channel + c < p.outC; c++) {
      y[row * p.row + p.first + channel + c] = finish(total${j}[c], channel + c, row * p.outC + channel + c);
    }
  }`;
  const code = wgslModule({
    params: params(0),
    inputs: [
      { name: "x", type: "vec4f" },
      { name: "filterPanels", type: "texels" },
      ...epilogueInputs(epilogue, output),
    ],
    output,
    workgroup: [lanes, 1, 1],
    subgroups: true,
    head: epilogueWgsl(epilogue, output),
    body: `  let channel = ((p.firstPanel + wid.x) * ${lanes}u + lane)${output === "f32" ? " * 4u" : ""};
  let firstRow = wid.y * ${kept}u;
  var w = wid.x * p.panel + lane;
${each(kept, (j) => `  let start${j} = min(firstRow + ${j}u, p.rows - 1u) * p.depth; var s${j} = vec4f(); var group${j} = vec4f(); var total${j} = vec4f();`)}
  var blocks = 0u;
  for (var base = 0u; base < p.depth; base += ${lanes}u) {
${each(kept, (j) => `    let x${j} = x[start${j} + min(base + lane, p.depth - 1u)];`)}
    let end = min(${lanes}u, p.depth - base);
    for (var q = 0u; q < end; q++) {
${each(4, (k) => `      let w${k} = ${texelAt("filterPanels", `w + ${k * lanes}u`)};`)}
      w += ${4 * lanes}u;
${each(kept, (j) => `      let v${j} = subgroupShuffle(x${j}, q);\n${each(4, (k) => `      s${j} = fma(vec4f(v${j}.${"xyzw"[k]}), w${k}, s${j});`)}`)}
      // Blocks of sixteen products; see panels.ts.
      if ((q & 3u) == 3u) {
${carry("s", "group")}
        blocks++;
        if (blocks == ${groupLength}u) {
          blocks = 0u;
${carry("group", "total")}
        }
      }
    }
  }
${each(kept, (j) => `  total${j} += group${j} + s${j};`)}
${each(kept, (j) => `  ${store(j)}`)}`,
  });
  return {
    label,
    tile: `${kept}x${channels}`,
    stages: [
      {
        code,
        dispatches: panelDispatches(packing, panelSize(flat, channels), (firstPanel, panels, chunk) => ({
          params: encodeParams(params(firstPanel)),
          grid: [panels, Math.ceil(rows / kept), 1] as const,
          chunk,
        })),
      },
    ],
    packing: { 1: packing },
  };
}
