/** `classify`: how well features tell labelled images apart, and classifiers made of them. */
import { readFile } from "node:fs/promises";
import type { Classifier, ClassReport, Doubt, Validation } from "../analysis/classifier.ts";
import type { KeptClassifier } from "../analysis/classifier-json.ts";
import { counted } from "../counted.ts";
import { UsageError, UserError } from "../errors.ts";
import type { ImageLabels } from "../tables/labels.ts";
import type { MadeBy, Vectors } from "../tables/vectors.ts";
import type { AddCommand } from "./command.ts";
import { commonOptions, type FeaturesFlags, onDevice, print, withProgress, withRows } from "./features.ts";
import type { Io } from "./io.ts";
import { wholeNumber } from "./numbers.ts";
import { type Column, textTable } from "./table.ts";

interface Flags extends FeaturesFlags {
  readonly labels?: string;
  readonly with?: string;
  readonly save?: string;
  readonly folds: number;
  readonly seed: number;
  readonly doubts: number;
}

/** A share as 97.8 %. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** Classes whose whole confusion fits on a terminal. */
const fewClasses = 12;

interface ToldDoubt extends Omit<Doubt, "row"> {
  readonly path: string;
}

const doubtColumns: readonly Column<ToldDoubt>[] = [
  { title: "path", cell: ({ path }) => path },
  { title: "label", cell: ({ label }) => label },
  { title: "probability", right: true, cell: ({ probability }) => probability.toFixed(4) },
  { title: "likelier", cell: ({ likelier }) => likelier },
  {
    title: "its probability",
    right: true,
    cell: ({ likelierProbability }) => likelierProbability.toFixed(4),
  },
];

const classColumns: readonly Column<ClassReport>[] = [
  { title: "class", cell: ({ name }) => name },
  { title: "images", right: true, cell: ({ count }) => String(count) },
  {
    title: "precision",
    right: true,
    cell: ({ precision }) => (precision === undefined ? "" : percent(precision)),
  },
  { title: "recall", right: true, cell: ({ recall }) => percent(recall) },
];

interface Taken {
  readonly name: string;
  readonly counts: readonly number[];
}

/** Which classes were taken for which: the whole table, or of many classes the pairs that occur most often. */
function confusionTable({ classes, confusion }: Validation): string {
  if (classes.length <= fewClasses) {
    const columns: Column<Taken>[] = [
      { title: "taken for:", cell: ({ name }) => name },
      ...classes.map(
        ({ name }, l): Column<Taken> => ({
          title: name,
          right: true,
          cell: ({ counts }) => (counts[l] === 0 ? "." : String(counts[l])),
        }),
      ),
    ];
    return textTable(
      columns,
      classes.map(({ name }, k) => ({ name, counts: confusion[k] })),
    );
  }
  const pairs = classes
    .flatMap(({ name }, k) =>
      classes.map((other, l) => ({ name, other: other.name, times: k === l ? 0 : confusion[k][l] })),
    )
    .filter(({ times }) => times > 0)
    .sort((a, b) => b.times - a.times);
  return textTable(
    [
      { title: "class", cell: ({ name }) => name },
      { title: "taken for", cell: ({ other }) => other },
      { title: "times", right: true, cell: ({ times }) => String(times) },
    ],
    pairs.slice(0, fewClasses),
  );
}

/** What a validation found, for people. */
function report(found: Validation, doubts: readonly ToldDoubt[]): string {
  const { accuracy, foldAccuracies, nearestAccuracy, tried, classes, strength } = found;
  const [least, most] = [Math.min(...foldAccuracies), Math.max(...foldAccuracies)];
  const largest = Math.max(...classes.map(({ count }) => count)) / tried;
  const lines = [
    `logistic regression:  ${percent(accuracy)} right (${percent(least)} to ${percent(most)} in ${foldAccuracies.length} folds; strength ${strength})`,
    `nearest other image:  ${percent(nearestAccuracy)} right`,
    `the commonest class:  ${percent(largest)} of ${counted(tried, "image")} in ${counted(classes.length, "class", "classes")}`,
  ];
  const unsure = doubts.length > 0 ? `\nlabels most likely wrong:\n${textTable(doubtColumns, doubts)}` : "";
  return `${lines.join("\n")}\n\n${textTable(classColumns, classes)}\n${confusionTable(found)}${unsure}`;
}

async function labelsOf(io: Io, source: string, paths: readonly string[]): Promise<ImageLabels> {
  const { labelsFrom } = await import("../tables/labels.ts");
  const labelled = await labelsFrom(source, paths);
  for (const note of labelled.notes) io.err(`${note}\n`);
  return labelled;
}

async function validate(io: Io, vectors: Vectors, source: string, flags: Flags): Promise<void> {
  const { rows, paths } = vectors;
  if (flags.save !== undefined) {
    const { checkWritable } = await import("../node/atomic.ts");
    await checkWritable(flags.save, [vectors.file, source]);
  }
  const labelled = await labelsOf(io, source, paths);
  const { crossValidate, fitClassifier } = await import("../analysis/classifier.ts");
  const { folds, seed } = flags;
  const found = await onDevice(io, flags, rows.count ** 2 * rows.width, (device) =>
    withProgress(io, "fits", (onProgress) =>
      crossValidate(rows, labelled.labels, { folds, seed, device, onProgress }),
    ),
  );
  if (found.single.length > 0) {
    io.err(`left out, since there is one image of the class: ${found.single.slice(0, 10).join(", ")}\n`);
  }
  const doubts = found.doubts.map(({ row, ...rest }): ToldDoubt => ({ path: paths[row], ...rest }));
  const shown = doubts.slice(0, flags.doubts);
  if (flags.csv) await print(io, flags, { columns: doubtColumns, rows: doubts, json: undefined });
  else if (flags.json) {
    const json = { ...found, doubts };
    await print(io, flags, { columns: doubtColumns, rows: shown, json });
  } else await io.out(report(found, shown));
  if (flags.save === undefined) return;
  const classifier = await fitClassifier(rows, labelled.labels, found.strength);
  await save(flags.save, {
    classifier,
    features: vectors.madeBy,
    images: found.tried,
    accuracy: found.accuracy,
  });
  io.err(`${flags.save}: a classifier of ${classifier.classes.length} classes\n`);
}

