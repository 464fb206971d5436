/** depthwise_conv2d: each input channel with its own `multiplier` filters (tf.nn.depthwise_conv2d). */

import { ShapeError } from "../errors.ts";
import { formatShape, type Shape, sizeOf } from "../tensor.ts";
import { depthwise } from "./cpu/depthwise.ts";
import { epilogueInputs, epilogueWgsl, rowOf } from "./epilogue.ts";
import { type WindowAttrs, type WindowGeometry, windowGeometry } from "./geometry.ts";
import { type Caps, type Epilogue, float32Bytes, type GpuKernel, type Op } from "./op.ts";
import { stripKernel } from "./strips.ts";
import { each, flatDispatch, flatIndex, flatWorkgroup, wgslModule } from "./wgsl.ts";

export interface DepthwiseGeometry extends WindowGeometry {
  /** Outputs for each input channel; output channel = input channel * multiplier + m. */
  readonly multiplier: number;
}

function infer([x, filter]: readonly Shape[], attrs: WindowAttrs): DepthwiseGeometry {
  if (filter.length !== 4) {
    throw new ShapeError(`depthwise_conv2d: the filter must have rank 4, it is ${formatShape(filter)}.`);
  }
  const [kernelH, kernelW, inC, multiplier] = filter;
  if (x[3] !== inC) {
    throw new ShapeError(
      `depthwise_conv2d: the input ${formatShape(x)} has ${x[3]} channels, the filter ${formatShape(filter)} wants ${inC}.`,
    );
  }
  return {
    ...windowGeometry("depthwise_conv2d", x, [kernelH, kernelW], inC * multiplier, attrs),
    multiplier,
  };
}

/**
 * One lane an output, or four neighbouring channels of it as one vector where there is one filter a channel and the
 * channels divide by four.
 */
function gpuKernel(g: DepthwiseGeometry, epilogue: Epilogue, caps: Caps): GpuKernel {
  const width = g.multiplier === 1 && g.inC % 4 === 0 ? 4 : 1;
  const type = width === 4 ? "vec4f" : "f32";
  const params = {
    count: sizeOf(g.out) / width,
    inH: g.inH,
    inW: g.inW,
    inC: g.inC / width,
    outH: g.outH,
    outW: g.outW,
    outC: g.outC / width,
    ...rowOf(epilogue, g.outC, width),
    multiplier: g.multiplier,
    strideH: g.strideH,
    strideW: g.strideW,
    dilationH: g.dilationH,
    dilationW: g.dilationW,
    padTop: { i32: g.padTop },
    padLeft: { i32: g.padLeft },
  };
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type }, { name: "weights", type }, ...epilogueInputs(epilogue, type)],
    output: type,
    workgroup: [flatWorkgroup, 1, 1],
    head: epilogueWgsl(epilogue, type),
    body: `${flatIndex}
  let channel = i % p.outC;
  let pixel = i / p.outC;
  let line = pixel / p.outW;
  let image = line / p.outH;
  let top = i32((line % p.outH) * p.strideH) - p.padTop;
  let left = i32((pixel % p.outW) * p.strideW) - p.padLeft;
  var sum = ${type}();
  for (var ky = 0u; ky < ${g.kernelH}u; ky++) {
    let row = top + i32(ky * p.dilationH);
    if (row < 0 || row >= i32(p.inH)) { continue; }
    // A sum a row, then their sum: more exact than one long one.
    var part = ${type}();
    for (var kx = 0u; kx < ${g.kernelW}u; kx++) {
      let col = left + i32(kx * p.dilationW);
      if (col < 0 || col >= i32(p.inW)) { continue; }
      let at = ((image * p.inH + u32(row)) * p.inW + u32(col)) * p.inC + channel / p.multiplier;
      part = fma(x[at], weights[(ky * ${g.kernelW}u + kx) * p.outC + channel], part);
    }
    sum += part;
  }
  y[pixel * p.row + p.first + channel] = finish(sum, channel, i);`,
  });
  return { label: "depthwise_conv2d/direct", stages: [{ code, dispatches: [flatDispatch(params, caps)] }] };
}

const stripsFit = (g: DepthwiseGeometry): boolean =>
  g.multiplier === 1 && g.inC % 4 === 0 && g.dilationW === 1 && g.kernelW > 1;

/** Each weight is loaded once for a strip's columns. The sums are taken in the order of the direct kernel. */
const strips = (g: DepthwiseGeometry, epilogue: Epilogue, caps: Caps): GpuKernel =>
  stripKernel("depthwise_conv2d/strips", g, epilogue, caps, {
    params: { dilationH: g.dilationH },
    inputs: [{ name: "weights", type: "vec4f" }, ...epilogueInputs(epilogue, "vec4f")],
    head: epilogueWgsl(epilogue, "vec4f"),
    row: "ky * p.dilationH",
    outside: "vec4f()",
    start: (j) => `  var sum${j} = vec4f();`,
    startRow: each(
      g.kernelW,
      (kx) => `    let w${kx} = weights[(ky * ${g.kernelW}u + ${kx}u) * p.channels + channel];`,
    ),
    take: (j, first) => `    var part${j} = vec4f();
${each(g.kernelW, (kx) => `    part${j} = fma(x${first + kx}, w${kx}, part${j});`)}
    sum${j} += part${j};`,
    finish: (j, pixel) => `finish(sum${j}, channel, ${pixel} * p.channels + channel)`,
  });

export const depthwiseConv2d: Op<WindowAttrs, DepthwiseGeometry> = {
  name: "depthwise_conv2d",
  weightsFrom: 1,
  fusesEpilogue: true,
  placesOutput: true,
  infer,
  cost: (g) => ({
    macs: sizeOf(g.out) * g.kernelH * g.kernelW,
    bytes: float32Bytes(g.batch * g.inH * g.inW * g.inC, g.kernelH * g.kernelW * g.outC, sizeOf(g.out)),
  }),
  reference(g, [x, filter], out) {
    let at = 0;
    for (let n = 0; n < g.batch; n++) {
      for (let oy = 0; oy < g.outH; oy++) {
        for (let ox = 0; ox < g.outW; ox++) {
          for (let oc = 0; oc < g.outC; oc++) {
            const ic = Math.floor(oc / g.multiplier);
            let sum = 0;
            for (let ky = 0; ky < g.kernelH; ky++) {
              const iy = oy * g.strideH - g.padTop + ky * g.dilationH;
              if (iy < 0 || iy >= g.inH) continue;
              for (let kx = 0; kx < g.kernelW; kx++) {
                const ix = ox * g.strideW - g.padLeft + kx * g.dilationW;
                if (ix < 0 || ix >= g.inW) continue;
                sum +=
                  x[((n * g.inH + iy) * g.inW + ix) * g.inC + ic] *
                  filter[(ky * g.kernelW + kx) * g.outC + oc];
              }
            }
            out[at++] = sum;
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
      build: depthwise,
    },
  ],
  gpu: [
    {
      name: "strips",
      idea: "Four columns of four channels a lane, with every weight and every input value loaded once for them.",
      fits: stripsFit,
      build: strips,
    },
    { name: "direct", idea: "One output (or a vector of four) a lane.", fits: () => true, build: gpuKernel },
  ],
};
