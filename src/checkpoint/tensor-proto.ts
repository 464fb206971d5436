/**
 * The values of a TensorProto (tensorflow/core/framework/tensor.proto): the bytes as they lie in memory, or a list in the
 * field of their type. V1 checkpoints list every value; graphs may leave out those at the end that repeat the last one.
 */
import { Cursor, damaged } from "./bytes.ts";
import type { DType, TensorData } from "./dtypes.ts";
import { bytesOf, type Field, fieldsOf, int64, tensorShape } from "./proto.ts";

/** The field of TensorProto that holds values as they lie in memory, with the lowest byte first. */
const contentField = 4;

/** What values that are only repeated may take beyond the record that they are in: a short one could claim any size. */
const mostRepeated = 2 ** 26;

/** The values that a TensorProto lists, which must be exactly `count`. Packed, single and mixed fields are taken alike. */
export function listedValues(message: Uint8Array, dtype: DType, count: number, what: string): TensorData {
  const { found, data } = collect(message, dtype, count, what);
  if (found !== count) throw wrongCount(found, count, what);
  return data;
}

const wrongCount = (found: number, count: number, what: string) =>
  damaged(what, `${found} values are stored where ${count} belong`);

/** The first values that a TensorProto lists, in room for at most `count`, and how many there are in all. */
function collect(
  message: Uint8Array,
  dtype: DType,
  count: number,
  what: string,
): { found: number; data: TensorData } {
  const { listed, width, decode } = dtype;
  if (!listed || (!decode && listed.kind !== "bytes")) throw damaged(what, `a value of type ${dtype.name}`);
  const fields = valuesOf(message, listed.field, what);
  if (listed.kind === "bytes") {
    const strings: Uint8Array[] = [];
    for (const field of fields) strings.push(new Uint8Array(bytesOf(field, what)));
    return { found: strings.length, data: strings };
  }
  // A value takes a byte at least, as a varint: room is made for what the record can hold, whatever it should hold.
  const room = Math.min(count, Math.floor(message.length / (listed.kind === "raw" ? width : 1)));
  const bytes = new Uint8Array(room * width);
  const view = new DataView(bytes.buffer);
  let found = 0;
  const put = (value: bigint) => {
    if (found < room) writeInteger(view, found * width, width, value);
    found++;
  };
  for (const field of fields) {
    if (listed.kind === "raw") {
      if (field.wire === "varint") throw damaged(what, "its values are of the wrong kind");
      const part = field.wire === "fixed32" ? fixed32Bytes(field.fixed32) : field.bytes;
      if (found * width + part.length <= bytes.length) bytes.set(part, found * width);
      found += part.length / width;
    } else if (field.wire === "varint") {
      put(field.varint);
    } else {
      const c = new Cursor(bytesOf(field, what), what);
      while (c.left > 0) put(c.varint64());
    }
  }
  if (!Number.isInteger(found) || !decode) throw wrongCount(found, count, what);
  return { found, data: decode(bytes.subarray(0, Math.min(found, room) * width)) };
}

function* valuesOf(message: Uint8Array, number: number, what: string): Generator<Field> {
  for (const field of fieldsOf(message, what)) if (field.number === number) yield field;
}

function fixed32Bytes(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

/** The low bytes of a number: negative ones came sign-extended to 64 bits. */
function writeInteger(view: DataView, at: number, width: number, value: bigint): void {
  if (width === 8) view.setBigUint64(at, value, true);
  else if (width === 4) view.setUint32(at, Number(value & 0xffffffffn), true);
  else if (width === 2) view.setUint16(at, Number(value & 0xffffn), true);
  else view.setUint8(at, Number(value & 0xffn));
}

export interface TensorHead {
  readonly dtype: number;
  readonly shape: readonly number[];
}

/** What stands in a TensorProto before its values. */
export function tensorHead(message: Uint8Array, what: string): TensorHead {
  let dtype = 0;
  let shape: readonly number[] = [];
  for (const field of fieldsOf(message, what)) {
    if (field.number === 1) dtype = int64(field, what);
    else if (field.number === 2) shape = tensorShape(bytesOf(field, what), what);
  }
  return { dtype, shape };
}

/**
 * The `count` values of a constant in a graph, by the rules of Tensor::FromProto (tensorflow/core/framework/tensor.cc): the
 * content where there is one, else the listed ones with the last repeated, and zeros where none is listed. The message is
 * the caller's to give away, and begins where its buffer does.
 */
export function constantValues(message: Uint8Array, dtype: DType, count: number, what: string): TensorData {
  const { width, decode } = dtype;
  let content: Uint8Array | undefined;
  for (const field of fieldsOf(message, what))
    if (field.number === contentField) content = bytesOf(field, what);
  if (content && content.length > 0 && decode) {
    if (content.length !== count * width)
      throw damaged(what, `${content.length} bytes are stored for ${count} values of ${dtype.name}`);
    // Moved to the start, where numbers are aligned.
    message.set(content);
    return decode(message.subarray(0, content.length));
  }
  const { found, data } = collect(message, dtype, count, what);
  if (found > count) throw wrongCount(found, count, what);
  if (found === count) return data;
  if ((count - found) * Math.max(width, 8) > mostRepeated)
    throw damaged(what, `${found} values are stored where ${count} belong, too few to be repeated so often`);
  return repeated(data, count * (width > 0 ? width / dtype.unit : 1), width / dtype.unit);
}

/** Values of which the last, `cells` numbers wide, fills the places up to `length`; zeros or empty strings where there is none. */
function repeated(data: TensorData, length: number, cells: number): TensorData {
  if (Array.isArray(data)) {
    const last = data.at(-1) ?? new Uint8Array(0);
    return Array.from({ length }, (_, i) => data[i] ?? last);
  }
  const whole = new (data.constructor as new (n: number) => Float32Array)(length);
  whole.set(data as Float32Array);
  if (data.length > 0) for (let at = data.length; at < length; at++) whole[at] = whole[at - cells];
  return whole;
}
