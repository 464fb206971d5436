/** Which network and which weights a run uses. Nothing is downloaded here, and untrained weights are never chosen in silence. */
import { CheckpointError, UsageError } from "../errors.ts";
import { findModel, type Model, usualModel } from "../nets/index.ts";
import type { Platform } from "../platform/index.ts";
import type { WeightOrigin } from "./network.ts";

/** The folder, in the one the user works in, where checkpoints are put and looked for. */
export const checkpointDirectory = "checkpoints";

export interface WeightWishes {
  /** A checkpoint named by the user. */
  readonly checkpoint?: string;
  /** The kind of weights the user asked for. */
  readonly weights?: WeightOrigin["kind"];
  /** What stands in front of the network's names in that checkpoint. */
  readonly scope?: string;
  /** Whether only the project's own samples are read, where untrained weights do no harm. */
  readonly samplesOnly: boolean;
  /** Where to look; `checkpoints` when left out. */
  readonly directory?: string;
}

export type WeightChoice =
  | { readonly weights: "checkpoint"; readonly checkpoint: string }
  | { readonly weights: "seeded" };

/**
 * The network asked for by name. `auto` tells it from the checkpoint, and so does no name beside a checkpoint; with neither
 * it is the one whose trained weights are included.
 * @throws UsageError; CheckpointError where the checkpoint's network is not recognised.
 */
export async function chooseModel<T extends { readonly model?: string; readonly checkpoint?: string }>(
  wishes: T,
  identify: (checkpoint: string, wishes: T) => Promise<Model>,
): Promise<Model> {
  const { model, checkpoint } = wishes;
  if (model !== undefined && model !== "auto") return findModel(model);
  if (checkpoint !== undefined) return identify(checkpoint, wishes);
  if (model === undefined) return findModel(usualModel);
  throw new UsageError(
    "--model auto tells the network from a checkpoint, and there is none.",
    "Name the file with --checkpoint FILE, or the network with --model NAME.",
  );
}

/**
 * The checkpoint that was named; else one that lies in `checkpoints`; else the weights that are included. Untrained ones are
 * taken where they were asked for, or where only samples are read.
 * @throws UsageError for contradictory wishes, CheckpointError when there are no weights to be had.
 */
export async function chooseWeights(
  model: Model,
  wishes: WeightWishes,
  { files, own }: Pick<Platform, "files" | "own">,
): Promise<WeightChoice> {
  const { checkpoint, weights, scope, samplesOnly, directory = checkpointDirectory } = wishes;
  if (checkpoint !== undefined && weights === "seeded") {
    throw new UsageError(
      "--weights seeded and --checkpoint contradict each other.",
      "Leave one of them out: seeded weights are untrained and come from no file.",
    );
  }
  if (checkpoint !== undefined) return { weights: "checkpoint", checkpoint };
  if (scope !== undefined) {
    throw new UsageError(
      "--scope says where the network stands in a checkpoint, and none is named.",
      "Name it with --checkpoint FILE, or leave --scope out.",
    );
  }
  if (weights === "seeded") return { weights: "seeded" };
  const places = checkpointPlaces(model, (name) => files.join(directory, name));
  for (const { file, checkpoint } of places) {
    if (await files.stat(file)) return { weights: "checkpoint", checkpoint };
  }
  if (model.included) {
    return { weights: "checkpoint", checkpoint: own.weights.at(model.included.checkpoint) };
  }
  if (samplesOnly && weights === undefined) return { weights: "seeded" };
  throw new CheckpointError(
    `There is no checkpoint for ${model.name}: looked for ${places.map((p) => p.file).join(", ")}.`,
    [
      trainedInstead(model),
      "Name a file of your own with --checkpoint FILE.",
      "Or try the pipeline with untrained weights: --weights seeded.",
    ]
      .filter(Boolean)
      .join(" "),
  );
}

/** How to come by trained weights instead of those of a network that has none here, in words. */
export const trainedInstead = (model: Model): string =>
  model.included
    ? `Leave --weights out: trained weights of ${model.name} are included.`
    : [
        model.archive && `Download the published weights with: npm run fetch -- ${model.name}.`,
        `Leave --model out for ${usualModel}, whose trained weights are included.`,
      ]
        .filter(Boolean)
        .join(" ");

/** The published names of a network's checkpoint: the file that shows it is there, and what to open then. */
function checkpointPlaces(
  model: Model,
  at: (name: string) => string,
): { file: string; checkpoint: string }[] {
  const whole = at(model.archive?.checkpoint ?? `${model.name}.ckpt`);
  const single = [...(model.archive ? [at(archiveName(model.archive.url))] : []), whole];
  return [
    ...single.map((file) => ({ file, checkpoint: file })),
    { file: `${whole}.index`, checkpoint: whole },
  ];
}

/** The file name in the address of an archive. */
export const archiveName = (url: string): string => new URL(url).pathname.split("/").at(-1) as string;
