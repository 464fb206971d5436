/** Features files into other ones: another format or type of numbers, or several as one. */
import { readFile } from "node:fs/promises";
import { UserError } from "../errors.ts";
import { formatShape, type Shape, sameShape } from "../tensor.ts";
import { textIn } from "../text.ts";
import { encoderFor } from "./encode.ts";
import { besidePlaces, writeTable } from "./formats/index.ts";
import type { FeatureDtype, FeatureFormat } from "./formats/table.ts";
import { readFeatures } from "./readers/index.ts";

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
  /** What the type of the numbers cost. */
  readonly maxError?: number;
}

async function metadataOf(path: string): Promise<Record<string, unknown>> {
  let bytes: Buffer | undefined;
  for (const place of besidePlaces(path, ".json")) bytes ??= await readFile(place).catch(() => undefined);
  if (bytes === undefined) return {};
  const { paths, ...metadata } = JSON.parse(textIn(bytes)) as Record<string, unknown>;
  return metadata;
}

/**
 * Writes the rows of features files as one file, with the metadata of the first, or, where they differ, of all.
 * @throws UserError when they have rows of other shapes, or an image twice.
 */
export async function convertFeatures({ from, to, format, dtype }: ConvertRequest): Promise<Converted> {
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
  const encoder = await encoderFor(dtype, values);
  const all = await Promise.all(from.map(metadataOf));
  const alike = all.every((m) => JSON.stringify(m) === JSON.stringify(all[0]));
  const metadata = {
    ...(alike ? all[0] : { mergedFrom: all }),
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
  return { rows: paths.length, shape, maxError: encoder.cost.maxError };
}
