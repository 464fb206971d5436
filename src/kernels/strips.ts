/**
 * The walk that depthwise convolutions and pools share on the GPU: a lane takes four neighbouring output columns of four
 * channels, and each value is loaded once for all the columns that it counts in.
 */
import { rowOf } from "./epilogue.ts";
import type { WindowGeometry } from "./geometry.ts";
import type { Caps, Epilogue, GpuKernel } from "./op.ts";
import {
  each,
  flatDispatch,
  flatIndex,
  flatWorkgroup,
  type ModuleParts,
  type Params,
  wgslModule,
} from "./wgsl.ts";

/** Neighbouring output columns of a lane. */
export const stripLength = 4;

/** What is done with the columns, as WGSL. In row `ky` of the window, `x<k>` and `inside<k>` are the strip's cells. */
export interface StripBody {
  /** Parameters besides those of the walk. */
  readonly params: Params;
  /** Operands behind the input. */
  readonly inputs: ModuleParts["inputs"];
  readonly head?: string;
  /** The row of the input below the window's top, for the row `ky` of the window. */
  readonly row: string;
  /** What a cell outside is taken for. */
  readonly outside: string;
  /** Declares what column j is summed up in. */
  start(column: number): string;
  /** Before the cells of a row of the window. */
  readonly startRow: string;
  /** Takes a row's cells for column j, of which the first is `x<first>`. */
  take(column: number, first: number): string;
  /** The value of column j, which is the output `pixel`. */
  finish(column: number, pixel: string): string;
}

export function stripKernel(
  label: string,
  g: WindowGeometry,
  epilogue: Epilogue,
  caps: Caps,
  body: StripBody,
): GpuKernel {
  const strips = Math.ceil(g.outW / stripLength);
  const reach = (stripLength - 1) * g.strideW + g.kernelW;
  const params = {
    count: (g.batch * g.outH * strips * g.inC) / 4,
    strips,
    kernelH: g.kernelH,
    inH: g.inH,
    inW: g.inW,
    channels: g.inC / 4,
    outH: g.outH,
    outW: g.outW,
    ...rowOf(epilogue, g.outC, 4),
    strideH: g.strideH,
    padTop: { i32: g.padTop },
    padLeft: { i32: g.padLeft },
    ...body.params,
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: "vec4f" }, ...body.inputs],
    output: "vec4f",
    workgroup: [flatWorkgroup, 1, 1],
    head: body.head,
    body: `${flatIndex}
  let channel = i % p.channels;
  let strip = (i / p.channels) % p.strips;
  let line = i / p.channels / p.strips;
  let image = line / p.outH;
  let top = i32((line % p.outH) * p.strideH) - p.padTop;
  let first = strip * ${stripLength}u;
  let left = i32(first * ${g.strideW}u) - p.padLeft;
${each(stripLength, body.start)}
  // The bound is a parameter so that the loop is not written out: its loads are what takes long to compile.
  for (var ky = 0u; ky < p.kernelH; ky++) {
    let row = top + i32(${body.row});
    if (row < 0 || row >= i32(p.inH)) { continue; }
    let start = (image * p.inH + u32(row)) * p.inW;
${body.startRow}
${each(
  reach,
  (k) =>
    `    let inside${k} = left + ${k} >= 0 && left + ${k} < i32(p.inW);
    let x${k} = select(${body.outside}, x[select(0u, (start + u32(left + ${k})) * p.channels + channel, inside${k})], inside${k});`,
)}
${each(stripLength, (j) => body.take(j, j * g.strideW))}
  }
  let pixel = line * p.outW + first;
${each(
  stripLength,
  (j) =>
    `  if (first + ${j}u < p.outW) { y[(pixel + ${j}u) * p.row + p.first + channel] = ${body.finish(j, `(pixel + ${j}u)`)}; }`,
)}`,
  });
  return {
    label,
    tile: `${stripLength}x4`,
    stages: [{ code, dispatches: [flatDispatch(params, caps)] }],
  };
}
