/** What `extract` tells when it is done. */
import type { ExtractReport } from "../extract/extract.ts";
import type { Metadata } from "../extract/metadata.ts";
import { findModel } from "../nets/index.ts";
import { trainedInstead } from "../network/weights.ts";
import { formatShape } from "../tensor.ts";
import { shellWord } from "../text.ts";
import type { Io } from "./io.ts";

/** Every file that a user looks for. */
export const pathsOf = ({ files, predictions }: ExtractReport): string[] => [
  ...files.map((f) => f.path),
  ...(predictions ? [predictions] : []),
];

/** The class of each image and its probability, a line each. */
export function whatTheyShow({ likeliest }: ExtractReport): string {
  const width = Math.max(0, ...likeliest.map(({ path }) => path.length));
  return likeliest
    .map(
      ({ path, name, index, probability }) =>
        `${path.padEnd(width)}  ${name ?? `class ${index}`} (${probability.toFixed(2)})\n`,
    )
    .join("");
}

/** What fewer bits cost, behind a comma; nothing where they are as many. */
export const costOf = ({ maxError, saturated }: Pick<Metadata["dtype"], "maxError" | "saturated">): string =>
  maxError === undefined ? "" : `, off by at most ${maxError.toPrecision(3)}, ${saturated} saturated`;

function weightsOf({ model, weights }: Metadata): string {
  if (!weights.trained) return weights.kind;
  const scope = weights.scope === undefined ? "" : ` under ${weights.scope}`;
  const of = `${model}${scope}${weights.ema ? ", moving averages" : ""}`;
  const origin = weights.published ? ", trained on ImageNet, as published" : "";
  return `${weights.checkpoint} (${of})${origin}`;
}

/** What one would do next; where the weights are untrained, that they are, and how to come by others. */
function next(metadata: Metadata, path: string, io: Io): string {
  if (metadata.weights.trained) {
    const areVectors = metadata.featureShape.length === 1;
    return areVectors
      ? `see them:    npm run map -- ${shellWord(path)}`
      : `next:        npm run load -- ${shellWord(path)}`;
  }
  const [red, plain] = io.colour ? ["\x1b[1;31m", "\x1b[0m"] : ["", ""];
  return `${red}UNTRAINED weights: the features mean nothing.${plain} ${trainedInstead(findModel(metadata.model))}`;
}

/** At most eight lines, the last with what one would do next. */
export function summary(report: ExtractReport, io: Io): string {
  const { files, computed, known, times } = report;
  const [{ metadata }] = files;
  const { images, preprocess } = metadata;
  const others = Object.entries(metadata.otherDevices ?? {}).map(
    ([device, rows]) => `${device}: ${rows} rows`,
  );
  const facts: readonly (readonly [string, string])[] = [
    [
      "images",
      `${images.written} done, ${images.failed} failed, ${images.skipped} skipped${known > 0 ? `; ${computed} computed now` : ""}`,
    ],
    [
      "feature",
      files
        .map(
          ({ metadata: m }) =>
            `${m.endPoint} ${formatShape(m.featureShape)} ${m.dtype.name}${costOf(m.dtype)}`,
        )
        .join("; "),
    ],
    ["computed by", [`${metadata.backend} (${metadata.adapter})`, ...others].join("; ")],
    ["speed", `${(computed / Math.max(times.wall / 1000, 1e-9)).toPrecision(3)} images a second`],
    ["weights", weightsOf(metadata)],
    [
      "preprocess",
      `${preprocess.mode}, EXIF ${preprocess.exif}, JPEG ${preprocess.jpeg}: ${preprocess.description}`,
    ],
    ["written", `${pathsOf(report).join(", ")}; beside it .json, and ${report.manifest}`],
  ];
  const lines = facts.map(([name, value]) => `${`${name}:`.padEnd(13)}${value}`);
  return `${[...lines, next(metadata, files[0].path, io)].join("\n")}\n`;
}

/** The report as `--json` prints it. */
export const jsonOf = (report: ExtractReport) => ({
  files: report.files.map(({ path, metadata: { failures, ...metadata } }) => ({ path, ...metadata })),
  predictions: report.predictions,
  likeliest: report.likeliest.length > 0 ? report.likeliest : undefined,
  manifest: report.manifest,
  computed: report.computed,
  known: report.known,
  milliseconds: report.times,
});
