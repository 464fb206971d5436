/** What a file that is no checkpoint really is, and what to do about it. */
import { CheckpointError } from "../errors.ts";
import type { ByteFile } from "./bytes.ts";
import { footerSize, tableMagic } from "./sstable.ts";

export type Kind = "table" | "archive" | "other";

/** A table by its last bytes, an archive by its first, or something else. */
export async function kindOf(file: ByteFile): Promise<Kind> {
  const start = await file.read(0, Math.min(file.size, 512));
  if (start.length >= 2 && start[0] === 0x1f && start[1] === 0x8b) return "archive";
  if (start.toString("latin1", 257, 262) === "ustar") return "archive";
  if (file.size < footerSize) return "other";
  return (await file.read(file.size - 8, 8)).equals(tableMagic) ? "table" : "other";
}

interface Sign {
  readonly seen: (start: Buffer, text: string) => boolean;
  readonly is: (text: string) => string;
  readonly advice: string;
}

const startsWith = (hex: string) => {
  const magic = Buffer.from(hex, "hex");
  return (start: Buffer) => start.subarray(0, magic.length).equals(magic);
};

const titleOf = (text: string) => /<title[^>]*>([^<]*)/i.exec(text)?.[1].trim();
const download = "Download the checkpoint again and look at the file's size.";
const otherFormat =
  "Only TensorFlow checkpoints are read: V1 files, V2 .index with .data files, or the published archives.";

const signs: readonly Sign[] = [
  {
    seen: (_, text) => /^\s*(<!doctype|<html|<\?xml)/i.test(text),
    is: (text) => `is a web page${titleOf(text) ? ` ("${titleOf(text)}")` : ""}, not a checkpoint`,
    advice: download,
  },
  {
    seen: (_, text) => text.startsWith("version https://git-lfs"),
    is: () => "is a git-lfs pointer, not the file itself",
    advice: "Run git lfs pull where it came from.",
  },
  { seen: startsWith("89484446"), is: () => "is an HDF5 file (Keras weights)", advice: otherFormat },
  { seen: startsWith("504b0304"), is: () => "is a zip archive", advice: otherFormat },
  { seen: startsWith("934e554d5059"), is: () => "is a numpy array", advice: otherFormat },
  {
    seen: (start) => start[0] === 0x80 && start[1] >= 2 && start[1] <= 5,
    is: () => "is a Python pickle",
    advice: otherFormat,
  },
  {
    // V1 files and V2 index files begin with the empty key.
    seen: startsWith("0000"),
    is: () => "is truncated: it begins like a checkpoint and does not end like one",
    advice: "The download was cut off; download it again.",
  },
  {
    // NodeDef in GraphDef, MetaInfoDef in MetaGraphDef, the version in SavedModel.
    seen: (start) => (start[0] === 0x0a && start.length > 8) || (start[0] === 0x08 && start[1] === 0x01),
    is: () => "looks like a graph (a frozen .pb, a SavedModel or a .meta file), not a checkpoint",
    advice: "Name the checkpoint that belongs to it; variables inside graphs are not read.",
  },
];

/** The error for a file that is neither table nor archive. */
export async function diagnose(file: ByteFile): Promise<CheckpointError> {
  if (file.size === 0) return new CheckpointError(`${file.path} is empty.`, download);
  const start = await file.read(0, Math.min(file.size, 4096));
  const text = start.toString("latin1");
  const sign = signs.find((s) => s.seen(start, text));
  if (sign) return new CheckpointError(`${file.path} ${sign.is(text)}.`, sign.advice);
  const short =
    file.size < footerSize ? `, and with ${file.size} bytes too short for one: it may be truncated` : "";
  return new CheckpointError(`${file.path} is not a TensorFlow checkpoint${short}.`, otherFormat);
}
