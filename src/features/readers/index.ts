/** Reads features files of every format, told apart by their first bytes. */
import { UserError } from "../../errors.ts";
import { readCsv } from "../formats/csv.ts";
import { readNpz } from "../formats/npz.ts";
import { readSafetensors } from "../formats/safetensors.ts";
import type { FeatureRow } from "../formats/table.ts";
import { type ByteReader, openBytes } from "./bytes.ts";
import { readJsonl } from "./jsonl.ts";
import { readByLibrary } from "./library.ts";
import { readNpy } from "./npy.ts";
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
  { begins: /^path,/, read: readCsv },
  { begins: /^\{/, read: streamed(readJsonl) },
  { begins: /^\x80/, read: streamed(readPickle) },
];

/** The rows of the features file `path`, one at a time. @throws UsageError when it cannot be opened, UserError when it is no features file. */
export async function* readFeatures(path: string): AsyncGenerator<FeatureRow> {
  const start = firstBytes(path);
  const reader = readers.find(({ begins }) => begins.test(start));
  if (!reader) {
    throw new UserError(
      `${path} is no features file: it is of no format that extract writes.`,
      "Pickles that Python 2 wrote in its old text protocol can be loaded in Python and saved again with protocol=2.",
    );
  }
  yield* reader.read(path);
}

function firstBytes(path: string): string {
  const bytes = openBytes(path);
  try {
    return bytes.start(16).toString("latin1");
  } finally {
    bytes.close();
  }
}
