/** The table of output formats, and writing one of them with its metadata beside it. */
import { extname } from "node:path";
import { UsageError } from "../../errors.ts";
import { didYouMean } from "../../nearest.ts";
import { openAtomic } from "../../node/atomic.ts";
import { arrow } from "./arrow.ts";
import { csv } from "./csv.ts";
import { hdf5 } from "./hdf5.ts";
import { jsonl } from "./jsonl.ts";
import { npy } from "./npy.ts";
import { npz } from "./npz.ts";
import { parquet } from "./parquet.ts";
import { type PickleProtocol, pickleOf, pkl } from "./pkl.ts";
import { safetensors } from "./safetensors.ts";
import type { FeatureFormat, FeatureTable } from "./table.ts";

/** The formats that features are written in. */
export const formats: readonly FeatureFormat[] = [
  pkl,
  npy,
  npz,
  parquet,
  arrow,
  hdf5,
  safetensors,
  jsonl,
  csv,
];

/**
 * The format called `name`, in a pickle's protocol where one is asked for.
 * @throws UsageError that lists the formats there are; or where a protocol is asked of another format.
 */
export function findFormat(name: string, protocol?: PickleProtocol): FeatureFormat {
  const format = formats.find((f) => f.name === name);
  if (format && protocol === undefined) return format;
  if (format === pkl && protocol !== undefined) return pickleOf(protocol);
  if (format)
    throw new UsageError(
      `--pickle-protocol is of pickles, and the format is ${name}.`,
      "Leave it out, or name --format pkl.",
    );
  const names = formats.map((f) => f.name);
  throw new UsageError(
    `There is no output format called "${name}".`,
    `${didYouMean(name, names) ?? ""} The formats are: ${names.join(", ")}.`.trim(),
  );
}

/** Other endings that files of a format go by. */
const endings: Readonly<Record<string, string>> = {
  pickle: "pkl",
  h5: "hdf5",
  feather: "arrow",
  json: "jsonl",
  ndjson: "jsonl",
};

/**
 * The format of the file `path` that will be written: by its extension, which must not say another than `name`. Where
 * neither is given it is Compute-Features' own, a pickle. `protocol` as for `findFormat`.
 * @throws UsageError
 */
export function formatFor(
  path: string | undefined,
  name: string | undefined,
  protocol?: PickleProtocol,
): FeatureFormat {
  if (path === undefined) return findFormat(name ?? pkl.name, protocol);
  const named = name === undefined ? undefined : findFormat(name).name;
  const ending = extname(path).slice(1).toLowerCase();
  const told = formats.find((format) => format.name === (endings[ending] ?? ending))?.name;
  if (named && told && named !== told) {
    throw new UsageError(
      `${path} is ${told} by its extension, and ${named} is asked for.`,
      `Leave --format out, or let the name end in .${named}.`,
    );
  }
  const format = named ?? told;
  if (format) return findFormat(format, protocol);
  throw new UsageError(
    `The format of ${path} is not told by its name.`,
    `Let it end in ${formats.map((f) => `.${f.name}`).join(", ")}, or name the format with --format.`,
  );
}

/** Where the metadata of a features file lies: beside it, since not every format has a place for it. */
export function metadataPath(featuresPath: string): string {
  return `${featuresPath}.json`;
}

/** Of several layers, the file of one: `features/x.pkl` for the end point `Mixed_5c` is `features/x.Mixed_5c.pkl`. */
export function withLayer(path: string, endPoint: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}.${endPoint.replaceAll("/", "_")}${extension}`;
}

/** Writes a table and its metadata. Neither appears under its name before both are whole. @throws OutputError */
export async function writeTable(path: string, format: FeatureFormat, table: FeatureTable): Promise<void> {
  const file = await openAtomic(path);
  try {
    const beside = await openAtomic(metadataPath(path));
    try {
      await format.write(table, file);
      const described = format.pathsBeside ? { ...table.metadata, paths: table.paths } : table.metadata;
      await beside.append(Buffer.from(`${JSON.stringify(described, null, 2)}\n`));
      await file.seal();
      await beside.seal();
      await file.commit();
      await beside.commit();
    } finally {
      await beside.abandon();
    }
  } finally {
    await file.abandon();
  }
}
