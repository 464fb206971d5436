/**
 * Untrained weights: drawn from the seeded stream, with stored batch norm statistics that were measured on real images
 * so that activations stay healthy. Good for trying, testing and timing; their features mean nothing.
 */
import type { WeightSource } from "../engine/weights.ts";
import { CheckpointError } from "../errors.ts";
import type { Folder } from "../platform/index.ts";
import { seededVariable } from "../seeded.ts";
import type { Shape } from "../tensor.ts";

/** NET.bn.json is a list of [variable, length], NET.bn.f32 has their values, back to back. */
async function readStatistics(network: string, folder: Folder): Promise<Map<string, Float32Array>> {
  const name = `${network}.bn`;
  try {
    const json = await folder.read(`${name}.json`);
    const bytes = json && (await folder.read(`${name}.f32`));
    // Networks without batch norm have no statistics.
    if (!bytes) return new Map();
    const list = JSON.parse(new TextDecoder().decode(json)) as [string, number][];
    let start = bytes.byteOffset;
    return new Map(
      list.map(([variable, length]) => {
        const values = new Float32Array(bytes.buffer.slice(start, start + 4 * length) as ArrayBuffer);
        start += 4 * length;
        return [variable, values];
      }),
    );
  } catch (cause) {
    throw new CheckpointError(
      `The statistics ${folder.at(name)}.json and .f32 cannot be read: ${cause}`,
      undefined,
      { cause },
    );
  }
}

/**
 * Seeded weights for the variables of a network, with its statistics in `folder`.
 * @throws CheckpointError when a statistic that is read is not stored.
 */
export async function seededWeights(
  network: string,
  variables: readonly { readonly name: string; readonly shape: Shape }[],
  folder: Folder,
): Promise<WeightSource> {
  const shapes = new Map(variables.map((v) => [v.name, v.shape]));
  const statistics = await readStatistics(network, folder);
  return {
    name: "seeded weights",
    shapeOf: (name) => shapes.get(name),
    async read(name) {
      const values = seededVariable(name, shapes.get(name) ?? []) ?? statistics.get(name);
      if (values) return values;
      throw new CheckpointError(
        `There is no stored statistic for ${name} of ${network} in ${folder.path}.`,
        "Seeded weights need NET.bn.json and NET.bn.f32 with the moving statistics.",
      );
    },
  };
}
