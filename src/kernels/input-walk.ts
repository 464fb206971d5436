/**
 * How the lanes of a workgroup fetch the input's tile, step by step along the depth of an implicit matrix product.
 *
 * A row of a window lies in memory as it is: kernelW * inC values side by side. Where they can be fetched in vectors of
 * four, rows are walked one by one, each filled up to whole steps. Few channels (the first layers' three) would waste half
 * of the products so; there the rows follow each other, and only the end of the window is filled up.
 */
import type { WindowGeometry } from "./geometry.ts";
import { type Element, each } from "./wgsl.ts";

/** The rows of a window in the depth of a product; in values. */
export interface WindowRows {
  /** From row to row. */
  readonly pitch: number;
  /** What is walked in one go, in whole steps: a row, or where they follow each other, all. */
  readonly run: number;
  /** Of all, with what fills them up. */
  readonly depth: number;
}

const inVectors = (g: WindowGeometry): boolean => g.inC % 4 === 0;

const upTo = (unit: number, values: number): number => unit * Math.ceil(values / unit);

/** The depth of a product that is walked in steps of `unit` values. */
export function windowRows(g: WindowGeometry, unit: number): WindowRows {
  const span = g.kernelW * g.inC;
  if (inVectors(g)) {
    const run = upTo(unit, span);
    return { pitch: run, run, depth: g.kernelH * run };
  }
  const run = upTo(unit, g.kernelH * span);
  return { pitch: span, run, depth: run };
}

/** What the input is bound as. */
export const inputElement = (g: WindowGeometry): Element => (inVectors(g) ? "vec4f" : "f32");

/** The parameters of a walk in steps of `step` values. */
export function walkParams(g: WindowGeometry, { run, depth }: WindowRows, step: number) {
  const width = inVectors(g) ? 4 : 1;
  return {
    /** Of the input, in elements: a row, a pixel, and what a row of the window has. */
    rowLength: (g.inW * g.inC) / width,
    pixelLength: g.inC / width,
    span: (g.kernelW * g.inC) / width,
    steps: depth / step,
    rowSteps: run / step,
  };
}

/**
 * WGSL of a lane's walk: in each step it fetches vectors of its `own` part of the depth, x<i>. It needs `firstPixel`, the
 * function `corner`, and of the parameters those of the windows and the walk.
 */
export interface InputWalk {
  /** Declares the walk and enters `step`. */
  readonly begin: string;
  /** To the next step; `step` counts already. */
  readonly next: string;
  readonly fetch: string;
}

/** The walk in steps of `step` products, whose `loads` vectors a lane fetches are `lanes / (step / 4)` pixels apart. */
export const inputWalk = (
  g: WindowGeometry,
  rows: WindowRows,
  step: number,
  loads: number,
  lanes: number,
): InputWalk => (inVectors(g) ? rowWalk(g, step, loads, lanes) : flatWalk(g, rows, step, loads, lanes));

/** The first of the pixels that a lane fetches, and so on. */
const pixelOf = (i: number, parts: number, lanes: number): string =>
  `firstPixel + lid.x / ${parts}u + ${(i * lanes) / parts}u`;

/** Row by row, in vectors of four. */
function rowWalk(g: WindowGeometry, step: number, loads: number, lanes: number): InputWalk {
  const parts = step / 4;
  const ragged = (g.kernelW * g.inC) % step !== 0;
  const enterRow = each(
    loads,
    (i) => `{ let row = corner${i}.y + i32(ky * p.dilationH);
    ${g.padded ? `inside${i} = row >= 0 && row < i32(p.inH);` : ""}
    start${i} = (i32(corner${i}.row) + row) * i32(p.rowLength) + left${i}; }`,
  );
  const begin = `  let own = lid.x % ${parts}u;
${each(
  loads,
  (
    i,
  ) => `  let corner${i} = corner(${pixelOf(i, parts, lanes)}); let left${i} = corner${i}.x * i32(p.pixelLength);
  var start${i}: i32;${g.padded ? ` var inside${i}: bool;` : ""} var x${i}: vec4f;`,
)}
  var ky = step / p.rowSteps;
  var at = (step % p.rowSteps) * ${parts}u;
${enterRow}`;
  const next = `      at += ${parts}u;
${g.kernelH > 1 ? `      if (step % p.rowSteps == 0u) {\n        at = 0u; ky++;\n${enterRow}\n      }` : ""}`;
  const value = (i: number) => {
    const conditions = [
      ...(g.padded ? [`inside${i}`, `left${i} + e >= 0`, `left${i} + e < i32(p.rowLength)`] : []),
      ...(ragged ? ["e < i32(p.span)"] : []),
    ];
    if (conditions.length === 0) return `x[u32(start${i} + e)]`;
    const inside = conditions.join(" && ");
    return `select(vec4f(), x[select(0u, u32(start${i} + e), ${inside})], ${inside})`;
  };
  const fetch = each(loads, (i) => `{ let e = i32(at + own); x${i} = ${value(i)}; }`);
  return { begin, next, fetch };
}

/** A place that lies to the right of every row. */
const away = 2 ** 30;

/**
 * Through all rows, in single values. A lane's four places in the window are the same for all its pixels: the row and the
 * place in it are found once a step.
 */
function flatWalk(
  g: WindowGeometry,
  { pitch, depth }: WindowRows,
  step: number,
  loads: number,
  lanes: number,
): InputWalk {
  const parts = step / 4;
  const ragged = depth !== g.kernelH * pitch;
  const begin = `  let own = lid.x % ${parts}u;
${each(
  loads,
  (
    i,
  ) => `  let corner${i} = corner(${pixelOf(i, parts, lanes)}); let left${i} = corner${i}.x * i32(p.pixelLength);
  let start${i} = (i32(corner${i}.row) + corner${i}.y) * i32(p.rowLength) + left${i}; var x${i}: vec4f;`,
)}
  var at = step * ${step}u + 4u * own;`;
  const place = (
    s: number,
  ) => `let ky${s} = (at + ${s}u) / ${pitch}u; let place${s} = i32((at + ${s}u) % ${pitch}u);
    let down${s} = i32(ky${s} * p.dilationH); let far${s} = down${s} * i32(p.rowLength) + place${s};
    ${ragged ? `let within${s} = ky${s} < ${g.kernelH}u;` : ""} ${g.padded ? `let column${s} = ${ragged ? `select(${away}, place${s}, within${s})` : `place${s}`};` : ""}`;
  const inside = (i: number, s: number) =>
    g.padded
      ? `u32(corner${i}.y + down${s}) < p.inH && u32(left${i} + column${s}) < p.rowLength`
      : ragged
        ? `within${s}`
        : "true";
  const value = (i: number, s: number) => `let inside${s} = ${inside(i, s)};
      let value${s} = x[select(0u, u32(start${i} + far${s}), inside${s})];`;
  const fetch = `    { ${each(4, place)}
${each(
  loads,
  (i) => `    { ${each(4, (s) => value(i, s))}
      x${i} = vec4f(${[0, 1, 2, 3].map((s) => `select(0.0, value${s}, inside${s})`).join(", ")}); }`,
)}
    }`;
  return { begin, next: `      at += ${step}u;`, fetch };
}
