/** Reads features files of every format, told apart by their first bytes. */
import { UserError } from "../../errors.ts";
import { formats } from "../formats/index.ts";
import { readSafetensors } from "../formats/safetensors.ts";
import type { FeatureRow } from "../formats/table.ts";
import { type ByteReader, openBytes } from "./bytes.ts";
import { csvBegins, readCsv } from "./csv.ts";
import { readJsonl } from "./jsonl.ts";
import { readByLibrary } from "./library.ts";
import { readNpy } from "./npy.ts";
import { readNpz } from "./npz.ts";
import { readPickle } from "./pickle.ts";

export type { FeatureRow } from "../formats/table.ts";

type Rows = Iterable<FeatureRow> | AsyncIterable<FeatureRow>;

/** Reads front to back through a window. */
const streamed = (read: (path: string, bytes: ByteReader) => Generator<FeatureRow>) =>
  function* (path: string): Generator<FeatureRow> {
    const bytes = openBytes(path);
    try {
      yield* read(path, bytes);
    } finally {
      bytes.close();
    }
  };

/** How each format's files begin. */
const readers: readonly { readonly begins: RegExp; readonly read: (path: string) => Rows }[] = [
  { begins: /^\x93NUMPY/, read: streamed(readNpy) },
  { begins: /^PK/, read: readNpz },
  { begins: /^PAR1/, read: readByLibrary("parquet") },
  { begins: /^ARROW1/, read: readByLibrary("arrow") },
  { begins: /^\x89HDF/, read: readByLibrary("hdf5") },
  { begins: /^[\s\S]{8}\{/, read: readSafetensors },
  { begins: csvBegins, read: readCsv },
  { begins: /^(?:\xef\xbb\xbf)?\{/, read: streamed(readJsonl) },
  { begins: /^\x80/, read: streamed(readPickle) },
];

const unknown = [
  undefined,
  "it is of no format that extract writes",
  `It reads ${formats.map((f) => f.name).join(", ")}, told by their content.`,
] as const;

/** Files that are taken for features, with what to do. */
const others: readonly (readonly [begins: RegExp, what: string, hint: string])[] = [
  [/^$/, "it is empty", "Extract the features again."],
  [
    /^\xff\xfe|^\xfe\xff/,
    "it is text in UTF-16, as spreadsheets save Unicode text",
    "Save it as CSV UTF-8, with the paths in a first column called path.",
  ],
  [
    /^(?:\(dp|\(lp|\(d|c__builtin__|ccopy_reg|cnumpy)/,
    "it is a pickle of Python's old text protocol",
    "Load it in Python, and save it again with protocol=2.",
  ],
  [
    /^MATLAB 5\.0/,
    "it is MATLAB's own format",
    "Save it with -v7.3, which is HDF5, as the datasets features and paths.",
  ],
  [
    /^(?:\xef\xbb\xbf)?[ -~]*[,;\t]/,
    "it is a table whose first column is not called path",
    "Name the columns path, f0, f1 and so on, without an index before them.",
  ],
];

/**
 * The rows of the features file `path`, one at a time: each with the path of its image, the shape of its feature and the
 * numbers as a flat array, float64 where the file has it. Every format that `extract` writes is read, and those of other
 * programs that have rows of numbers; which it is, is told from the content.
 *
 * @example
 * for await (const { path, shape, data } of readFeatures("photos.parquet")) {
 *   console.log(path, shape, data.length); // hills_01.jpg [ 1024 ] 1024
 * }
 *
 * @throws UsageError when it cannot be opened, UserError when it is no features file.
 */
export async function* readFeatures(path: string): AsyncGenerator<FeatureRow> {
  const start = firstBytes(path);
  const reader = readers.find(({ begins }) => begins.test(start));
  if (!reader) {
    const [, what, hint] = others.find(([begins]) => begins.test(start)) ?? unknown;
    throw new UserError(`${path} is no features file: ${what}.`, hint);
  }
  yield* reader.read(path);
}

function firstBytes(path: string): string {
  const bytes = openBytes(path);
  try {
    return bytes.start(64).toString("latin1");
  } finally {
    bytes.close();
  }
}
