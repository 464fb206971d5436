/** The table of output formats, and writing one of them with its metadata beside it. */
import { unlink } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
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

/** What lies beside a features file, by the endings of the names. */
export type BesideEnding = ".json" | ".manifest.jsonl" | ".predictions.jsonl" | ".pca.json" | ".run";

/**
 * Where what belongs to a features file lies: beside it, under its name with an ending; and with a _ before it where the
 * format's files are read by the folder (`f.parquet`, `_f.parquet.json`).
 */
export const besidePath = (
  featuresPath: string,
  ending: BesideEnding,
  { inFolders }: Pick<FeatureFormat, "inFolders">,
): string =>
  inFolders
    ? join(dirname(featuresPath), `_${basename(featuresPath)}${ending}`)
    : formerly(featuresPath, ending);

/** Where it lay whatever the format, before folders were thought of. */
const formerly = (featuresPath: string, ending: BesideEnding): string => `${featuresPath}${ending}`;

/** Removes what an earlier version wrote beside a file that is written anew: it says nothing of it any more. */
export async function removeFormer(
  featuresPath: string,
  ending: BesideEnding,
  format: Pick<FeatureFormat, "inFolders">,
): Promise<void> {
  if (format.inFolders) await unlink(formerly(featuresPath, ending)).catch(() => {});
}

/** Where that may lie, by present and by former names; readers take the first that is there. */
export const besidePlaces = (featuresPath: string, ending: BesideEnding): readonly string[] => [
  besidePath(featuresPath, ending, { inFolders: true }),
  formerly(featuresPath, ending),
];

/** Of several layers, the file of one: `features/x.pkl` for the end point `Mixed_5c` is `features/x.Mixed_5c.pkl`. */
export function withLayer(path: string, endPoint: string): string {
  const extension = extname(path);
  return `${path.slice(0, path.length - extension.length)}.${endPoint.replaceAll("/", "_")}${extension}`;
}

/** Writes a table and its metadata. Neither appears under its name before both are whole. @throws OutputError */
export async function writeTable(path: string, format: FeatureFormat, table: FeatureTable): Promise<void> {
  const file = await openAtomic(path);
  try {
    const beside = await openAtomic(besidePath(path, ".json", format));
    try {
      await format.write(table, file);
      const described = format.pathsBeside ? { ...table.metadata, paths: table.paths } : table.metadata;
      await beside.append(Buffer.from(`${JSON.stringify(described, null, 2)}\n`));
      await file.seal();
      await beside.seal();
      await file.commit();
      await beside.commit();
      await removeFormer(path, ".json", format);
    } finally {
      await beside.abandon();
    }
  } finally {
    await file.abandon();
  }
}
