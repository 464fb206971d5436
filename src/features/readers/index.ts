/** Reads features files of every format, told apart by their first bytes. */
import { UserError } from "../../errors.ts";
import type { FeatureRow } from "./array.ts";
import { type ByteReader, openBytes } from "./bytes.ts";
import { readJsonl } from "./jsonl.ts";
import { readNpy } from "./npy.ts";
import { readPickle } from "./pickle.ts";

export type { FeatureRow } from "./array.ts";

const readers: readonly {
  readonly magic: string;
  readonly read: (path: string, bytes: ByteReader) => Generator<FeatureRow>;
}[] = [
  { magic: "\x93NUMPY", read: readNpy },
  { magic: "\x80", read: readPickle },
  { magic: "{", read: readJsonl },
];

/** The rows of the features file `path`, one at a time. @throws UsageError when it cannot be opened, UserError when it is no features file. */
export function* readFeatures(path: string): Generator<FeatureRow> {
  const start = firstByte(path);
  const reader = readers.find((r) => r.magic.charCodeAt(0) === start);
  if (!reader) {
    throw new UserError(
      `${path} is no features file: it is neither a pickle of protocol 2 or later, nor NPY, nor JSON lines.`,
      "Pickles that Python 2 wrote in its old text protocol can be loaded in Python and saved again with protocol=2.",
    );
  }
  const bytes = openBytes(path);
  try {
    yield* reader.read(path, bytes);
  } finally {
    bytes.close();
  }
}

function firstByte(path: string): number | undefined {
  const bytes = openBytes(path);
  try {
    return bytes.take(1)[0];
  } finally {
    bytes.close();
  }
}
