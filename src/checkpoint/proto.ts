/** Protocol buffers on the wire: a bounded walk over the fields of one message. Unknown fields are the reader's to skip. */
import { Cursor, damaged } from "./bytes.ts";

export type Field =
  | { readonly number: number; readonly wire: "varint"; readonly varint: bigint }
  | { readonly number: number; readonly wire: "fixed64"; readonly bytes: Uint8Array }
  | { readonly number: number; readonly wire: "fixed32"; readonly fixed32: number }
  | { readonly number: number; readonly wire: "bytes"; readonly bytes: Uint8Array };

/** The fields of a message in order. @throws CheckpointError when one is cut off or of a kind that is not allowed. */
export function* fieldsOf(message: Uint8Array, what: string): Generator<Field> {
  const c = new Cursor(message, what);
  while (c.left > 0) {
    const tag = c.varint32();
    const number = Math.floor(tag / 8);
    if (number === 0) throw damaged(what, "a field is numbered 0");
    switch (tag % 8) {
      case 0:
        yield { number, wire: "varint", varint: c.varint64() };
        break;
      case 1:
        yield { number, wire: "fixed64", bytes: c.slice(8) };
        break;
      case 2:
        yield { number, wire: "bytes", bytes: c.slice(c.varint()) };
        break;
      case 5:
        yield { number, wire: "fixed32", fixed32: c.u32() };
        break;
      default:
        throw damaged(what, `field ${number} is of wire type ${tag % 8}`);
    }
  }
}

/** A varint field as an int64 that numbers hold exactly. */
export function int64(field: Field, what: string): number {
  if (field.wire !== "varint") throw damaged(what, `field ${field.number} is not a number`);
  const value = Number(BigInt.asIntN(64, field.varint));
  if (!Number.isSafeInteger(value)) throw damaged(what, `field ${field.number} is out of any range`);
  return value;
}

export function bytesOf(field: Field, what: string): Uint8Array {
  if (field.wire !== "bytes") throw damaged(what, `field ${field.number} is not a message or string`);
  return field.bytes;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** Strict UTF-8. */
export function text(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw damaged(what, "a name is not UTF-8");
  }
}

/** TensorShapeProto: dimensions as numbers; an absent size is 0. */
export function tensorShape(message: Uint8Array, what: string): number[] {
  const shape: number[] = [];
  for (const field of fieldsOf(message, what)) {
    if (field.number === 3 && int64(field, what) !== 0) throw damaged(what, "a tensor has no known rank");
    if (field.number !== 2) continue;
    let size = 0;
    for (const f of fieldsOf(bytesOf(field, what), what)) if (f.number === 1) size = int64(f, what);
    if (size < 0) throw damaged(what, `a dimension is ${size}`);
    shape.push(size);
  }
  // TensorShape's own limit (tensorflow/core/framework/tensor_shape.h).
  if (shape.length > 254) throw damaged(what, `a tensor has rank ${shape.length}`);
  if (!Number.isSafeInteger(shape.reduce((n, d) => n * d, 1)))
    throw damaged(what, `a tensor is ${shape.join("x")}`);
  return shape;
}

/** A part of one axis; a length of -1 is the whole axis. */
export interface Extent {
  readonly start: number;
  readonly length: number;
}

/** TensorSliceProto. */
export function tensorSlice(message: Uint8Array, what: string): Extent[] {
  const extents: Extent[] = [];
  for (const field of fieldsOf(message, what)) {
    if (field.number !== 1) continue;
    let start = 0;
    let length = -1;
    for (const f of fieldsOf(bytesOf(field, what), what)) {
      if (f.number === 1) start = int64(f, what);
      else if (f.number === 2) length = int64(f, what);
    }
    extents.push({ start, length });
  }
  return extents;
}

/** VersionDef against what this reader knows; both formats are at version 1 with no minimum. */
export function checkVersion(message: Uint8Array, what: string): void {
  for (const field of fieldsOf(message, what)) {
    if (field.number === 2 && int64(field, what) > 1) {
      throw damaged(what, `it asks for a reader of version ${int64(field, what)}, this is one of version 1`);
    }
  }
}