async function save(path: string, kept: KeptClassifier<MadeBy>): Promise<void> {
  const { classifierToJson } = await import("../analysis/classifier-json.ts");
  const { openAtomic } = await import("../node/atomic.ts");
  const file = await openAtomic(path);
  try {
    await file.append(Buffer.from(classifierToJson(kept)));
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** The classifier of a file, for features that were made as those it was fitted to. */
async function load(io: Io, path: string, { file, madeBy }: Vectors): Promise<Classifier> {
  const { classifierFromJson } = await import("../analysis/classifier-json.ts");
  const { madeOtherwise } = await import("../tables/made-by.ts");
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new UsageError(
      `${path} cannot be read: ${(cause as Error).message}`,
      "Name a file that classify --save wrote.",
      { cause },
    );
  });
  const { classifier, features } = classifierFromJson<MadeBy>(text, path);
  const other = madeOtherwise(madeBy, features);
  if (other !== undefined) {
    throw new UserError(
      `The classifier ${path} is not for the features of ${file}: they are of ${other}.`,
      "Extract them as those were that it was fitted to, or fit another by --labels and --save.",
    );
  }
  if (madeBy.model === undefined || features.model === undefined) {
    const silent = madeBy.model === undefined ? file : path;
    io.err(
      `${silent} does not say which network its features are of; their length is all that is compared.\n`,
    );
  }
  return classifier;
}

interface Told {
  readonly path: string;
  readonly label: string;
  readonly probability: number;
}

const predictionColumns: readonly Column<Told>[] = [
  { title: "path", cell: ({ path }) => path },
  { title: "label", cell: ({ label }) => label },
  { title: "probability", right: true, cell: ({ probability }) => probability.toFixed(4) },
];

async function predict(io: Io, vectors: Vectors, path: string, flags: Flags): Promise<void> {
  const { rows, paths } = vectors;
  const classifier = await load(io, path, vectors);
  const labelled = flags.labels === undefined ? undefined : await labelsOf(io, flags.labels, paths);
  const { classifyRows } = await import("../analysis/classifier.ts");
  const classified = await classifyRows(classifier, rows);
  const told = classified.map(
    ({ label, probability }, row): Told => ({ path: paths[row], label, probability }),
  );
  const images = classified.map(({ label, probability, probabilities }, row) => ({
    path: paths[row],
    label,
    probability,
    probabilities: Array.from(probabilities),
  }));
  await print(io, flags, {
    columns: predictionColumns,
    rows: told,
    json: { classes: classifier.classes, images },
  });
  if (labelled === undefined) return;
  const known = told.filter((_, row) => labelled.labels[row] !== undefined);
  const right = told.filter(({ label }, row) => label === labelled.labels[row]);
  const share = known.length === 0 ? "" : ` (${percent(right.length / known.length)})`;
  io.err(`${right.length} of ${known.length} labels are told${share}\n`);
}

export const addClassify: AddCommand = (program, io) => {
  const command = program
    .command("classify")
    .description("say how well features tell labelled images apart, and which labels may be wrong")
    .argument("<features>", "a features file of any format")
    .option(
      "--labels <folders|file>",
      "folders: each class has one; or a table (.csv, .tsv) with the columns path and label",
    )
    .option("--save <file>", "write a classifier fitted to all labelled images")
    .option("--with <file>", "tell the classes of these images by such a classifier")
    .option("--folds <n>", "parts of which each is tried by what the others teach", wholeNumber(1000, 2), 5)
    .option("--seed <n>", "another draw of the folds", wholeNumber(2 ** 31), 1)
    .option("--doubts <n>", "how many of the labels most likely wrong are listed", wholeNumber(1e9), 20);
  for (const option of commonOptions()) command.addOption(option);
  command
    .addHelpText(
      "after",
      `
By multinomial logistic regression of standardised features. Every image is told by a classifier that has not seen it; the
strength is the one whose probabilities are best. Beside it, the share of images whose nearest other one (by cosine) is of their
class. A label is most likely wrong where such a classifier finds it least probable. --csv lists these labels; with
--with it lists the class of each image.

Examples:
  npm run classify -- features/mobilenet_v1_features.pkl --labels folders --save model.json
  npm run classify -- features/mobilenet_v1_features.pkl --labels labels.csv
  npm run classify -- new.npy --with model.json --csv > classes.csv`,
    )
    .action(async (file: string, flags: Flags) => {
      const { labels, with: model, save: path } = flags;
      if (model !== undefined && path !== undefined) {
        throw new UsageError(
          "--with uses a classifier, and --save makes one.",
          "Leave one of them out; --save goes with --labels.",
        );
      }
      if (model === undefined && labels === undefined) {
        throw new UsageError(
          "There are no labels to learn from, and no classifier.",
          "Name them by --labels folders or --labels FILE.csv, or a classifier that was saved by --with FILE.",
        );
      }
      await withRows(io, file, flags.layer, (vectors) =>
        model === undefined
          ? validate(io, vectors, labels as string, flags)
          : predict(io, vectors, model, flags),
      );
    });
};
