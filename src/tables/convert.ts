/** Features files into other ones: another format or type of numbers, or several as one. */
import * as rule from "../arguments.ts";
import { UserError } from "../errors.ts";
import { formatShape, type Shape, sameShape } from "../tensor.ts";
import { encoderFor } from "./encode.ts";
import { writeTable } from "./formats/index.ts";
import { dtypeWidth, type FeatureDtype, type FeatureFormat } from "./formats/table.ts";
import { madeOtherwise } from "./made-by.ts";
import { readFeatures } from "./readers/index.ts";
import { type MadeBy, madeByOf } from "./vectors.ts";

/** Which files of features become one, and how its numbers are stored. */
export interface ConvertRequest {
  /** Features files of any format; their rows follow each other. */
  readonly from: readonly string[];
  readonly to: string;
  readonly format: FeatureFormat;
  readonly dtype: FeatureDtype;
}

export interface Converted {
  readonly rows: number;
  readonly shape: Shape;
  /** What the type of the numbers cost: the largest difference, and how many were too large and are stored as the largest there is. */
  readonly maxError?: number;
  readonly saturated?: number;
}

const convertRules: rule.Rules<ConvertRequest> = {
  from: { must: rule.texts.must, fits: (value) => rule.texts.fits(value) && (value as string[]).length > 0 },
  to: rule.text,
  format: {
    must: "a format, as findFormat gives it",
    fits: (value) => typeof (value as { write?: unknown } | null)?.write === "function",
  },
  dtype: rule.oneOf(...Object.keys(dtypeWidth)),
};

/** What stands beside a file, but for the paths, which are those of its own rows. */
function metadataOf(file: string): MadeBy {
  const { paths: _, ...metadata } = madeByOf(file) as MadeBy & { readonly paths?: unknown };
  return metadata;
}

/** @throws UserError where two files say that they were made in different ways: rows of both could not be compared */
function refuseMixture(files: readonly string[], made: readonly MadeBy[]): void {
  for (const [i, file] of files.entries()) {
    for (let earlier = 0; earlier < i; earlier++) {
      const other = madeOtherwise(made[i], made[earlier]);
      if (other === undefined) continue;
      throw new UserError(
        `${file} and ${files[earlier]} cannot be one file, since their features cannot be compared: those of ${file} are of ${other}.`,
        "Extract them in the same way; several layers, networks or reductions are files of their own.",
      );
    }
  }
}

/**
 * What the files say in common, where each says of which network it is: how their features were made, which is the same by
 * `refuseMixture`, and all the folders that their images are in.
 */
function commonOf(made: readonly MadeBy[]): MadeBy {
  if (made.some(({ model }) => model === undefined)) return {};
  const { model, endPoint, imageSize, globalPool, pool, pca, l2, weights, preprocess } = made[0];
  const folders = [...new Set(made.flatMap(({ dataDir }) => dataDir ?? []))];
  const dataDir = folders.length === 1 ? folders[0] : folders;
  return { model, endPoint, imageSize, globalPool, pool, pca, l2, weights, preprocess, dataDir };
}

/**
 * Writes the rows of features files as one file, with the metadata of the first, or, where they differ, with what they have in
 * common and those of all.
 * @throws UsageError for wrong arguments, by their names; UserError when they were made in different ways, have rows of other shapes, or an image twice.
 */
export async function convertFeatures(request: ConvertRequest): Promise<Converted> {
  rule.checkArguments("convertFeatures", request, convertRules, "from", "to", "format", "dtype");
  const { from, to, format, dtype } = request;
  const all = from.map(metadataOf);
  refuseMixture(from, all);
  const seen = new Map<string, number>();
  const paths: string[] = [];
  let shape: Shape | undefined;
  for (const [i, file] of from.entries()) {
    for await (const row of readFeatures(file)) {
      shape ??= row.shape;
      if (!sameShape(shape, row.shape)) {
        throw new UserError(
          `${row.path} in ${file} is of shape ${formatShape(row.shape)}, others are ${formatShape(shape)}.`,
          "Files of one network and layer can be merged.",
        );
      }
      const other = seen.get(row.path);
      // A file of rows may have an image more than once: the list that it was made of did.
      if (other !== undefined && (other !== i || format.byKey)) {
        throw new UserError(
          `${row.path} is in ${from[other]} and again in ${file}.`,
          other === i ? `${format.name} has each path once: convert to a format of rows.` : undefined,
        );
      }
      seen.set(row.path, i);
      paths.push(row.path);
    }
  }
  if (!shape) throw new UserError(`There are no features in ${from.join(", ")}.`);
  const values = async function* (): AsyncGenerator<Float32Array> {
    for (const file of from) {
      for await (const { data } of readFeatures(file))
        yield data instanceof Float32Array ? data : Float32Array.from(data);
    }
  };
  const encoder = await encoderFor(dtype, paths, values);
  const alike = all.every((m) => JSON.stringify(m) === JSON.stringify(all[0]));
  const metadata = {
    ...(alike ? all[0] : { ...commonOf(all), mergedFrom: all }),
    featureShape: shape,
    dtype: { name: dtype, ...encoder.cost },
    format: format.name,
  };
  await writeTable(to, format, {
    paths,
    shape,
    dtype,
    scale: encoder.scale,
    metadata,
    rows: encoder.rows,
  });
  const { maxError, saturated } = encoder.cost;
  return { rows: paths.length, shape, maxError, saturated };
}
