/**
 * Convolution as an implicit matrix product, shared by conv2d and matmul (a product is a 1x1 convolution over one
 * column of pixels). Every output is summed in one order (rows, columns, channels of the window), whatever the tile or
 * the batch, so the bits of an image do not depend on its neighbours.
 */

import { epilogueInputs, epilogueWgsl, rowOf } from "./epilogue.ts";
import type { WindowGeometry } from "./geometry.ts";
import type { Caps, Epilogue, GpuKernel } from "./op.ts";
import { blockLength, groupLength, panelDispatches, panelPacking, panelSize } from "./panels.ts";
import {
  cornerWgsl,
  each,
  encodeParams,
  flatDispatch,
  flatIndex,
  flatWorkgroup,
  weightElement,
  wgslModule,
  windowParams,
} from "./wgsl.ts";

/** Pixels and output channels of a lane's tile. 4 x 8 is the best of those tried on lavapipe (1x8, 4x4, 4x8, 8x4, 8x8). */
const tilePixels = 4;
const tileChannels = 8;

/** One lane computes 4 pixels x 8 channels; the weights are read at an index that the whole workgroup shares. */
export function tiledConvolution(
  label: string,
  g: WindowGeometry,
  epilogue: Epilogue,
  caps: Caps,
): GpuKernel {
  const packing = panelPacking(g, tileChannels, caps);
  const depth = g.inC % 4 === 0 ? 4 : 1;
  const input = depth === 4 ? "vec4f" : "f32";
  const output = g.outC % 4 === 0 ? "vec4f" : "f32";
  const pixels = g.batch * g.outH * g.outW;
  const tiles = Math.ceil(pixels / tilePixels);
  const workgroup = tiles >= 64 ? 64 : tiles > 16 ? 32 : 16;
  const { row, first } = rowOf(epilogue, g.outC, 1);
  const params = (firstPanel: number) => ({
    pixels,
    ...windowParams(g),
    depth: g.inC / depth,
    outC: g.outC,
    row,
    first,
    firstPanel,
  });

  const load = (j: number) =>
    g.padded
      ? `          let x${j} = select(${input}(), x[at${j} + c], inside${j});`
      : `          let x${j} = x[at${j} + c];`;
  // Blocks and groups lie inside a tap, so that their bounds depend on nothing but the filter.
  const products = g.kernelH * g.kernelW * g.inC;
  const longest = blockLength(g);
  const block = Math.ceil(Math.min(g.inC, longest) / depth);
  const levels = products <= longest ? 1 : products <= longest * groupLength ? 2 : 3;
  /** Adds one level's sums to the next and begins them again. */
  const carry = (from: string, to: string) =>
    each(tilePixels, (j) =>
      ["a", "b"].map((v) => `${to}${v}${j} += ${from}${v}${j}; ${from}${v}${j} = vec4f();`).join(" "),
    );
  const tap = (
    lane: string,
  ) => `        wa = vec4f(filterPanels[w]); wb = vec4f(filterPanels[w + 1u]); w += 2u;
${each(tilePixels, (j) => `        a${j} = fma(vec4f(x${j}${lane}), wa, a${j}); b${j} = fma(vec4f(x${j}${lane}), wb, b${j});`)}`;
  const prefixes = ["", "group_", "total_"].slice(0, levels);
  const [sumA, sumB] = ["a", "b"].map((v) => (j: number) => `${prefixes[levels - 1]}${v}${j}`);
  const store = (j: number) =>
    output === "vec4f"
      ? `  if (first + ${j}u < p.pixels) {
    let own = ((first + ${j}u) * p.outC + channel) / 4u;
    let to = ((first + ${j}u) * p.row + p.first + channel) / 4u;
    y[to] = finish(${sumA(j)}, channel / 4u, own);
    if (channel + 4u < p.outC) { y[to + 1u] = finish(${sumB(j)}, channel / 4u + 1u, own + 1u); }
  }`
      : `  if (first + ${j}u < p.pixels) {
    let own = (first + ${j}u) * p.outC + channel;
    let to = (first + ${j}u) * p.row + p.first + channel;
    for (var c = 0u; c < min(8u, p.outC - channel); c++) {
      y[to + c] = finish(select(${sumB(j)}[c & 3u], ${sumA(j)}[c & 3u], c < 4u), channel + c, own + c);
    }
  }`;

  const code = wgslModule({
    params: params(0),
    inputs: [
      { name: "x", type: input },
      { name: "filterPanels", type: weightElement(caps) },
      ...epilogueInputs(epilogue, output),
    ],
    output,
    workgroup: [workgroup, 1, 1],
    head: `${epilogueWgsl(epilogue, output)}
${cornerWgsl}`,
    body: `  let first = (wid.x * ${workgroup}u + lid.x) * ${tilePixels}u;
  if (first >= p.pixels) { return; }
  let channel = (p.firstPanel + wid.y) * ${tileChannels}u;
${each(tilePixels, (j) => `  let corner${j} = corner(first + ${j}u); ${prefixes.map((level) => `var ${level}a${j} = vec4f(); var ${level}b${j} = vec4f();`).join(" ")}`)}
  var w = wid.y * p.depth * ${(g.kernelH * g.kernelW * depth * tileChannels) / 4}u;
  var wa: vec4f; var wb: vec4f;
  for (var ky = 0u; ky < ${g.kernelH}u; ky++) {
    for (var kx = 0u; kx < ${g.kernelW}u; kx++) {
${each(
  tilePixels,
  (
    j,
  ) => `      let row${j} = corner${j}.y + i32(ky * p.dilationH); let col${j} = corner${j}.x + i32(kx * p.dilationW);
${
  g.padded
    ? `      let inside${j} = row${j} >= 0 && row${j} < i32(p.inH) && col${j} >= 0 && col${j} < i32(p.inW);
      let at${j} = select(0u, ((corner${j}.row + u32(row${j})) * p.inW + u32(col${j})) * p.depth, inside${j});`
    : `      let at${j} = ((corner${j}.row + u32(row${j})) * p.inW + u32(col${j})) * p.depth;`
}`,
)}
      for (var start = 0u; start < p.depth; start += ${block}u) {
        let end = min(start + ${block}u, p.depth);
        for (var c = start; c < end; c++) {
${each(tilePixels, load)}
${depth === 4 ? each(4, (t) => tap(`.${"xyzw"[t]}`)) : tap("")}
        }
${levels > 1 ? carry("", "group_") : ""}
${levels > 2 && g.inC > longest * groupLength ? `if (start % ${block * groupLength}u == ${block * (groupLength - 1)}u) { ${carry("group_", "total_")} }` : ""}
      }
${levels > 2 ? carry("group_", "total_") : ""}
    }
  }
${each(tilePixels, store)}`,
  });

  const dispatches = panelDispatches(packing, panelSize(g, tileChannels), (firstPanel, panels, chunk) => ({
    params: encodeParams(params(firstPanel)),
    grid: [Math.ceil(tiles / workgroup), panels, 1] as const,
    chunk,
  }));
  return { label, stages: [{ code, dispatches }], packing: { 1: packing } };
}

