/** Which weights a run uses. Nothing is ever downloaded here, and untrained weights are never chosen in silence. */
import { access } from "node:fs/promises";
import { basename, join } from "node:path";
import { CheckpointError, UsageError } from "../errors.ts";
import type { Model } from "../nets/index.ts";
import type { WeightOrigin } from "./network.ts";

/** The folder, in the one the user works in, where checkpoints are put and looked for. */
export const checkpointDirectory = "checkpoints";

export interface WeightWishes {
  /** A checkpoint named by the user. */
  readonly checkpoint?: string;
  /** The kind of weights the user asked for. */
  readonly weights?: WeightOrigin["kind"];
  /** Whether only the project's own samples are read, where untrained weights do no harm. */
  readonly samplesOnly: boolean;
  /** Where to look; `checkpoints` when left out. */
  readonly directory?: string;
}

export type WeightChoice =
  | { readonly weights: "checkpoint"; readonly checkpoint: string }
  | { readonly weights: "seeded" };

/** @throws UsageError for contradictory wishes, CheckpointError when there are no weights to be had. */
export async function chooseWeights(model: Model, wishes: WeightWishes): Promise<WeightChoice> {
  const { checkpoint, weights, samplesOnly, directory = checkpointDirectory } = wishes;
  if (checkpoint !== undefined && weights === "seeded") {
    throw new UsageError(
      "--weights seeded and --checkpoint contradict each other.",
      "Leave one of them out: seeded weights are untrained and come from no file.",
    );
  }
  if (checkpoint !== undefined) return { weights: "checkpoint", checkpoint };
  if (weights === "seeded") return { weights: "seeded" };
  const places = checkpointPlaces(model, directory);
  for (const { file, checkpoint } of places) {
    if (await exists(file)) return { weights: "checkpoint", checkpoint };
  }
  if (samplesOnly && weights === undefined) return { weights: "seeded" };
  throw new CheckpointError(
    `There is no checkpoint for ${model.name}: looked for ${places.map((p) => p.file).join(", ")}.`,
    [
      model.archive && `Download the published weights with: npm run fetch -- ${model.name}.`,
      "Name a file of your own with --checkpoint FILE.",
      "Or try the pipeline with untrained weights: --weights seeded.",
    ]
      .filter(Boolean)
      .join(" "),
  );
}

/** The published names of a network's checkpoint: the file that shows it is there, and what to open then. */
function checkpointPlaces(model: Model, directory: string): { file: string; checkpoint: string }[] {
  const name = model.archive?.checkpoint ?? `${model.name}.ckpt`;
  const whole = join(directory, name);
  const single = [...(model.archive ? [join(directory, archiveName(model.archive.url))] : []), whole];
  return [
    ...single.map((file) => ({ file, checkpoint: file })),
    { file: `${whole}.index`, checkpoint: whole },
  ];
}

/** The file name in the address of an archive. */
export function archiveName(url: string): string {
  return basename(new URL(url).pathname);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
