/** How chips of their own compute convolutions and products. */
import { matrixConvolution, matrixConvolutionWork, matrixFits, matrixTiles } from "./conv-matrix.ts";
import { sharedConvolution } from "./conv-shared.ts";
import { estimating, ofTypicalBatch, type WindowGeometry } from "./geometry.ts";
import type { GpuKernel, Variant } from "./op.ts";
import { sharedFits, sharedTiles, sharedWork } from "./shared-plan.ts";

/** The variants of the operation called `op`. */
export const chipVariants = (op: string): readonly Variant<WindowGeometry, GpuKernel>[] => [
  {
    name: "matrices",
    writesParts: true,
    idea: "Small matrices of half precision, multiplied by a chip's units for them.",
    fits: matrixFits,
    work: (g, caps) => matrixConvolutionWork(ofTypicalBatch(g, caps), estimating(caps)),
    tiles: matrixTiles,
    build: (g, epilogue, caps, tile) => matrixConvolution(`${op}/matrices`, g, epilogue, caps, tile),
  },
  {
    name: "shared",
    writesParts: true,
    idea: "Tiles shared in workgroup memory, the depth divided where pixels are few: for chips of their own.",
    fits: sharedFits,
    work: (g, caps) => sharedWork(ofTypicalBatch(g, caps), estimating(caps)),
    tiles: sharedTiles,
    build: (g, epilogue, caps, tile) => sharedConvolution(`${op}/shared`, g, epilogue, caps, tile),
  },
];
