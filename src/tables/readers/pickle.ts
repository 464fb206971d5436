/**
 * Reads pickles of `{path: numpy array}` in protocols 2 to 5, as Python, numpy 1 and numpy 2 write them, and nothing
 * else. A pickle is a small program that may call anything; this reader knows the few names that numpy's arrays need,
 * each with a meaning of its own here, and refuses every other name, so that no file can make it run code.
 */
import { UserError } from "../../errors.ts";
import { type FeatureRow, type FloatArray, findDtype, readFloats } from "./array.ts";
import { readBeside } from "./beside.ts";
import type { ByteReader } from "./bytes.ts";

class Mark {}
/** A tuple or a list: the difference is of no matter here. */
class Sequence {
  readonly items: readonly Value[];
  constructor(items: readonly Value[]) {
    this.items = items;
  }
}
class Callable {
  readonly name: keyof typeof callables;
  constructor(name: keyof typeof callables) {
    this.name = name;
  }
}
class Dtype {
  order = "<";
  readonly code: string;
  constructor(code: string) {
    this.code = code;
  }
}
class NumpyArray {
  shape: readonly number[] = [];
  data: FloatArray | undefined;
  eightBits = false;
}
class Dict {}

type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | Sequence
  | Callable
  | Dtype
  | NumpyArray
  | Dict
  | Mark;

interface Machine {
  readonly bytes: ByteReader;
  readonly stack: Value[];
  readonly memo: Map<number, Value>;
  /** The rows that the dictionary was given since they were last taken. */
  readonly rows: FeatureRow[];
  /** What numbers of eight bits are multiplied by. */
  readonly scale: number | undefined;
}

class Refused extends Error {}

/** numpy's own pickles remember three values an image; this is as many as a map holds without trouble. */
const mostValues = 2 ** 23;

/** The rows of the dictionary, in the order of the file. @throws UserError for anything but a dictionary of arrays. */
export function* readPickle(path: string, bytes: ByteReader): Generator<FeatureRow> {
  const machine: Machine = { bytes, stack: [], memo: new Map(), rows: [], scale: readBeside(path).scale };
  try {
    for (;;) {
      const opcode = String.fromCharCode(bytes.take(1)[0]);
      if (opcode === ".") break;
      const step = opcodes[opcode];
      if (!step) throw new Refused(`it uses the pickle opcode ${JSON.stringify(opcode)}`);
      step(machine);
      if (machine.stack.length > mostValues || machine.memo.size > mostValues)
        throw new Refused("it keeps more values than any file of features needs");
      if (machine.rows.length > 0) yield* machine.rows.splice(0);
    }
    if (!(machine.stack.pop() instanceof Dict)) throw new Refused("it holds no dictionary");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    throw new UserError(
      `${path} is no pickle of {path: numpy array}: ${error.message} (byte ${bytes.position}).`,
      "Only dictionaries of float arrays are read, so that loading a file can never run code.",
    );
  }
}

/** What each opcode does; https://github.com/python/cpython/blob/main/Lib/pickletools.py describes them. */
const opcodes: Readonly<Record<string, (m: Machine) => void>> = {
  "\x80": (m) => checkProtocol(m.bytes.take(1)[0]),
  "\x95": (m) => void m.bytes.take(8),
  N: (m) => m.stack.push(null),
  "\x88": (m) => m.stack.push(true),
  "\x89": (m) => m.stack.push(false),
  K: (m) => m.stack.push(m.bytes.take(1)[0]),
  M: (m) => m.stack.push(m.bytes.take(2).readUInt16LE()),
  J: (m) => m.stack.push(m.bytes.take(4).readInt32LE()),
  "\x8c": (m) => m.stack.push(m.bytes.take(m.bytes.take(1)[0]).toString()),
  X: (m) => m.stack.push(m.bytes.take(length32(m)).toString()),
  "\x8d": (m) => m.stack.push(m.bytes.take(length64(m)).toString()),
  C: (m) => m.stack.push(m.bytes.take(m.bytes.take(1)[0])),
  B: (m) => m.stack.push(m.bytes.take(length32(m))),
  "\x8e": (m) => m.stack.push(m.bytes.take(length64(m))),
  "\x96": (m) => m.stack.push(m.bytes.take(length64(m))),
  U: (m) => m.stack.push(m.bytes.take(m.bytes.take(1)[0])),
  T: (m) => m.stack.push(m.bytes.take(length32(m))),
  "(": (m) => m.stack.push(new Mark()),
  ")": (m) => m.stack.push(new Sequence([])),
  "\x85": (m) => m.stack.push(new Sequence(pop(m, 1))),
  "\x86": (m) => m.stack.push(new Sequence(pop(m, 2))),
  "\x87": (m) => m.stack.push(new Sequence(pop(m, 3))),
  t: (m) => m.stack.push(new Sequence(popToMark(m))),
  "0": (m) => void pop(m, 1),
  q: (m) => void m.memo.set(m.bytes.take(1)[0], top(m)),
  r: (m) => void m.memo.set(length32(m), top(m)),
  "\x94": (m) => void m.memo.set(m.memo.size, top(m)),
  h: (m) => m.stack.push(recall(m, m.bytes.take(1)[0])),
  j: (m) => m.stack.push(recall(m, length32(m))),
  c: (m) => m.stack.push(findCallable(textLine(m), textLine(m))),
  "\x93": (m) => m.stack.push(findCallable(...(pop(m, 2) as [Value, Value]))),
  R: (m) => m.stack.push(call(...(pop(m, 2) as [Value, Value]))),
  b: (m) => build(top(m, 1), pop(m, 1)[0]),
  "}": (m) => m.stack.push(new Dict()),
  s: (m) => setItems(m, pop(m, 2)),
  u: (m) => setItems(m, popToMark(m)),
};

