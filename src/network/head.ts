/** The last layer of the network whose trained weights are included: from its feature to its logits. */
import { openCheckpoint } from "../checkpoint/index.ts";
import type { IncludedWeights } from "../nets/registry.ts";
import type { Platform } from "../platform/index.ts";

export interface Head {
  readonly classes: number;
  /** The logits of a feature, summed in float64. */
  logits(feature: Float32Array): Float32Array;
}

/** Reads the last layer of included weights. @throws CheckpointError where they are damaged */
export async function readHead(
  { checkpoint: name }: IncludedWeights,
  { own, files }: Pick<Platform, "own" | "files">,
): Promise<Head> {
  const checkpoint = await openCheckpoint(own.weights.at(name), files);
  try {
    const find = (end: string): string => {
      const found = checkpoint.variables.find((v) => v.includes("/Logits/") && v.endsWith(end));
      if (found === undefined) throw new Error(`${name} has no last layer`);
      return found;
    };
    const weights = await checkpoint.readFloat32(find("/weights"));
    const biases = await checkpoint.readFloat32(find("/biases"));
    const classes = biases.length;
    return {
      classes,
      logits(feature) {
        const sums = Float64Array.from(biases);
        for (const [i, v] of feature.entries()) {
          for (let c = 0; c < classes; c++) sums[c] += v * weights[i * classes + c];
        }
        return Float32Array.from(sums);
      },
    };
  } finally {
    await checkpoint.close();
  }
}
