/**
 * resize_bilinear as TensorFlow 1 does it by default: no half-pixel centres, no antialiasing, float32 throughout
 * (tensorflow/core/kernels/image/resize_bilinear_op.cc).
 */

import { ShapeError } from "../errors.ts";
import { formatShape, sizeOf } from "../tensor.ts";
import { resizeBilinear as cpuResize } from "./cpu/resize.ts";
import { type Caps, float32Bytes, type Geometry, type GpuKernel, type Op } from "./op.ts";
import { flatDispatch, flatIndex, flatWorkgroup, wgslModule } from "./wgsl.ts";

export interface ResizeAttrs {
  /** Output height and width. */
  readonly size: readonly [number, number];
}

export interface ResizeGeometry extends Geometry {
  readonly batch: number;
  readonly inH: number;
  readonly inW: number;
  readonly outH: number;
  readonly outW: number;
  readonly channels: number;
}

const f = Math.fround;

function gpuKernel(g: ResizeGeometry, caps: Caps): GpuKernel {
  const params = {
    count: sizeOf(g.out),
    inH: g.inH,
    inW: g.inW,
    outH: g.outH,
    outW: g.outW,
    channels: g.channels,
    scaleY: { f32: g.inH / g.outH },
    scaleX: { f32: g.inW / g.outW },
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: "f32" }],
    output: "f32",
    workgroup: [flatWorkgroup, 1, 1],
    body: `${flatIndex}
  let channel = i % p.channels;
  let pixel = i / p.channels;
  let line = pixel / p.outW;
  let image = line / p.outH;
  let sy = f32(line % p.outH) * p.scaleY;
  let sx = f32(pixel % p.outW) * p.scaleX;
  let y0 = min(u32(sy), p.inH - 1u);
  let x0 = min(u32(sx), p.inW - 1u);
  let y1 = min(y0 + 1u, p.inH - 1u);
  let x1 = min(x0 + 1u, p.inW - 1u);
  let fy = sy - floor(sy);
  let fx = sx - floor(sx);
  let above = (image * p.inH + y0) * p.inW;
  let below = (image * p.inH + y1) * p.inW;
  let tl = x[(above + x0) * p.channels + channel];
  let tr = x[(above + x1) * p.channels + channel];
  let bl = x[(below + x0) * p.channels + channel];
  let br = x[(below + x1) * p.channels + channel];
  let top = tl + (tr - tl) * fx;
  let bottom = bl + (br - bl) * fx;
  y[i] = top + (bottom - top) * fy;`,
  });
  return { label: "resize_bilinear/flat", stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}

export const resizeBilinear: Op<ResizeAttrs, ResizeGeometry> = {
  name: "resize_bilinear",
  weightsFrom: 1,
  fusesEpilogue: false,
  infer([x], { size: [outH, outW] }) {
    if (x.length !== 4 || !(outH >= 1) || !(outW >= 1)) {
      throw new ShapeError(`resize_bilinear: ${formatShape(x)} cannot be resized to ${outH}x${outW}.`);
    }
    const [batch, inH, inW, channels] = x;
    return { out: [batch, outH, outW, channels], batch, inH, inW, outH, outW, channels };
  },
  cost: (g) => ({ macs: 0, bytes: float32Bytes(g.batch * g.inH * g.inW * g.channels, sizeOf(g.out)) }),
  reference(g, [x], out) {
    const axis = (size: number, limit: number) => {
      const scale = f(limit / size);
      return Array.from({ length: size }, (_, i) => {
        const at = f(i * scale);
        const low = Math.min(Math.floor(at), limit - 1);
        return { low, high: Math.min(low + 1, limit - 1), t: f(at - Math.floor(at)) };
      });
    };
    const rows = axis(g.outH, g.inH);
    const cols = axis(g.outW, g.inW);
    let at = 0;
    for (let n = 0; n < g.batch; n++) {
      for (const row of rows) {
        for (const col of cols) {
          for (let c = 0; c < g.channels; c++) {
            const value = (y: number, x0: number) => x[((n * g.inH + y) * g.inW + x0) * g.channels + c];
            const lerp = (a: number, b: number, t: number) => f(a + f(f(b - a) * t));
            const top = lerp(value(row.low, col.low), value(row.low, col.high), col.t);
            const bottom = lerp(value(row.high, col.low), value(row.high, col.high), col.t);
            out[at++] = lerp(top, bottom, row.t);
          }
        }
      }
    }
  },
  cpu: [
    {
      name: "lines",
      idea: "A line of the output after the other, in float32 as the reference.",
      fits: () => true,
      build: (g, _epilogue, caps) => cpuResize(g, caps),
    },
  ],
  gpu: [
    {
      name: "flat",
      idea: "A lane a value of the output.",
      fits: () => true,
      build: (g, _epilogue, caps) => gpuKernel(g, caps),
    },
  ],
};
