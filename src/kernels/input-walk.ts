/**
 * How the lanes of a workgroup fetch the input's tile, step by step along the depth of an implicit matrix product.
 *
 * A row of a window lies in memory as it is: kernelW * inC values side by side. Where they can be fetched in vectors of
 * four, rows are walked one by one, each filled up to whole steps. Few channels (the first layers' three) would waste half
 * of the products so; there the rows follow each other, and only the end of the window is filled up. They are fetched in
 * pairs where those lie alike for all windows, which first layers by 2 mostly allow, and else one by one.
 */
import type { WindowGeometry } from "./geometry.ts";
import { type Element, each } from "./wgsl.ts";

/** The rows of a window in the depth of a product; in values. */
export interface WindowRows {
  /** From row to row. */
  readonly pitch: number;
  /** What stands before the values of a row and is none of them. */
  readonly lead: number;
  /** What is walked in one go, in whole steps: a row, or where they follow each other, all. */
  readonly run: number;
  /** Of all, with what fills them up. */
  readonly depth: number;
}

/**
 * Values that are fetched together. Pairs can be where rows have an even length and all windows begin at even places, or
 * all at odd ones, which a `lead` of one value mends.
 */
function widthOf(g: WindowGeometry): 1 | 2 | 4 {
  if (g.inC % 4 === 0) return 4;
  return (g.strideW * g.inC) % 2 === 0 && (g.inW * g.inC) % 2 === 0 ? 2 : 1;
}

const upTo = (unit: number, values: number): number => unit * Math.ceil(values / unit);

/** The depth of a product that is walked in steps of `unit` values. */
export function windowRows(g: WindowGeometry, unit: number): WindowRows {
  const width = widthOf(g);
  const span = g.kernelW * g.inC;
  if (width === 4) {
    const run = upTo(unit, span);
    return { pitch: run, lead: 0, run, depth: g.kernelH * run };
  }
  const lead = (g.padLeft * g.inC) % width;
  const pitch = upTo(width, lead + span);
  const run = upTo(unit, g.kernelH * pitch);
  return { pitch, lead, run, depth: run };
}

const elements = { 1: "f32", 2: "vec2f", 4: "vec4f" } as const;

/** What the input is bound as. */
export const inputElement = (g: WindowGeometry): Element => elements[widthOf(g)];

/** The parameters of a walk in steps of `step` values. */
export function walkParams(g: WindowGeometry, { run, depth }: WindowRows, step: number) {
  const vectors = widthOf(g) === 4;
  return {
    /** Of the input, in elements: a row. */
    rowLength: (g.inW * g.inC) / widthOf(g),
    /** In vectors, or in values where there are none: a pixel, and what a row of the window has. */
    pixelLength: vectors ? g.inC / 4 : g.inC,
    span: (g.kernelW * g.inC) / (vectors ? 4 : 1),
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
): InputWalk => (widthOf(g) === 4 ? rowWalk(g, step, loads, lanes) : flatWalk(g, rows, step, loads, lanes));

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
 * Through all rows, in single values or pairs. What a lane fetches of the window is the same for all its pixels: the row of
 * each piece and the place in it are found once a step.
 */
function flatWalk(
  g: WindowGeometry,
  { pitch, lead, depth }: WindowRows,
  step: number,
  loads: number,
  lanes: number,
): InputWalk {
  const parts = step / 4;
  const width = widthOf(g);
  const pieces = 4 / width;
  const rowPieces = pitch / width;
  const ragged = depth !== g.kernelH * pitch;
  const begin = `  let own = lid.x % ${parts}u;
${each(
  loads,
  (
    i,
  ) => `  let corner${i} = corner(${pixelOf(i, parts, lanes)}); let left${i} = (corner${i}.x * i32(p.pixelLength) - ${lead}) / ${width};
  let start${i} = (i32(corner${i}.row) + corner${i}.y) * i32(p.rowLength) + left${i}; var x${i}: vec4f;`,
)}
  var at = step * ${step / width}u + ${pieces}u * own;`;
  const piece = (
    s: number,
  ) => `let ky${s} = (at + ${s}u) / ${rowPieces}u; let place${s} = i32((at + ${s}u) % ${rowPieces}u);
    let down${s} = i32(ky${s} * p.dilationH); let far${s} = down${s} * i32(p.rowLength) + place${s};
    ${ragged ? `let within${s} = ky${s} < ${g.kernelH}u;` : ""} ${g.padded ? `let column${s} = ${ragged ? `select(${away}, place${s}, within${s})` : `place${s}`};` : ""}`;
  const inside = (i: number, s: number) => {
    if (!g.padded) return ragged ? `within${s}` : "true";
    return `u32(corner${i}.y + down${s}) < p.inH && u32(left${i} + column${s}) < p.rowLength`;
  };
  const fetched = (i: number, s: number) => `let inside${s} = ${inside(i, s)};
      let piece${s} = x[select(0u, u32(start${i} + far${s}), inside${s})];`;
  // A row's first and last pairs may hold a number that is none of the window's, and may be none at all.
  const values = (s: number): string[] => {
    if (width === 1) return [`select(0.0, piece${s}, inside${s})`];
    const first = lead > 0 ? ` && place${s} > 0` : "";
    const last = pitch > lead + g.kernelW * g.inC ? ` && place${s} < ${rowPieces - 1}` : "";
    return [`select(0.0, piece${s}.x, inside${s}${first})`, `select(0.0, piece${s}.y, inside${s}${last})`];
  };
  const numbers = Array.from({ length: pieces }, (_, s) => s);
  const fetch = `    { ${each(pieces, piece)}
${each(
  loads,
  (i) => `    { ${each(pieces, (s) => fetched(i, s))}
      x${i} = vec4f(${numbers.flatMap(values).join(", ")}); }`,
)}
    }`;
  return { begin, next: `      at += ${step / width}u;`, fetch };
}