/** The names that a file may use. Each is ours: nothing of Python is imitated beyond what arrays need. */
const callables = {
  ndarray: undefined,
  _reconstruct: () => new NumpyArray(),
  dtype: ([code]: readonly Value[]) => new Dtype(expectString(code)),
  encode: ([text]: readonly Value[]) => Buffer.from(expectString(text), "latin1"),
  // Protocol 2 writes empty bytes as a call without arguments.
  bytes: () => Buffer.alloc(0),
  _frombuffer: ([data, dtype, shape, order]: readonly Value[]) => {
    const array = new NumpyArray();
    fillArray(array, shape, dtype, data, expectString(order) === "F");
    return array;
  },
};

const knownNames: Readonly<Record<string, keyof typeof callables>> = {
  "numpy ndarray": "ndarray",
  "numpy dtype": "dtype",
  "numpy.core.multiarray _reconstruct": "_reconstruct",
  "numpy._core.multiarray _reconstruct": "_reconstruct",
  "numpy.core.numeric _frombuffer": "_frombuffer",
  "numpy._core.numeric _frombuffer": "_frombuffer",
  "_codecs encode": "encode",
  "__builtin__ bytes": "bytes",
};

function findCallable(module: Value, name: Value): Callable {
  const full = `${module} ${name}`;
  if (!Object.hasOwn(knownNames, full)) throw new Refused(`it wants to use ${full.replace(" ", ".")}`);
  return new Callable(knownNames[full]);
}

function call(callable: Value, args: Value): Value {
  const run = callable instanceof Callable ? callables[callable.name] : undefined;
  if (!run || !(args instanceof Sequence)) throw new Refused("it calls what cannot be called");
  return run(args.items);
}

/** Gives an array or a type its state, as numpy's __setstate__ does. */
function build(target: Value, state: Value): void {
  if (!(state instanceof Sequence)) throw new Refused("a state is not a tuple");
  if (target instanceof Dtype) {
    target.order = expectString(state.items[1]);
  } else if (target instanceof NumpyArray) {
    const [, shape, dtype, fortran, data] = state.items;
    fillArray(target, shape, dtype, data, fortran === true);
  } else {
    throw new Refused("it gives a state to what has none");
  }
}

function fillArray(array: NumpyArray, shape: Value, dtype: Value, data: Value, fortran: boolean): void {
  if (!(shape instanceof Sequence) || !(dtype instanceof Dtype) || !(data instanceof Uint8Array)) {
    throw new Refused("an array is not made of a shape, a type and bytes");
  }
  array.shape = shape.items.map(expectNumber);
  if (fortran && array.shape.length > 1) throw new Refused("an array is in Fortran order");
  const layout = findDtype(dtype.order + dtype.code);
  if (!layout) throw new Refused(`an array is of type ${dtype.code}, not of floats`);
  array.data = readFloats(data, array.shape, layout);
  array.eightBits = layout.width === 1;
  if (!array.data) throw new Refused("the bytes of an array do not fit its shape");
}

function setItems(m: Machine, items: readonly Value[]): void {
  if (!(top(m) instanceof Dict) || m.stack.length !== 1) throw new Refused("it is not one flat dictionary");
  for (let i = 0; i + 1 < items.length; i += 2) {
    const [key, array] = [items[i], items[i + 1]];
    if (!(array instanceof NumpyArray) || !array.data) throw new Refused("a value is not an array");
    const { shape, data, eightBits } = array;
    const { scale = 1 } = m;
    m.rows.push({ path: expectText(key), shape, data: eightBits ? data.map((v) => v * scale) : data });
  }
}

function checkProtocol(version: number): void {
  if (version < 2 || version > 5) throw new Refused(`it is of pickle protocol ${version}, not 2 to 5`);
}

const length32 = (m: Machine): number => m.bytes.take(4).readUInt32LE();

function length64(m: Machine): number {
  const length = Number(m.bytes.take(8).readBigUInt64LE());
  if (length > 2 ** 32) throw new Refused("an item is longer than 4 GiB");
  return length;
}

function textLine(m: Machine): string {
  const line = m.bytes.line();
  if (line === undefined || line.length > 1000) throw new Refused("a name does not end");
  return line.toString("latin1");
}

function top(m: Machine, below = 0): Value {
  const value = m.stack[m.stack.length - 1 - below];
  if (value === undefined) throw new Refused("its stack is empty");
  return value;
}

function pop(m: Machine, count: number): Value[] {
  if (m.stack.length < count) throw new Refused("its stack is empty");
  return m.stack.splice(m.stack.length - count);
}

function popToMark(m: Machine): Value[] {
  const mark = m.stack.findLastIndex((value) => value instanceof Mark);
  if (mark < 0) throw new Refused("a mark is missing");
  const items = m.stack.splice(mark + 1);
  m.stack.pop();
  return items;
}

function recall(m: Machine, slot: number): Value {
  const value = m.memo.get(slot);
  if (value === undefined) throw new Refused(`memo ${slot} is empty`);
  return value;
}

/** A key: text, or the bytes of a Python 2 string. */
function expectText(value: Value): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : expectString(value);
}

function expectString(value: Value): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1");
  throw new Refused("text was expected");
}

function expectNumber(value: Value): number {
  if (typeof value === "number" && value >= 0) return value;
  throw new Refused("a size was expected");
}
