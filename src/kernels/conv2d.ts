/** conv2d: NHWC input, HWIO filter, cross-correlation (tf.nn.conv2d). */

import { ShapeError } from "../errors.ts";
import { formatShape, type Shape, sizeOf } from "../tensor.ts";
import { chipVariants } from "./conv-chips.ts";
import { directConvolution, tiledConvolution } from "./conv-gpu.ts";
import { laneConvolution, lanesFit, laneWork } from "./conv-lanes.ts";
import { rowsFit, rowsProduct, rowsWork } from "./conv-rows.ts";
import { type GpuTile, winogradConvolution, winogradFits, winogradWork } from "./conv-winograd.ts";
import { convolution } from "./cpu/convolution.ts";
import { fitsVectorProduct, vectorProduct } from "./cpu/vector-product.ts";
import { winograd } from "./cpu/winograd.ts";
import { fitsWinograd } from "./cpu/winograd-tiles.ts";
import { ofTypicalBatch, type WindowAttrs, type WindowGeometry, windowGeometry } from "./geometry.ts";
import { type Caps, type Epilogue, float32Bytes, type Op } from "./op.ts";
import { type Minimal, placesOf } from "./winograd.ts";

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

const single: Minimal = { side: 1, taps: 1, points: [] };
const twoOf3: Minimal = { side: 2, taps: 3, points: [0, 1, -1] };
/** For float32: with the points 0, 1, -1, 2, -2 of the paper the error is some four times as large. */
const fourOf3: Minimal = { side: 4, taps: 3, points: [0, 0.625, -0.625, 1.25, -1.25] };
/** Of seven taps, every other one. */
const fourOf4: Minimal = { side: 4, taps: 4, points: [0, 0.875, -0.875, 1.75, -1.75, 0.4375] };
const twoOf5: Minimal = { ...fourOf3, side: 2, taps: 5 };
const twoOf7: Minimal = { side: 2, taps: 7, points: [0, 1, -1, 2, -2, 0.625, -0.625] };

/** Tiles whose float32 rounding some networks can bear. Larger ones than these lose more than they gain. */
const gpuTiles: readonly (GpuTile & { readonly name: string })[] = [
  { name: "2 of 3x3", down: twoOf3, across: twoOf3, stride: 1, rough: false },
  { name: "4 of 3x3", down: fourOf3, across: fourOf3, stride: 1, rough: true },
  { name: "4 of 1x3", down: single, across: fourOf3, stride: 1, rough: true },
  { name: "4 of 3x1", down: fourOf3, across: single, stride: 1, rough: true },
  { name: "2 of 5x5", down: twoOf5, across: twoOf5, stride: 1, rough: true },
  { name: "2 of 1x7", down: single, across: twoOf7, stride: 1, rough: true },
  { name: "2 of 7x1", down: twoOf7, across: single, stride: 1, rough: true },
  { name: "4 of 7x7 by 2", down: fourOf4, across: fourOf4, stride: 2, rough: true },
];

const savingOf = (tile: GpuTile): string => {
  const { down, across } = tile;
  return ((down.side * across.side * down.taps * across.taps) / placesOf(tile)).toFixed(2);
};

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
    ...chipVariants("conv2d"),
    {
      name: "lanes",
      idea: "A large tile of sums a lane, weights handed round in the subgroup: for adapters whose loads are dear.",
      fits: lanesFit,
      work: (g, caps) => laneWork(ofTypicalBatch(g, caps), caps.subgroupSize),
      build: (g, epilogue, caps) => laneConvolution("conv2d/lanes", g, epilogue, caps),
    },
    ...gpuTiles.map((tile) => ({
      name: `winograd ${tile.name}`,
      idea: `Tiles of ${tile.down.side}x${tile.across.side} outputs with ${savingOf(tile)} times fewer multiplications.`,
      fits: (g: WindowGeometry, caps: Caps) => winogradFits(g, tile, caps),
      work: (g: WindowGeometry, caps: Caps) => winogradWork(ofTypicalBatch(g, caps), tile, caps),
      build: (g: WindowGeometry, epilogue: Epilogue, caps: Caps) =>
        winogradConvolution(`conv2d/winograd ${tile.name}`, g, tile, epilogue, caps),
    })),
    {
      name: "rows",
      idea: "Few rows: lanes take channels, and every weight is read once.",
      fits: rowsFit,
      work: (g, caps) => rowsWork(ofTypicalBatch(g, caps), caps.subgroupSize),
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
