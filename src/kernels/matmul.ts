/** matmul: [rows, inner] x [inner, columns]; the second operand is a weight. */

import { ShapeError } from "../errors.ts";
import { formatShape, type Shape } from "../tensor.ts";
import { chipVariants } from "./conv-chips.ts";
import { directConvolution, tiledConvolution } from "./conv-gpu.ts";
import { laneConvolution, lanesFit, laneWork } from "./conv-lanes.ts";
import { rowsFit, rowsProduct, rowsWork } from "./conv-rows.ts";
import { convolution } from "./cpu/convolution.ts";
import { fitsVectorProduct, vectorProduct } from "./cpu/vector-product.ts";
import { ofTypicalBatch, type WindowGeometry, windowGeometry } from "./geometry.ts";
import { float32Bytes, type Op } from "./op.ts";

export type MatmulAttrs = Record<string, never>;

/** A product is a 1x1 convolution over a column of `rows` pixels; `out` is of rank 2. */
function infer([a, b]: readonly Shape[]): WindowGeometry {
  if (a.length !== 2 || b.length !== 2 || a[1] !== b[0]) {
    throw new ShapeError(
      `matmul: ${formatShape(a)} and ${formatShape(b)} do not multiply; wanted are [rows, inner] and [inner, columns].`,
    );
  }
  const attrs = { strides: [1, 1], padding: "VALID" } as const;
  return { ...windowGeometry("matmul", [1, a[0], 1, a[1]], [1, 1], b[1], attrs), out: [a[0], b[1]] };
}

export const matmul: Op<MatmulAttrs, WindowGeometry> = {
  name: "matmul",
  weightsFrom: 1,
  fusesEpilogue: true,
  infer,
  cost: (g) => ({
    macs: g.outH * g.inC * g.outC,
    bytes: float32Bytes(g.outH * g.inC, g.inC * g.outC, g.outH * g.outC),
  }),
  reference(g, [a, b], out) {
    for (let row = 0; row < g.outH; row++) {
      for (let column = 0; column < g.outC; column++) {
        let sum = 0;
        for (let i = 0; i < g.inC; i++) sum += a[row * g.inC + i] * b[i * g.outC + column];
        out[row * g.outC + column] = sum;
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
      name: "panels",
      idea: "Windows packed into panels of rows, multiplied by panels of four output channels.",
      fits: () => true,
      build: convolution,
    },
  ],
  gpu: [
    ...chipVariants("matmul"),
    {
      name: "lanes",
      idea: "A large tile of sums a lane, weights handed round in the subgroup: for adapters whose loads are dear.",
      fits: lanesFit,
      work: (g, caps) => laneWork(ofTypicalBatch(g, caps), caps.subgroupSize),
      build: (g, epilogue, caps) => laneConvolution("matmul/lanes", g, epilogue, caps),
    },
    {
      name: "rows",
      idea: "Few rows: lanes take channels, and every weight is read once.",
      fits: rowsFit,
      work: (g, caps) => rowsWork(ofTypicalBatch(g, caps), caps.subgroupSize),
      build: (g, epilogue, caps) => rowsProduct("matmul/rows", g, epilogue, caps),
    },
    {
      name: "tiled",
      idea: "4 rows x 8 columns a lane, the second operand in panels.",
      fits: () => true,
      build: (g, epilogue, caps) => tiledConvolution("matmul/tiled", g, epilogue, caps),
    },
    {
      name: "direct",
      idea: "One output a lane; the check of the others.",
      fits: (g, caps) => float32Bytes(g.inC * g.outC) <= caps.maxBindingBytes,
      build: (g, epilogue, caps) => directConvolution("matmul/direct", g, epilogue, caps),
    },
  ],
};
