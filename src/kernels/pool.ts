/**
 * max_pool and avg_pool on NHWC. Cells outside the input do not count: the maximum ignores them (it is not a maximum
 * with zero) and the average divides by the cells inside, as TensorFlow's kernels do.
 */

import { type Shape, sizeOf } from "../tensor.ts";
import { pool as cpuPool } from "./cpu/pool.ts";
import { rowOf } from "./epilogue.ts";
import { type WindowAttrs, type WindowGeometry, windowGeometry } from "./geometry.ts";
import { type Caps, type Epilogue, float32Bytes, type GpuKernel, type Op } from "./op.ts";
import { type StripBody, stripKernel, stripLength } from "./strips.ts";
import { each, flatDispatch, flatIndex, flatWorkgroup, wgslModule } from "./wgsl.ts";

export interface PoolAttrs extends WindowAttrs {
  /** Height and width of the window. */
  readonly ksize: readonly [number, number];
}

type Kind = "max_pool" | "avg_pool";

const wgslOf: Record<Kind, { start: string; take: string; result: string }> = {
  // The comparison is written so that a NaN is taken and then kept.
  max_pool: {
    start: "x[0]",
    take: "value = select(value, v, cells == 0.0 || !(v <= value)); ",
    result: "value",
  },
  avg_pool: { start: "0.0", take: "value += v;", result: "value / cells" },
};

function gpuKernel(kind: Kind, g: WindowGeometry, epilogue: Epilogue, caps: Caps): GpuKernel {
  const width = g.inC % 4 === 0 ? 4 : 1;
  const type = width === 4 ? "vec4f" : "f32";
  const bool = width === 4 ? "vec4<bool>" : "bool";
  const { start, take, result } = wgslOf[kind];
  const params = {
    count: sizeOf(g.out) / width,
    inH: g.inH,
    inW: g.inW,
    channels: g.inC / width,
    ...rowOf(epilogue, g.inC, width),
    outH: g.outH,
    outW: g.outW,
    strideH: g.strideH,
    strideW: g.strideW,
    padTop: { i32: g.padTop },
    padLeft: { i32: g.padLeft },
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type }],
    output: type,
    workgroup: [flatWorkgroup, 1, 1],
    body: `${flatIndex}
  let channel = i % p.channels;
  let pixel = i / p.channels;
  let line = pixel / p.outW;
  let image = line / p.outH;
  let top = i32((line % p.outH) * p.strideH) - p.padTop;
  let left = i32((pixel % p.outW) * p.strideW) - p.padLeft;
  var value = ${type}(${start});
  var cells = 0.0;
  for (var ky = 0; ky < ${g.kernelH}; ky++) {
    let row = top + ky;
    if (row < 0 || row >= i32(p.inH)) { continue; }
    for (var kx = 0; kx < ${g.kernelW}; kx++) {
      let col = left + kx;
      if (col < 0 || col >= i32(p.inW)) { continue; }
      let v = x[((image * p.inH + u32(row)) * p.inW + u32(col)) * p.channels + channel];
      ${take.replace("cells == 0.0 || !(v <= value)", `${bool}(cells == 0.0) | !(v <= value)`)}
      cells += 1.0;
    }
  }
  y[pixel * p.row + p.first + channel] = ${result};`,
  });
  return { label: `${kind}/direct`, stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}

/** Windows that reach over their neighbours' cells, on whole vectors, and enough of them. */
const stripsFit = (g: WindowGeometry): boolean =>
  g.inC % 4 === 0 && g.kernelW > g.strideW && g.outW >= stripLength;

type StripRule = Pick<StripBody, "params" | "outside" | "start" | "take" | "finish">;

/** Cells are taken in the order of the direct kernel. */
const stripRuleOf: Record<Kind, (kernelW: number) => StripRule> = {
  max_pool: (kernelW) => ({
    // Minus infinity, for which WGSL has no word.
    params: { least: 0xff80_0000 },
    outside: "vec4f(bitcast<f32>(p.least))",
    start: (j) => `  var value${j} = vec4f(bitcast<f32>(p.least));`,
    take: (j, first) =>
      each(
        kernelW,
        (kx) => `    value${j} = select(value${j}, x${first + kx}, !(x${first + kx} <= value${j}));`,
      ),
    finish: (j) => `value${j}`,
  }),
  avg_pool: (kernelW) => ({
    params: {},
    outside: "vec4f()",
    start: (j) => `  var value${j} = vec4f(); var cells${j} = 0.0;`,
    take: (j, first) =>
      each(
        kernelW,
        (kx) => `    value${j} = value${j} + x${first + kx}; cells${j} += f32(inside${first + kx});`,
      ),
    finish: (j) => `value${j} / cells${j}`,
  }),
};

const strips = (kind: Kind, g: WindowGeometry, epilogue: Epilogue, caps: Caps): GpuKernel =>
  stripKernel(`${kind}/strips`, g, epilogue, caps, {
    ...stripRuleOf[kind](g.kernelW),
    inputs: [],
    row: "ky",
    startRow: "",
  });

function pool(kind: Kind): Op<PoolAttrs, WindowGeometry> {
  return {
    name: kind,
    weightsFrom: 1,
    fusesEpilogue: false,
    placesOutput: true,
    infer: ([x]: readonly Shape[], attrs) => windowGeometry(kind, x, attrs.ksize, x[3], attrs),
    cost: (g) => ({ macs: 0, bytes: float32Bytes(g.batch * g.inH * g.inW * g.inC, sizeOf(g.out)) }),
    reference(g, [x], out) {
      let at = 0;
      for (let n = 0; n < g.batch; n++) {
        for (let oy = 0; oy < g.outH; oy++) {
          for (let ox = 0; ox < g.outW; ox++) {
            for (let c = 0; c < g.inC; c++) {
              let value = kind === "max_pool" ? Number.NEGATIVE_INFINITY : 0;
              let cells = 0;
              for (let ky = 0; ky < g.kernelH; ky++) {
                const iy = oy * g.strideH - g.padTop + ky;
                if (iy < 0 || iy >= g.inH) continue;
                for (let kx = 0; kx < g.kernelW; kx++) {
                  const ix = ox * g.strideW - g.padLeft + kx;
                  if (ix < 0 || ix >= g.inW) continue;
                  const v = x[((n * g.inH + iy) * g.inW + ix) * g.inC + c];
                  value = kind === "max_pool" ? Math.max(value, v) : value + v;
                  cells++;
                }
              }
              out[at++] = kind === "max_pool" ? value : value / cells;
            }
          }
        }
      }
    },
    cpu: [
      {
        name: "channels",
        idea: "Four channels of a pixel at a time over the cells of its window.",
        fits: () => true,
        build: (g, epilogue, caps) => cpuPool(kind, g, epilogue, caps),
      },
    ],
    gpu: [
      {
        name: "strips",
        idea: "Four neighbouring columns of four channels a lane, which share the cells of their windows.",
        fits: stripsFit,
        build: (g, epilogue, caps) => strips(kind, g, epilogue, caps),
      },
      {
        name: "direct",
        idea: "One output (or a vector of four channels) a lane.",
        fits: () => true,
        build: (g, epilogue, caps) => gpuKernel(kind, g, epilogue, caps),
      },
    ],
  };
}

export const maxPool = pool("max_pool");
export const avgPool = pool("avg_pool");
