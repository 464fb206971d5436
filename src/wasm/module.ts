/**
 * The binary of a module from its functions: types, the import of one shared memory, functions, exports, code.
 * WebAssembly core specification 1.0, section 5.5; shared memory from the threads proposal.
 */
import { type Code, type Fn, type Type, unsigned } from "./code.ts";

const typeBytes: Readonly<Record<Type, number>> = { i32: 0x7f, f32: 0x7d, f64: 0x7c };

export const pageBytes = 65_536;

/** Pages that a memory of 32-bit addresses can have. */
export const mostPages = 65_536;

const vector = (items: readonly (readonly number[])[]): number[] => [
  ...unsigned(items.length),
  ...items.flat(),
];
const text = (name: string): number[] => vector([...new TextEncoder().encode(name)].map((b) => [b]));

function section(id: number, content: readonly number[]): number[] {
  return [id, ...unsigned(content.length)].concat(content);
}

function* functionsIn(code: Code): Generator<Fn> {
  if (typeof code === "number") return;
  if (!("body" in code)) for (const part of code) yield* functionsIn(part);
  else yield code;
}

/** `exported` and all functions that they call. */
function reachable(exported: readonly Fn[]): Fn[] {
  const found = new Set<Fn>();
  const visit = (fn: Fn): void => {
    if (found.has(fn)) return;
    found.add(fn);
    for (const callee of functionsIn(fn.body)) visit(callee);
  };
  exported.forEach(visit);
  return [...found];
}

function flatten(code: Code, indexOf: (fn: Fn) => number, into: number[]): number[] {
  if (typeof code === "number") into.push(code);
  else if ("body" in code) into.push(...unsigned(indexOf(code)));
  else for (const part of code) flatten(part, indexOf, into);
  return into;
}

/** The module that exports `exported` by name and imports its memory as `env.memory`. */
export function encodeModule(exported: readonly Fn[]): Uint8Array<ArrayBuffer> {
  const functions = reachable(exported);
  const indexOf = (fn: Fn) => functions.indexOf(fn);
  const arities = [...new Set(functions.map((f) => f.params))];
  const types = arities.map((n) => [0x60, ...vector(Array(n).fill([typeBytes.i32])), 0]);
  const memory = [...text("env"), ...text("memory"), 0x02, 0x03, ...unsigned(0), ...unsigned(mostPages)];
  const bodies = functions.map((fn) => {
    const content = vector(fn.locals.map((type) => [1, typeBytes[type]]));
    flatten(fn.body, indexOf, content).push(0x0b);
    return [...unsigned(content.length)].concat(content);
  });
  const parts = [
    [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, vector(types)),
    section(2, vector([memory])),
    section(3, vector(functions.map((f) => unsigned(arities.indexOf(f.params))))),
    section(7, vector(exported.map((fn) => [...text(fn.name), 0x00, ...unsigned(indexOf(fn))]))),
    section(10, unsigned(bodies.length).concat(...bodies)),
  ];
  return Uint8Array.from(parts.flat());
}
