/**
 * Untrained weights: drawn from the seeded stream, with stored batch norm statistics that were measured on real images
 * so that activations stay healthy. Good for trying, testing and timing; their features mean nothing.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sourceUrl } from "../bundle.mjs";
import type { WeightSource } from "../engine/weights.ts";
import { CheckpointError } from "../errors.ts";
import { seededVariable } from "../seeded.ts";
import type { Shape } from "../tensor.ts";

/** Where the project keeps NET.bn.json (a list of [variable, length]) and NET.bn.f32 (their values, back to back). */
export const statisticsDirectory = fileURLToPath(sourceUrl("nets/statistics"));

async function readStatistics(network: string, dir: string): Promise<Map<string, Float32Array>> {
  const path = join(dir, `${network}.bn`);
  let list: [string, number][];
  let bytes: Buffer;
  try {
    list = JSON.parse(await readFile(`${path}.json`, "utf8")) as [string, number][];
    bytes = await readFile(`${path}.f32`);
  } catch (cause) {
    // Networks without batch norm have no statistics.
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return new Map();
    throw new CheckpointError(`The statistics ${path}.json and .f32 cannot be read: ${cause}`, undefined, {
      cause,
    });
  }
  let start = bytes.byteOffset;
  return new Map(
    list.map(([name, length]) => {
      const values = new Float32Array(bytes.buffer.slice(start, start + 4 * length) as ArrayBuffer);
      start += 4 * length;
      return [name, values];
    }),
  );
}

/** Seeded weights for the variables of a network. @throws CheckpointError when a statistic that is read is not stored. */
export async function seededWeights(
  network: string,
  variables: readonly { readonly name: string; readonly shape: Shape }[],
  dir = statisticsDirectory,
): Promise<WeightSource> {
  const shapes = new Map(variables.map((v) => [v.name, v.shape]));
  const statistics = await readStatistics(network, dir);
  return {
    name: "seeded weights",
    shapeOf: (name) => shapes.get(name),
    async read(name) {
      const values = seededVariable(name, shapes.get(name) ?? []) ?? statistics.get(name);
      if (values) return values;
      throw new CheckpointError(
        `There is no stored statistic for ${name} of ${network} in ${dir}.`,
        "Seeded weights need NET.bn.json and NET.bn.f32 with the moving statistics.",
      );
    },
  };
}
