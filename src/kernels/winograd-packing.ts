/**
 * Filters in Winograd's transformed space: worked out in float64, rounded once, and laid out in panels. Millions of
 * numbers a network, so that it is done by WebAssembly.
 */
import {
  add,
  convert,
  count,
  divU,
  type Expr,
  float,
  func,
  i32,
  increase,
  type Local,
  less,
  lessSigned,
  load,
  mul,
  remU,
  type Stmt,
  select,
  set,
  shiftLeft,
  store,
  sub,
  when,
  whilst,
} from "../wasm/code.ts";
import { encodeModule, pageBytes } from "../wasm/module.ts";
import { after, fieldsOf } from "./cpu/params.ts";
import type { WindowGeometry } from "./geometry.ts";
import type { Packing } from "./op.ts";
import { depthOf, type Minimal, placesOf, sizeOf, type Tile, winogradMatrices } from "./winograd.ts";

type Filter = Pick<WindowGeometry, "kernelH" | "kernelW" | "strideH" | "strideW" | "inC" | "outC">;

const names = [
  "filter",
  "half",
  "down",
  "across",
  "kernelH",
  "kernelW",
  "strideH",
  "strideW",
  "inC",
  "outC",
  "height",
  "width",
  "tapsDown",
  "tapsAcross",
  "panelLength",
  "placeLength",
  "channels",
] as const;

/** Sums that are worked out side by side. */
const together = 4;

/**
 * (params, step): transforms one input channel of a phase. `half` holds what the columns of taps give for one row of the
 * tile, [tap][outC]; `out` is zero where panels are filled up. A call a channel, so that the compiler's better code, which
 * it makes meanwhile, is soon taken.
 */
const transformFilter = func("transform_filter", 2, ([params, step], scope) => {
  const fields = fieldsOf<(typeof names)[number]>(params, [], names);
  const [channel, top, left, i, j, x, y, row, col, from, half, end, to, k, place] = scope.some("i32");
  const [panelEnd, matrix, last, rowBytes] = scope.some("i32");
  const factor = scope.local("f64");
  const sums = scope.locals("f64", together);

  /** half[x] = the sum of the taps of column x times a row of the matrix. */
  const column: Stmt[] = [
    set(half, after(fields("half"), mul(x, fields("outC")), 8)),
    set(end, after(half, fields("outC"), 8)),
    set(to, half),
    count(to, half, end, i32(8), [store(to, float("f64", 0))]),
    set(col, add(mul(x, fields("strideW")), left)),
    count(y, i32(0), fields("tapsDown"), i32(1), [
      set(row, add(mul(y, fields("strideH")), top)),
      when(lessSigned(row, fields("kernelH")), [
        when(lessSigned(col, fields("kernelW")), [
          set(factor, load("f64", after(fields("down"), add(mul(i, fields("tapsDown")), y), 8))),
          set(from, add(mul(add(mul(row, fields("kernelW")), col), fields("inC")), channel)),
          set(from, after(fields("filter"), mul(from, fields("outC")), 4)),
          count(to, half, end, i32(8), [
            store(to, add(load("f64", to), mul(factor, convert("f64", load("f32", from))))),
            increase(from, i32(4)),
          ]),
        ]),
      ]),
    ]),
  ];

  /** Of one place, the outputs `k` up to `k` + `n` of a panel, stored from `to` on. */
  const outputs = (n: number, at: Local<"i32">): Stmt[] => [
    ...sums.slice(0, n).map((sum) => set(sum, float("f64", 0))),
    set(half, after(fields("half"), k, 8)),
    count(x, matrix, last, i32(8), [
      set(factor, load("f64", x)),
      ...sums.slice(0, n).map((sum, c) => set(sum, add(sum, mul(factor, load("f64", half, 8 * c))))),
      increase(half, rowBytes),
    ]),
    ...sums.slice(0, n).map((sum, c) => store(at, convert("f32", sum), 4 * c)),
  ];
  const least = (a: Expr<"i32">, b: Expr<"i32">) => select(less(a, b), a, b);

  return [
    set(rowBytes, shiftLeft(fields("outC"), i32(3))),
    set(channel, remU(step, fields("inC"))),
    set(top, divU(divU(step, fields("inC")), fields("strideW"))),
    set(left, remU(divU(step, fields("inC")), fields("strideW"))),
    count(i, i32(0), fields("height"), i32(1), [
      count(x, i32(0), fields("tapsAcross"), i32(1), column),
      count(j, i32(0), fields("width"), i32(1), [
        set(matrix, after(fields("across"), mul(j, fields("tapsAcross")), 8)),
        set(last, after(matrix, fields("tapsAcross"), 8)),
        set(place, add(mul(i, fields("width")), j)),
        set(place, add(mul(place, fields("placeLength")), mul(step, fields("channels")))),
        set(place, after(fields("out"), place, 4)),
        set(k, i32(0)),
        whilst(less(k, fields("outC")), [
          set(to, place),
          set(panelEnd, least(add(k, fields("channels")), fields("outC"))),
          count(k, k, sub(panelEnd, i32(together - 1)), i32(together), [
            ...outputs(together, to),
            increase(to, i32(4 * together)),
          ]),
          count(k, k, panelEnd, i32(1), [...outputs(1, to), increase(to, i32(4))]),
          increase(place, shiftLeft(fields("panelLength"), i32(2))),
        ]),
      ]),
    ]),
  ];
});

