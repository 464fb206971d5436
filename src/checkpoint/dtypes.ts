/** TensorFlow's element types (tensorflow/core/framework/types.proto) under numpy's names. */
import { CheckpointError } from "../errors.ts";
import { fromHalf } from "../half.ts";

export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Uint8Array[];

type Numbers = Exclude<TensorData, Uint8Array[]>;

export interface DType {
  readonly name: string;
  /** Bytes of an element as stored; 0 where elements have no fixed size. */
  readonly width: number;
  /** Bytes that are swapped together in a big-endian file. */
  readonly unit: number;
  /** Little-endian bytes, which are the caller's to give away and aligned, to values. Absent where it cannot be read. */
  readonly decode?: (bytes: Uint8Array) => Numbers;
  /** The field of TensorProto that lists the values, and how. */
  readonly listed?: { readonly field: number; readonly kind: "raw" | "varint" | "half" | "bytes" };
}

type Constructor = new (buffer: ArrayBuffer, offset: number, length: number) => Numbers;

const view = (array: Constructor, width: number) => (bytes: Uint8Array) =>
  new array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / width);

function plain(
  name: string,
  width: number,
  array: Constructor,
  listed?: DType["listed"],
  unit = width,
): DType {
  return { name, width, unit, decode: view(array, unit), listed };
}

function widenHalf(bytes: Uint8Array): Float32Array {
  const halves = new Uint16Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / 2);
  return Float32Array.from(halves, fromHalf);
}

/** bfloat16 is the upper half of a float32. */
function widenBfloat16(bytes: Uint8Array): Float32Array {
  const halves = new Uint16Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength / 2);
  const wide = new Float32Array(halves.length);
  const bits = new Uint32Array(wide.buffer);
  halves.forEach((h, i) => {
    bits[i] = h << 16;
  });
  return wide;
}

const int = { field: 7, kind: "varint" } as const;

const byNumber: Readonly<Record<number, DType>> = {
  1: plain("float32", 4, Float32Array, { field: 5, kind: "raw" }),
  2: plain("float64", 8, Float64Array, { field: 6, kind: "raw" }),
  3: plain("int32", 4, Int32Array, int),
  4: plain("uint8", 1, Uint8Array, int),
  5: plain("int16", 2, Int16Array, int),
  6: plain("int8", 1, Int8Array, int),
  7: { name: "string", width: 0, unit: 1, listed: { field: 8, kind: "bytes" } },
  8: plain("complex64", 8, Float32Array, { field: 9, kind: "raw" }, 4),
  9: plain("int64", 8, BigInt64Array, { field: 10, kind: "varint" }),
  10: plain("bool", 1, Uint8Array, { field: 11, kind: "varint" }),
  11: plain("qint8", 1, Int8Array, int),
  12: plain("quint8", 1, Uint8Array, int),
  13: plain("qint32", 4, Int32Array, int),
  14: { name: "bfloat16", width: 2, unit: 2, decode: widenBfloat16, listed: { field: 13, kind: "half" } },
  15: plain("qint16", 2, Int16Array, int),
  16: plain("quint16", 2, Uint16Array, int),
  17: plain("uint16", 2, Uint16Array, int),
  18: plain("complex128", 16, Float64Array, { field: 12, kind: "raw" }, 8),
  19: { name: "float16", width: 2, unit: 2, decode: widenHalf, listed: { field: 13, kind: "half" } },
  20: { name: "resource", width: 0, unit: 1 },
  21: { name: "variant", width: 0, unit: 1 },
  22: plain("uint32", 4, Uint32Array, { field: 16, kind: "varint" }),
  23: plain("uint64", 8, BigUint64Array, { field: 17, kind: "varint" }),
  24: plain("float8_e5m2", 1, Uint8Array),
  25: plain("float8_e4m3fn", 1, Uint8Array),
  29: plain("int4", 1, Int8Array),
  30: plain("uint4", 1, Uint8Array),
};

/** The type of a number in a file. One that is not known can be listed, not read. */
export function dtypeOf(number: number): DType {
  return byNumber[number] ?? { name: `dtype ${number}`, width: 0, unit: 1 };
}

/** The number and type that a typed array is written as. */
export function dtypeForArray(data: TensorData): { readonly number: number; readonly dtype: DType } {
  const number = Array.isArray(data)
    ? 7
    : data instanceof Float32Array
      ? 1
      : data instanceof Float64Array
        ? 2
        : data instanceof Int32Array
          ? 3
          : data instanceof BigInt64Array
            ? 9
            : data instanceof Uint8Array
              ? 4
              : 0;
  if (number === 0) throw new CheckpointError(`The writer takes no ${data.constructor.name}.`);
  return { number, dtype: byNumber[number] };
}

/** Swaps the bytes of every unit in place: big-endian to little-endian. */
export function swapBytes(bytes: Uint8Array, unit: number): void {
  for (let at = 0; at + unit <= bytes.length; at += unit) bytes.subarray(at, at + unit).reverse();
}
