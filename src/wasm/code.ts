/**
 * WebAssembly as values: typed expressions and statements that hold their own machine code. A function's text is then
 * ordinary TypeScript that puts them together. Scalar instructions only: there is no v128 here.
 *
 * Opcodes: the WebAssembly core specification 1.0, section 5.4.
 */

export type Type = "i32" | "f32" | "f64";
export type Float = "f32" | "f64";

/** Bytes of machine code; a function in it stands for its index, which the module knows. */
export type Code = number | Fn | readonly Code[];

/** Pushes one value. */
export interface Expr<T extends Type = Type> {
  readonly type: T;
  readonly code: Code;
}

/** Leaves the stack as it was. */
export interface Stmt {
  readonly run: Code;
}

export interface Local<T extends Type = Type> extends Expr<T> {
  readonly index: number;
}

/** A function of i32 parameters without a result. */
export interface Fn {
  readonly name: string;
  readonly params: number;
  /** Types of the locals behind the parameters. */
  readonly locals: readonly Type[];
  readonly body: Code;
}

/** Bytes of a value in memory. */
export const widthOf: Readonly<Record<Type, number>> = { i32: 4, f32: 4, f64: 8 };

/** Unsigned LEB128. */
export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return bytes;
}

/** Signed LEB128 of a number of 32 bits. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const byte = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (byte & 0x40) === 0) || (rest === -1 && (byte & 0x40) !== 0);
    bytes.push(done ? byte : byte | 0x80);
    if (done) return bytes;
  }
}

/** A constant. i32 takes addresses over 2 GiB too: they wrap as WebAssembly's own do. */
export const i32 = (value: number): Expr<"i32"> => ({ type: "i32", code: [0x41, signed(value)] });

export function float<T extends Float>(type: T, value: number): Expr<T> {
  const bytes = type === "f32" ? new Float32Array([value]) : new Float64Array([value]);
  return { type, code: [type === "f32" ? 0x43 : 0x44, ...new Uint8Array(bytes.buffer)] };
}

type Row = Readonly<Partial<Record<Type, number>>>;

function binary<K extends Type>(row: Row) {
  return <T extends K>(a: Expr<T>, b: Expr<T>): Expr<T> => ({
    type: a.type,
    code: [a.code, b.code, row[a.type] as number],
  });
}

export const add = binary<Type>({ i32: 0x6a, f32: 0x92, f64: 0xa0 });
export const sub = binary<Type>({ i32: 0x6b, f32: 0x93, f64: 0xa1 });
export const mul = binary<Type>({ i32: 0x6c, f32: 0x94, f64: 0xa2 });
export const div = binary<Float>({ f32: 0x95, f64: 0xa3 });
/** The larger one; not a number where either is not. */
export const larger = binary<Float>({ f32: 0x97, f64: 0xa5 });
export const squareRoot = (value: Expr<"f64">): Expr<"f64"> => ({ type: "f64", code: [value.code, 0x9f] });
/** Quotient and remainder of unsigned integers. */
export const divU = binary<"i32">({ i32: 0x6e });
export const remU = binary<"i32">({ i32: 0x70 });
export const and = binary<"i32">({ i32: 0x71 });
export const xor = binary<"i32">({ i32: 0x73 });
export const shiftLeft = binary<"i32">({ i32: 0x74 });
export const shiftRight = binary<"i32">({ i32: 0x76 });
export const shiftRightSigned = binary<"i32">({ i32: 0x75 });

function compare<K extends Type>(row: Row) {
  return <T extends K>(a: Expr<T>, b: Expr<T>): Expr<"i32"> => ({
    type: "i32",
    code: [a.code, b.code, row[a.type] as number],
  });
}

/** Comparisons give 1 or 0; those of integers are unsigned. */
export const equal = compare<Type>({ i32: 0x46, f32: 0x5b, f64: 0x61 });
export const unequal = compare<Type>({ i32: 0x47, f32: 0x5c, f64: 0x62 });
export const less = compare<Type>({ i32: 0x49, f32: 0x5d, f64: 0x63 });
export const greater = compare<Type>({ i32: 0x4b, f32: 0x5e, f64: 0x64 });
export const lessSigned = compare<"i32">({ i32: 0x48 });
export const atLeastSigned = compare<"i32">({ i32: 0x4e });

/** `a` where `condition` is not 0, else `b`; both are worked out. */
export const select = <T extends Type>(condition: Expr<"i32">, a: Expr<T>, b: Expr<T>): Expr<T> => ({
  type: a.type,
  code: [a.code, b.code, condition.code, 0x1b],
});

/** A float as another type of float, rounded to the nearest where it is narrower. */
export function convert<T extends Float>(type: T, value: Expr<Float>): Expr<T> {
  const code = value.type === type ? value.code : [value.code, type === "f64" ? 0xbb : 0xb6];
  return { type, code };
}

/** An unsigned integer as a float. */
export const floatOf = <T extends Float>(type: T, value: Expr<"i32">): Expr<T> => ({
  type,
  code: [value.code, type === "f32" ? 0xb3 : 0xb8],
});

