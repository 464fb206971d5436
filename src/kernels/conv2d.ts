/** conv2d: NHWC input, HWIO filter, cross-correlation (tf.nn.conv2d). */

import { ShapeError } from "../errors.ts";
import { formatShape, type Shape, sizeOf } from "../tensor.ts";
import { directConvolution, tiledConvolution } from "./conv-gpu.ts";
import { laneConvolution, lanesFit, laneWork, ofOneImage } from "./conv-lanes.ts";
import { rowsFit, rowsProduct, rowsWork } from "./conv-rows.ts";
import { winogradConvolution, winogradFits, winogradWork } from "./conv-winograd.ts";
import { convolution } from "./cpu/convolution.ts";
import { fitsVectorProduct, vectorProduct } from "./cpu/vector-product.ts";
import { winograd } from "./cpu/winograd.ts";
import { fitsWinograd } from "./cpu/winograd-tiles.ts";
import { type WindowAttrs, type WindowGeometry, windowGeometry } from "./geometry.ts";
import { type Caps, type Epilogue, float32Bytes, type Op } from "./op.ts";
import { minimal2, minimal4 } from "./winograd.ts";

export type Conv2dAttrs = WindowAttrs;

const filterSize = (g: WindowGeometry) => g.kernelH * g.kernelW * g.inC * g.outC;

function infer([x, filter]: readonly Shape[], attrs: Conv2dAttrs): WindowGeometry {
  if (filter.length !== 4)
    throw new ShapeError(`conv2d: the filter must be HWIO (rank 4), it is ${formatShape(filter)}.`);
  const [kernelH, kernelW, inC, outC] = filter;
  if (x[3] !== inC) {
    throw new ShapeError(
      `conv2d: the input ${formatShape(x)} has ${x[3]} channels, the filter ${formatShape(filter)} wants ${inC}.`,
    );
  }
  return windowGeometry("conv2d", x, [kernelH, kernelW], outC, attrs);
}

export const conv2d: Op<Conv2dAttrs, WindowGeometry> = {
  name: "conv2d",
  weightsFrom: 1,
  fusesEpilogue: true,
  placesOutput: true,
  infer,
  cost: (g) => ({
    macs: (sizeOf(g.out) / g.outC) * filterSize(g),
    bytes: float32Bytes(g.batch * g.inH * g.inW * g.inC, filterSize(g), sizeOf(g.out)),
  }),
  reference(g, [x, filter], out) {
    let at = 0;
    for (let n = 0; n < g.batch; n++) {
      for (let oy = 0; oy < g.outH; oy++) {
        for (let ox = 0; ox < g.outW; ox++) {
          for (let oc = 0; oc < g.outC; oc++) {
            let sum = 0;
            for (let ky = 0; ky < g.kernelH; ky++) {
              const iy = oy * g.strideH - g.padTop + ky * g.dilationH;
              if (iy < 0 || iy >= g.inH) continue;
              for (let kx = 0; kx < g.kernelW; kx++) {
                const ix = ox * g.strideW - g.padLeft + kx * g.dilationW;
                if (ix < 0 || ix >= g.inW) continue;
                for (let ic = 0; ic < g.inC; ic++) {
                  sum +=
                    x[((n * g.inH + iy) * g.inW + ix) * g.inC + ic] *
                    filter[((ky * g.kernelW + kx) * g.inC + ic) * g.outC + oc];
                }
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
      name: "vector",
      idea: "A row or a few by a large matrix: each weight is read once.",
      fits: fitsVectorProduct,
      build: vectorProduct,
    },
    {
      name: "winograd",
      idea: "Tiles of outputs with a fraction of the multiplications.",
      fits: fitsWinograd,
      build: winograd,
    },
    {
      name: "panels",
      idea: "Windows packed into panels of rows, multiplied by panels of four output channels.",
      fits: () => true,
      build: convolution,
    },
  ],
  gpu: [
    {
      name: "lanes",
      idea: "A large tile of sums a lane, weights handed round in the subgroup: for adapters whose loads are dear.",
      fits: lanesFit,
      work: (g, caps) => laneWork(ofOneImage(g), caps.subgroupSize),
      build: (g, epilogue, caps) => laneConvolution("conv2d/lanes", g, epilogue, caps),
    },
    ...[minimal2, minimal4].map((kind) => ({
      name: `winograd${kind.side}`,
      idea: `Tiles of ${kind.side}x${kind.side} outputs with ${((9 * kind.side ** 2) / (kind.side + 2) ** 2).toFixed(2)} times fewer multiplications.`,
      fits: (g: WindowGeometry, caps: Caps) => winogradFits(g, kind, caps),
      work: (g: WindowGeometry, caps: Caps) => winogradWork(ofOneImage(g), kind, caps),
      build: (g: WindowGeometry, epilogue: Epilogue, caps: Caps) =>
        winogradConvolution(`conv2d/winograd${kind.side}`, g, kind, epilogue, caps),
    })),
    {
      name: "rows",
      idea: "Few rows: lanes take channels, and every weight is read once.",
      fits: rowsFit,
      work: (g, caps) => rowsWork(ofOneImage(g), caps.subgroupSize),
      build: (g, epilogue, caps) => rowsProduct("conv2d/rows", g, epilogue, caps),
    },
    {
      name: "tiled",
      idea: "4 pixels x 8 channels a lane, weights in panels read at a uniform index.",
      fits: () => true,
      build: (g, epilogue, caps) => tiledConvolution("conv2d/tiled", g, epilogue, caps),
    },
    {
      name: "direct",
      idea: "One output a lane from the filter as stored; the check of the others.",
      fits: (g, caps) => float32Bytes(filterSize(g)) <= caps.maxBindingBytes,
      build: (g, epilogue, caps) => directConvolution("conv2d/direct", g, epilogue, caps),
    },
  ],
};
