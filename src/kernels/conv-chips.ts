/** How chips of their own compute convolutions and products. */
import { sharedConvolution } from "./conv-shared.ts";
import { estimating, ofTypicalBatch, type WindowGeometry } from "./geometry.ts";
import type { Caps, GpuKernel, MatrixProducts, Variant } from "./op.ts";
import { sharedFits, sharedTiles, sharedWork } from "./shared-plan.ts";

/** The kernels for small matrices; asked for only where they fit. */
function matricesOf({ matrices }: Caps): MatrixProducts {
  if (!matrices) throw new Error("there are no units for small matrices");
  return matrices;
}

/** The variants of the operation called `op`. */
export const chipVariants = (op: string): readonly Variant<WindowGeometry, GpuKernel>[] => [
  {
    name: "matrices",
    writesParts: true,
    idea: "Small matrices of half precision, multiplied by a chip's units for them.",
    fits: (g, caps) => caps.matrices?.fits(g, caps) === true,
    work: (g, caps) => matricesOf(caps).work(ofTypicalBatch(g, caps), estimating(caps)),
    tiles: (g, caps, epilogue) => matricesOf(caps).tiles(g, caps, epilogue),
    build: (g, epilogue, caps, tile) => matricesOf(caps).build(`${op}/matrices`, g, epilogue, caps, tile),
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
