/** What a file that is no checkpoint really is, and what to do about it. */
import { bytesOfHex, equals, latin1, viewOf } from "../bytes.ts";
import { CheckpointError } from "../errors.ts";
import type { ByteSource } from "../platform/files.ts";
import { footerSize } from "./sstable.ts";

interface Sign {
  readonly seen: (start: Uint8Array, text: string) => boolean;
  readonly is: (text: string) => string;
  readonly advice: string;
}

const startsWith = (hex: string) => {
  const magic = bytesOfHex(hex);
  return (start: Uint8Array) => equals(start.subarray(0, magic.length), magic);
};

/** Whether nearly all of what may be float32 values are of a size that weights have. Letters can be such values, too. */
function looksLikeFloats(start: Uint8Array, text: string): boolean {
  if (/^[\t\r\n -~]*$/.test(text)) return false;
  const view = viewOf(start);
  const count = Math.floor(start.length / 4);
  let likely = 0;
  let zeros = 0;
  for (let i = 0; i < count; i++) {
    const size = Math.abs(view.getFloat32(4 * i, true));
    if (size === 0) zeros++;
    else if (size > 1e-12 && size < 1e6) likely++;
  }
  return count >= 64 && likely + zeros > 0.95 * count && likely > 0.3 * count;
}

const titleOf = (text: string) => /<title[^>]*>([^<]*)/i.exec(text)?.[1].trim();
const download = "Download the checkpoint again and look at the file's size.";
const otherFormat =
  "TensorFlow's weights are read: checkpoints (V1 files, V2 .index with .data files), SavedModels, frozen graphs, and archives of them.";

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
    // V1 files and V2 index files begin with the empty key and the length of its record.
    seen: (start) => start[0] === 0 && start[1] === 0 && start[2] > 0,
    is: () => "is truncated: it begins like a checkpoint and does not end like one",
    advice: "The download was cut off; download it again.",
  },
  {
    seen: (_, text) => /^\s*(#.*\n\s*)*(node|versions|library|meta_graphs) \{/.test(text),
    is: () => "is a graph in the form of text",
    advice: "Convert it to the binary form with google.protobuf.text_format, or name the checkpoint.",
  },
  {
    seen: (_, text) => text.slice(4, 8) === "TFL3",
    is: () => "is a TensorFlow Lite model",
    advice: `${otherFormat} Name what the model was converted from.`,
  },
  {
    // NodeDef in GraphDef, MetaInfoDef in MetaGraphDef, the version in SavedModel.
    seen: (start) => (start[0] === 0x0a && start.length > 8) || (start[0] === 0x08 && start[1] === 0x01),
    is: () => "looks like a graph (a frozen .pb, a SavedModel or a .meta file) and cannot be read as one",
    advice: download,
  },
  {
    // The version of the format, and the name of what wrote the file.
    seen: (start) => start[0] === 0x08 && start[1] < 0x20 && (start[2] === 0x12 || start[2] === 0x3a),
    is: () => "is an ONNX model",
    advice: otherFormat,
  },
  {
    seen: looksLikeFloats,
    is: () => "holds numbers without names, as the .data file of a V2 checkpoint does",
    advice: "Put the .index file that belongs to it beside it, and name that.",
  },
];

/** The error for a file that is neither table nor archive. */
export async function diagnose(file: ByteSource): Promise<CheckpointError> {
  if (file.size === 0) return new CheckpointError(`${file.path} is empty.`, download);
  const start = await file.read(0, Math.min(file.size, 4096));
  const text = latin1(start);
  const sign = signs.find((s) => s.seen(start, text));
  if (sign) return new CheckpointError(`${file.path} ${sign.is(text)}.`, sign.advice);
  const short =
    file.size < footerSize ? `, and with ${file.size} bytes too short for one: it may be truncated` : "";
  return new CheckpointError(`${file.path} is not a TensorFlow checkpoint${short}.`, otherFormat);
}