let compiled: WebAssembly.Module | undefined;

/** The record of fields lies at the memory's beginning; zero is no address. */
const recordAt = 16;

/** A memory of its own for each filter: it is given back with what lies in it. */
function transformed(tile: Tile, filter: Filter, channels: number, values: Float32Array, length: number) {
  const { down, across } = tile;
  const matrices = [down, across].map((axis) => Float64Array.from(winogradMatrices(axis).filter.flat()));
  const panels = Math.ceil(filter.outC / channels);
  const steps = depthOf(filter);
  let end = recordAt + 4 * (names.length + 1);
  const place = (bytes: number) => {
    const at = Math.ceil(end / 8) * 8;
    end = at + bytes;
    return at;
  };
  const [downAt, acrossAt] = matrices.map((m) => place(m.byteLength));
  const halfAt = place(8 * across.taps * filter.outC);
  const filterAt = place(values.byteLength);
  const outAt = place(4 * length);
  const record: Record<(typeof names)[number], number> = {
    ...filter,
    filter: filterAt,
    half: halfAt,
    down: downAt,
    across: acrossAt,
    height: sizeOf(down),
    width: sizeOf(across),
    tapsDown: down.taps,
    tapsAcross: across.taps,
    panelLength: steps * channels,
    placeLength: panels * steps * channels,
    channels,
  };
  const pages = Math.ceil(end / pageBytes);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  compiled ??= new WebAssembly.Module(encodeModule([transformFilter]));
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory } });
  new Int32Array(memory.buffer, recordAt, names.length + 1).set([outAt, ...names.map((n) => record[n])]);
  matrices.forEach((m, i) => void new Float64Array(memory.buffer, [downAt, acrossAt][i], m.length).set(m));
  new Float32Array(memory.buffer, filterAt, values.length).set(values);
  const transform = exports[transformFilter.name] as (params: number, step: number) => void;
  for (let step = 0; step < steps; step++) transform(recordAt, step);
  return new Float32Array(memory.buffer, outAt, length);
}

/**
 * Filters [kernelH, kernelW, inC, outC] in the transformed space as panels
 * [place][outC / channels][phase][inC][channels], zero-filled at the end.
 */
export function winogradPacking(tile: Tile, filter: Filter, channels: number): Packing {
  const length = placesOf(tile) * Math.ceil(filter.outC / channels) * depthOf(filter) * channels;
  const text = ({ side, points }: Minimal) => `${side} of ${points}`;
  return {
    layout: `winograd ${text(tile.down)} by ${text(tile.across)} in panels${channels}`,
    chunks: [length],
    pack: (values) => transformed(tile, filter, channels, values, length),
  };
}