/** One lane computes one output from the filter as it is in the checkpoint. The first rung, and the check of the rest. */
export function directConvolution(
  label: string,
  g: WindowGeometry,
  epilogue: Epilogue,
  caps: Caps,
): GpuKernel {
  const params = {
    count: g.batch * g.outH * g.outW * g.outC,
    ...windowParams(g),
    inC: g.inC,
    outC: g.outC,
    ...rowOf(epilogue, g.outC, 1),
  };
  const code = wgslModule({
    params,
    inputs: [
      { name: "x", type: "f32" },
      { name: "weights", type: "f32" },
      ...epilogueInputs(epilogue, "f32"),
    ],
    output: "f32",
    workgroup: [flatWorkgroup, 1, 1],
    head: epilogueWgsl(epilogue, "f32"),
    body: `${flatIndex}
  let channel = i % p.outC;
  let pixel = i / p.outC;
  let line = pixel / p.outW;
  let image = line / p.outH;
  let top = i32((line % p.outH) * p.strideH) - p.padTop;
  let left = i32((pixel % p.outW) * p.strideW) - p.padLeft;
  var sum = 0.0;
  for (var ky = 0u; ky < ${g.kernelH}u; ky++) {
    let row = top + i32(ky * p.dilationH);
    if (row < 0 || row >= i32(p.inH)) { continue; }
    for (var kx = 0u; kx < ${g.kernelW}u; kx++) {
      let col = left + i32(kx * p.dilationW);
      if (col < 0 || col >= i32(p.inW)) { continue; }
      let at = ((image * p.inH + u32(row)) * p.inW + u32(col)) * p.inC;
      let tap = (ky * ${g.kernelW}u + kx) * p.inC;
      for (var c = 0u; c < p.inC; c++) {
        sum = fma(x[at + c], weights[(tap + c) * p.outC + channel], sum);
      }
    }
  }
  y[pixel * p.row + p.first + channel] = finish(sum, channel, i);`,
  });
  return { label, stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}