/** The nearest whole number, the even one of two. */
export const nearest = (value: Expr<"f64">): Expr<"f64"> => ({ type: "f64", code: [value.code, 0x9e] });

/** A float without its fraction as a signed integer; it traps where that does not reach. */
export const truncated = (value: Expr<Float>): Expr<"i32"> => ({
  type: "i32",
  code: [value.code, value.type === "f32" ? 0xa8 : 0xaa],
});

/** The bits of a float32 as an integer. */
export const bitsOf = (value: Expr<"f32">): Expr<"i32"> => ({ type: "i32", code: [value.code, 0xbc] });

const loads: Readonly<Record<Type, number>> = { i32: 0x28, f32: 0x2a, f64: 0x2b };
const stores: Readonly<Record<Type, number>> = { i32: 0x36, f32: 0x38, f64: 0x39 };
/** Alignment is a hint: the width of the value. */
const alignment = (type: Type): number => (type === "f64" ? 3 : 2);

/** The value at `address` + `offset` bytes. */
export const load = <T extends Type>(type: T, address: Expr<"i32">, offset = 0): Expr<T> => ({
  type,
  code: [address.code, loads[type], alignment(type), unsigned(offset)],
});

/** The byte at `address` + `offset` as an unsigned integer. */
export const loadByte = (address: Expr<"i32">, offset = 0): Expr<"i32"> => ({
  type: "i32",
  code: [address.code, 0x2d, 0, unsigned(offset)],
});

export const store = (address: Expr<"i32">, value: Expr, offset = 0): Stmt => ({
  run: [address.code, value.code, stores[value.type], alignment(value.type), unsigned(offset)],
});

export const set = <T extends Type>(local: Local<T>, value: Expr<T>): Stmt => ({
  run: [value.code, 0x21, unsigned(local.index)],
});

/** Adds to a local. */
export const increase = <T extends Type>(local: Local<T>, by: Expr<T>): Stmt => set(local, add(local, by));

export const runAll = (statements: readonly Stmt[]): Code => statements.map((s) => s.run);

export const when = (condition: Expr<"i32">, then: readonly Stmt[], otherwise?: readonly Stmt[]): Stmt => ({
  run: [condition.code, 0x04, 0x40, runAll(then), otherwise ? [0x05, runAll(otherwise)] : [], 0x0b],
});

/** Runs `body` once, and again as long as `condition` holds after it. */
export const again = (condition: Expr<"i32">, body: readonly Stmt[]): Stmt => ({
  run: [0x03, 0x40, runAll(body), condition.code, 0x0d, 0, 0x0b],
});

/**
 * Jumps to the end of the loop that it stands in when `condition` holds. Beside its meaning it keeps the compiler from
 * moving loads over it.
 */
export const leaveWhen = (condition: Expr<"i32">): Stmt => ({ run: [condition.code, 0x0d, 1] });

/** `again`, with an end that `leaveWhen` can jump to. */
export const leavable = (loop: Stmt): Stmt => ({ run: [0x02, 0x40, loop.run, 0x0b] });

/** Runs `body` as long as `condition` holds. Tested at the end of the loop, as compilers do. */
export const whilst = (condition: Expr<"i32">, body: readonly Stmt[]): Stmt =>
  when(condition, [again(condition, body)]);

/** Runs `body` with `counter` going from `from` up to, and not including, `to`. */
export const count = (
  counter: Local<"i32">,
  from: Expr<"i32">,
  to: Expr<"i32">,
  step: Expr<"i32">,
  body: readonly Stmt[],
): Stmt => ({
  run: [set(counter, from).run, whilst(lessSigned(counter, to), [...body, increase(counter, step)]).run],
});

export const call = (fn: Fn, ...args: readonly Expr<"i32">[]): Stmt => {
  if (args.length !== fn.params) throw new Error(`${fn.name} takes ${fn.params} arguments`);
  return { run: [args.map((a) => a.code), 0x10, fn] };
};

/** Gives a function's text its locals. */
export interface Scope {
  local<T extends Type>(type: T): Local<T>;
  /** As many locals as are taken apart: `const [a, b] = scope.some("i32")`. */
  some<T extends Type>(type: T): Iterable<Local<T>>;
  locals<T extends Type>(type: T, count: number): Local<T>[];
}

/** The function `name` of `params` integers. `text` is given them, and a scope for further locals. */
export function func(
  name: string,
  params: number,
  text: (args: readonly Local<"i32">[], scope: Scope) => readonly Stmt[],
): Fn {
  const types: Type[] = [];
  const nth = <T extends Type>(type: T, index: number): Local<T> => ({
    type,
    index,
    code: [0x20, unsigned(index)],
  });
  const local = <T extends Type>(type: T) => nth(type, params + types.push(type) - 1);
  const scope: Scope = {
    local,
    *some(type) {
      for (;;) yield local(type);
    },
    locals: (type, count) => Array.from({ length: count }, () => local(type)),
  };
  const args = Array.from({ length: params }, (_, i) => nth("i32", i));
  const body = runAll(text(args, scope));
  return { name, params, locals: types, body };
}
