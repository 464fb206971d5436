/**
 * A pickle of `{path: numpy array}`, as Compute-Features wrote it, in protocol 3 (the first with Python 3's bytes), or in
 * protocol 2 for Python 2, where numbers are text that `_codecs.encode` makes bytes of: every Python reads that alike.
 * The arrays are rebuilt through `numpy.core.multiarray._reconstruct`: the one spelling that numpy 1 and numpy 2 both
 * know and load without a warning. What every row shares is put into the memo once, by the head.
 */
import { bytesOfLatin1, bytesOfUtf8, concat, latin1, viewOf } from "../../bytes.ts";
import type { Shape } from "../../tensor.ts";
import type { FeatureDtype, FeatureFormat, TableFile } from "./table.ts";

const memo = { dict: 0, reconstruct: 1, reconstructArguments: 2, dtype: 3, shape: 4, encode: 5, latin1: 6 };

export const pickleProtocols = [2, 3] as const;
export type PickleProtocol = (typeof pickleProtocols)[number];

/** The format in a protocol. */
export const pickleOf = (protocol: PickleProtocol): FeatureFormat<TableFile> => ({
  name: "pkl",
  description: "a Python pickle of {path: numpy array}, as Compute-Features wrote it",
  pathsBeside: false,
  byKey: true,
  async write({ paths, shape, dtype, rows }, file) {
    await file.append(head(protocol, shape, dtype));
    let i = 0;
    for await (const bytes of rows()) await file.append(row(protocol, paths[i++], bytes));
    await file.append(op("."));
  },
});

export const pkl = pickleOf(3);

/** numpy's names of the types: kind and width, and the order of bytes. */
const dtypeNames: Readonly<Record<FeatureDtype, readonly [name: string, order: string]>> = {
  float32: ["f4", "<"],
  float16: ["f2", "<"],
  int8: ["i1", "|"],
};

const head = (protocol: PickleProtocol, shape: Shape, dtype: FeatureDtype): Uint8Array =>
  concat([
    Uint8Array.of(0x80, protocol),
    op("}", put(memo.dict)),
    op(global("numpy.core.multiarray", "_reconstruct"), put(memo.reconstruct), "0"),
    op(
      global("numpy", "ndarray"),
      int(0),
      "\x85",
      native("b", protocol),
      "\x87",
      put(memo.reconstructArguments),
      "0",
    ),
    op(global("numpy", "dtype"), text(dtypeNames[dtype][0], protocol), "\x89\x88\x87R"),
    op(
      "(",
      int(3),
      text(dtypeNames[dtype][1], protocol),
      "NNN",
      int(-1),
      int(-1),
      int(0),
      "tb",
      put(memo.dtype),
      "0",
    ),
    op(tuple(shape), put(memo.shape), "0"),
    protocol === 2
      ? op(global("_codecs", "encode"), put(memo.encode), "0", native("latin1", 2), put(memo.latin1), "0")
      : op(),
  ]);

const row = (protocol: PickleProtocol, path: string, bytes: Uint8Array): Uint8Array =>
  concat([
    unicode(path),
    op(get(memo.reconstruct), get(memo.reconstructArguments), "R"),
    op("(", int(1), get(memo.shape), get(memo.dtype), "\x89"),
    protocol === 2
      ? op(get(memo.encode), unicode(latin1(bytes)), get(memo.latin1), "\x86R")
      : counted("B", bytes),
    op("tbs"),
  ]);

function op(...parts: (string | Uint8Array)[]): Uint8Array {
  return concat(parts.map((part) => (typeof part === "string" ? bytesOfLatin1(part) : part)));
}

const put = (slot: number) => `q${String.fromCharCode(slot)}`;
const get = (slot: number) => `h${String.fromCharCode(slot)}`;
const global = (module: string, name: string) => `c${module}\n${name}\n`;
const tuple = (values: Shape) => op("(", ...values.map(int), "t");
const unicode = (text: string) => counted("X", bytesOfUtf8(text));

/** A short text of ASCII as the protocol's own Python takes it for granted: its `str`. */
const text = (ascii: string, protocol: PickleProtocol) =>
  protocol === 2 ? native(ascii, 2) : unicode(ascii);

/** ASCII as Python 2's `str`, which Python 3 reads as text, or as Python 3's bytes. */
const native = (ascii: string, protocol: PickleProtocol) =>
  op(protocol === 2 ? "U" : "C", String.fromCharCode(ascii.length), ascii);

/** An opcode whose argument is preceded by its length in 32 bits. */
function counted(opcode: string, bytes: Uint8Array): Uint8Array {
  const head = bytesOfLatin1(`${opcode}\0\0\0\0`);
  viewOf(head).setUint32(1, bytes.length, true);
  return concat([head, bytes]);
}

function int(value: number): Uint8Array {
  if (value >= 0 && value < 256) return Uint8Array.of(0x4b, value);
  const bytes = bytesOfLatin1("J\0\0\0\0");
  viewOf(bytes).setInt32(1, value, true);
  return bytes;
}
