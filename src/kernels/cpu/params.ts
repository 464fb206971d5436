/**
 * How a kernel's code finds its operands and sizes: one record of 32-bit words in memory, first the address of the
 * output, then those of the operands, then the kernel's own numbers. Names and order are declared once.
 *
 * What is baked into the code and what is a number: whatever changes the loops' bodies (the epilogue, the window of a
 * depthwise convolution) is baked; sizes and strides are numbers. Layers that differ only in size share their code.
 */
import {
  add,
  type Expr,
  i32,
  type Local,
  lessSigned,
  load,
  mul,
  type Stmt,
  select,
  set,
} from "../../wasm/code.ts";
import type { Epilogue } from "../op.ts";

/**
 * The memory's first bytes: words that the threads agree by, then zeros that kernels may read instead of what lies
 * outside an image, then the blocks.
 */
export const zerosAt = 1024;
export const firstFree = 8192;

/** Reads fields of the record at `params`. */
export type Fields<N extends string> = (name: N) => Expr<"i32">;

/** Where the channels of a pixel are written: `outOffset` floats into its stretch of `outStride`. */
export const placeOf = (e: Epilogue, channels: number) => ({
  outStride: e.placement?.of ?? channels,
  outOffset: e.placement?.channel ?? 0,
});

/** What of an epilogue is baked into the code: not where the output lies. */
export type BakedEpilogue = Omit<Epilogue, "placement">;

export const bakedOf = ({ scale, bias, residual, activation }: Epilogue): BakedEpilogue => ({
  scale,
  bias,
  residual,
  activation,
});

export type EpilogueField = "scale" | "bias" | "residual";

/** The operands that an epilogue adds, in order. */
export const epilogueFields = (e: BakedEpilogue): EpilogueField[] =>
  (["scale", "bias", "residual"] as const).filter((name) => e[name]);

/** The reader of a record whose operands and numbers are called so, in order. */
export const fieldsOf =
  <N extends string>(params: Expr<"i32">, operands: readonly N[], numbers: readonly N[]): Fields<N | "out"> =>
  (name) =>
    load("i32", params, 4 * ["out", ...operands, ...numbers].indexOf(name));

/** `count` values of `bytes` each behind `address`. */
export const after = (address: Expr<"i32">, count: Expr<"i32">, bytes: number): Expr<"i32"> => ({
  type: "i32",
  code: [address.code, count.code, i32(bytes).code, 0x6c, 0x6a],
});

/** Code is made once for all that is baked into it. */
export function once<K, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<string, V>();
  return (key) => {
    const text = JSON.stringify(key);
    let value = made.get(text);
    if (value === undefined) {
      value = make(key);
      made.set(text, value);
    }
    return value;
  };
}

/** The units `from` up to `to` that a task takes of `units`, `taskUnits` each. */
export const unitsOf = (
  task: Local<"i32">,
  from: Local<"i32">,
  to: Local<"i32">,
  fields: Fields<"units" | "taskUnits">,
): Stmt[] => [
  set(from, mul(task, fields("taskUnits"))),
  set(to, add(from, fields("taskUnits"))),
  set(to, select(lessSigned(fields("units"), to), fields("units"), to)),
];
