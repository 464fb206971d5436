/**
 * Winograd's convolution F(4x4, 3x3): 16 outputs of a 3x3 window from 36 multiplications instead of 144 (Lavin and Gray,
 * "Fast algorithms for convolutional neural networks", 2016; the matrices are theirs).
 *
 * In float32 it would cost an order of magnitude of exactness. Here transforms, products and sums are float64, and only the
 * transformed filter is rounded to float32: errors stay below those of a plain float32 sum.
 *
 * A task takes up to 32 tiles and 16 panels of four output channels. For each block of input channels it transforms
 * its tiles and multiplies the 36 positions; at the end it transforms the sums back. These sizes were fastest of the halves
 * and doubles of each: what a position needs is in the first cache while its panels are gone through.
 */
import {
  add,
  and,
  call,
  convert,
  count,
  divU,
  type Expr,
  type Fn,
  float,
  func,
  i32,
  increase,
  less,
  lessSigned,
  load,
  mul,
  remU,
  type Stmt,
  select,
  set,
  shiftLeft,
  shiftRight,
  store,
  sub,
  unequal,
  when,
  whilst,
} from "../../wasm/code.ts";
import type { WindowGeometry } from "../geometry.ts";
import type { CpuKernel, Epilogue } from "../op.ts";
import { minimal4Paper, winogradPacking } from "../winograd.ts";
import { evenPart, panelsOfTask } from "./convolution.ts";
import { channelExtras, storeFinished } from "./epilogue.ts";
import {
  after,
  type BakedEpilogue,
  bakedOf,
  epilogueFields,
  type Fields,
  fieldsOf,
  once,
  placeOf,
  zerosAt,
} from "./params.ts";
import { blockBytes, clearSums, columns, multiplyPanels, rows, widen } from "./product.ts";

const mostTiles = 32;
const mostPanels = 16;
/** Input channels at once: so many for the most tiles, and more for fewer, as long as a panel fits the first cache. */
const tileSteps = mostTiles * 64;
const mostSteps = 256;
/** Channels of a tile that are transformed at once. */
const halfSteps = 64;

/** A tile gives so many outputs a side, from so many inputs. */
const { side } = minimal4Paper;
const reach = side + 2;
const positions = reach * reach;

/** Bytes from position to position; an odd number of cache lines, so that positions do not compete for one place. */
const tilesStep = tileSteps * 8 + 64;
const sumsStep = (mostTiles / rows) * mostPanels * blockBytes + 64;
/** The half-transformed tile, [row][column][channel]. */
const halfStep = halfSteps * 8;

const halfAt = positions * tilesStep;
const columnsAt = halfAt + positions * halfStep;
const sumsAt = columnsAt + mostSteps * columns * 8;
const scratchBytes = sumsAt + positions * sumsStep;

const numbers = [
  "inH",
  "inW",
  "inC",
  "outH",
  "outW",
  "outC",
  "padTop",
  "padLeft",
  "outStride",
  "outOffset",
  "tilesX",
  "tilesY",
  "tiles",
  "taskTiles",
  "panels",
  "taskPanels",
  "groups",
  "stepsAtOnce",
] as const;

type Numbers = Record<(typeof numbers)[number], number>;
type Field = "out" | "x" | "w" | "scale" | "bias" | "residual" | keyof Numbers;
type F64 = Expr<"f64">;

const readerOf = (e: BakedEpilogue, params: Expr<"i32">): Fields<Field> =>
  fieldsOf<Field>(params, ["x", "w", ...epilogueFields(e)], numbers);

const times = (factor: number, value: F64): F64 => mul(float("f64", factor), value);

/** The rows of B^T, for six values of a row or a column of a tile. */
const transformIn = (d: readonly F64[]): F64[] => [
  add(sub(times(4, d[0]), times(5, d[2])), d[4]),
  sub(add(d[3], d[4]), times(4, add(d[1], d[2]))),
  add(sub(d[4], d[3]), times(4, sub(d[1], d[2]))),
  add(sub(d[4], d[2]), times(2, sub(d[3], d[1]))),
  sub(sub(d[4], d[2]), times(2, sub(d[3], d[1]))),
  add(sub(times(4, d[1]), times(5, d[3])), d[5]),
];

/** The rows of A^T, for six sums. */
const transformOut = (m: readonly F64[]): F64[] => {
  const [even, odd] = [add(m[1], m[2]), sub(m[1], m[2])];
  const [even2, odd2] = [add(m[3], m[4]), sub(m[3], m[4])];
  return [
    add(add(m[0], even), even2),
    add(odd, times(2, odd2)),
    add(even, times(4, even2)),
    add(add(odd, times(8, odd2)), m[5]),
  ];
};

/**
 * (params, to, tile, channel, channelEnd): transforms a tile's channels into one row of the panels of rows at `to`, which lie
 * `tilesStep` apart; the half of the work is kept at `half`.
 */
const transformTile = once(
  (e: Epilogue): Fn =>
    func("transform_tile", 6, ([params, to, half, tile, channel, channelEnd], scope) => {
      const fields = readerOf(e, params);
      const [image, top, left, rowAt, col, row, end, at, i, pixelBytes, bytes] = scope.some("i32");
      const pixels = scope.locals("i32", reach);
      const d = scope.locals("f64", reach);
      const line = divU(tile, fields("tilesX"));
      return [
        set(pixelBytes, shiftLeft(fields("inC"), i32(2))),
        set(bytes, shiftLeft(sub(channelEnd, channel), i32(2))),
        set(left, sub(mul(remU(tile, fields("tilesX")), i32(side)), fields("padLeft"))),
        set(image, divU(line, fields("tilesY"))),
        set(top, sub(mul(remU(line, fields("tilesY")), i32(side)), fields("padTop"))),
        set(at, half),
        count(i, i32(0), i32(reach), i32(1), [
          set(row, add(top, i)),
          // The address of the row's first pixel, which may lie outside; only those inside are read.
          set(rowAt, add(mul(add(mul(image, fields("inH")), row), fields("inW")), left)),
          set(rowAt, add(add(fields("x"), mul(rowAt, pixelBytes)), shiftLeft(channel, i32(2)))),
          ...pixels.flatMap((pixel, j): Stmt[] => [
            set(col, add(left, i32(j))),
            set(
              pixel,
              select(
                and(less(row, fields("inH")), less(col, fields("inW"))),
                add(rowAt, mul(pixelBytes, i32(j))),
                i32(zerosAt),
              ),
            ),
          ]),
          set(end, add(pixels[0], bytes)),
          whilst(unequal(pixels[0], end), [
            ...d.map((v, j) => set(v, convert("f64", load("f32", pixels[j])))),
            ...transformIn(d).map((v, j) => store(at, v, j * halfStep)),
            ...pixels.map((pixel) => increase(pixel, i32(4))),
            increase(at, i32(8)),
          ]),
          set(at, add(sub(at, shiftLeft(bytes, i32(1))), i32(reach * halfStep))),
        ]),
        set(at, half),
        count(i, i32(0), i32(reach), i32(1), [
          set(end, add(at, shiftLeft(bytes, i32(1)))),
          set(col, to),
          whilst(unequal(at, end), [
            ...d.map((v, j) => set(v, load("f64", at, j * reach * halfStep))),
            ...transformIn(d).map((v, j) => store(col, v, j * reach * tilesStep)),
            increase(at, i32(8)),
            increase(col, i32(8 * rows)),
          ]),
          set(at, add(sub(at, shiftLeft(bytes, i32(1))), i32(halfStep))),
          increase(to, i32(tilesStep)),
        ]),
      ];
    }),
);

/**
 * (params, sums, tile, tileEnd, panel, panelEnd): transforms the sums back and finishes the outputs. The sums of a position are
 * [panel][tile][4], `sumsStep` apart.
 */
const finishTiles = once(
  (e: Epilogue): Fn =>
    func("finish_tiles", 6, ([params, sums, tile, tileEnd, panel, panelEnd], scope) => {
      const fields = readerOf(e, params);
      const [t, p, sum, line, oy, ox, pixel, channel, channelEnd, bits] = scope.some("i32");
      const [row, out, residual, outStep, residualStep, last] = scope.some("i32");
      const extras = channelExtras(e, scope, 1);
      const m = scope.locals("f64", reach);
      const halves = Array.from({ length: side }, () => scope.locals("f64", reach));
      const y = scope.locals("f64", side);
      const columnOf = (j: number): Stmt[] => [
        ...m.map((v, i) => set(v, load("f64", sum, (i * reach + j) * sumsStep))),
        ...transformOut(m).map((v, i) => set(halves[i][j], v)),
      ];
      const rowOf = (i: number): Stmt =>
        when(lessSigned(add(oy, i32(i)), fields("outH")), [
          ...transformOut(halves[i]).map((v, j) => set(y[j], v)),
          set(row, add(pixel, mul(fields("outW"), i32(i)))),
          set(
            out,
            after(fields("out"), add(add(mul(row, fields("outStride")), fields("outOffset")), channel), 4),
          ),
          ...(e.residual
            ? [set(residual, after(fields("residual"), add(mul(row, fields("outC")), channel), 4))]
            : []),
          ...y.map((value, j) =>
            when(lessSigned(i32(j), last), [
              ...storeFinished(
                e.activation,
                { ...extras.of(0), residual: e.residual ? convert("f64", load("f32", residual)) : undefined },
                value,
                bits,
                out,
              ),
              increase(out, outStep),
              ...(e.residual ? [increase(residual, residualStep)] : []),
            ]),
          ),
        ]);
      return [
        set(outStep, shiftLeft(fields("outStride"), i32(2))),
        set(residualStep, shiftLeft(fields("outC"), i32(2))),
        count(p, panel, panelEnd, i32(1), [
          set(channelEnd, shiftLeft(add(p, i32(1)), i32(2))),
          set(channelEnd, select(less(fields("outC"), channelEnd), fields("outC"), channelEnd)),
          count(t, tile, tileEnd, i32(1), [
            set(line, divU(t, fields("tilesX"))),
            set(ox, shiftLeft(remU(t, fields("tilesX")), i32(2))),
            set(oy, shiftLeft(remU(line, fields("tilesY")), i32(2))),
            set(pixel, add(mul(divU(line, fields("tilesY")), fields("outH")), oy)),
            set(pixel, add(mul(pixel, fields("outW")), ox)),
            set(last, sub(fields("outW"), ox)),
            set(sum, sums),
            count(channel, shiftLeft(p, i32(2)), channelEnd, i32(1), [
              ...extras.load(fields, channel),
              ...Array.from({ length: reach }, (_, j) => columnOf(j)).flat(),
              ...Array.from({ length: side }, (_, i) => rowOf(i)),
              increase(sum, i32(8)),
            ]),
            increase(sums, i32(8 * columns)),
          ]),
          // Tiles stand in pairs.
          increase(sums, mul(and(sub(tileEnd, tile), i32(rows - 1)), i32(8 * columns))),
        ]),
      ];
    }),
);

const convolve = once((e: BakedEpilogue): Fn => {
  const transform = transformTile(e);
  const finish = finishTiles(e);
  return func("winograd", 3, ([params, task, scratch], scope) => {
    const fields = readerOf(e, params);
    const [tile, tileEnd, panel, panelEnd, t, p, channel, channelEnd, k, to] = scope.some("i32");
    const [pairs, position, sums, sumsEnd, sumStep, taken, w, part, partEnd] = scope.some("i32");
    const limited = (value: Expr<"i32">, limit: Expr<"i32">) => select(less(limit, value), limit, value);
    return [
      set(tile, mul(divU(task, fields("groups")), fields("taskTiles"))),
      set(tileEnd, limited(add(tile, fields("taskTiles")), fields("tiles"))),
      set(panel, mul(remU(task, fields("groups")), fields("taskPanels"))),
      set(panelEnd, limited(add(panel, fields("taskPanels")), fields("panels"))),
      set(pairs, shiftRight(add(sub(tileEnd, tile), i32(1)), i32(1))),
      set(sumStep, mul(pairs, i32(blockBytes))),
      count(position, i32(0), i32(positions), i32(1), [
        set(sums, add(add(scratch, i32(sumsAt)), mul(position, i32(sumsStep)))),
        call(clearSums, sums, add(sums, mul(sumStep, sub(panelEnd, panel)))),
      ]),
      count(channel, i32(0), fields("inC"), fields("stepsAtOnce"), [
        set(channelEnd, limited(add(channel, fields("stepsAtOnce")), fields("inC"))),
        set(k, sub(channelEnd, channel)),
        count(t, i32(0), shiftLeft(pairs, i32(1)), i32(1), [
          // An odd last tile stands in both rows of its pair.
          set(taken, limited(add(tile, t), sub(tileEnd, i32(1)))),
          set(to, add(scratch, mul(mul(shiftRight(t, i32(1)), k), i32(8 * rows)))),
          set(to, add(to, shiftLeft(and(t, i32(1)), i32(3)))),
          count(part, channel, channelEnd, i32(halfSteps), [
            set(partEnd, limited(add(part, i32(halfSteps)), channelEnd)),
            call(transform, params, to, add(scratch, i32(halfAt)), taken, part, partEnd),
            increase(to, i32(halfSteps * 8 * rows)),
          ]),
        ]),
        count(position, i32(0), i32(positions), i32(1), [
          set(to, add(scratch, mul(position, i32(tilesStep)))),
          set(sums, add(add(scratch, i32(sumsAt)), mul(position, i32(sumsStep)))),
          count(p, panel, panelEnd, i32(1), [
            set(w, add(mul(add(mul(position, fields("panels")), p), fields("inC")), channel)),
            call(
              widen,
              after(fields("w"), w, 4 * columns),
              add(scratch, i32(columnsAt)),
              shiftLeft(k, i32(2)),
            ),
            set(sumsEnd, add(sums, sumStep)),
            call(multiplyPanels, to, add(scratch, i32(columnsAt)), sums, sumsEnd, k),
            set(sums, sumsEnd),
          ]),
        ]),
      ]),
      call(finish, params, add(scratch, i32(sumsAt)), tile, tileEnd, panel, panelEnd),
    ];
  });
});

const tilesOf = (g: WindowGeometry) => ({
  tilesX: Math.ceil(g.outW / side),
  tilesY: Math.ceil(g.outH / side),
});

/** Whether it has less to multiply, after what its transforms cost. Never by the batch: the bits must not depend on it. */
export function fitsWinograd(g: WindowGeometry): boolean {
  const { tilesX, tilesY } = tilesOf(g);
  const direct = 9 * g.outH * g.outW;
  return (
    g.kernelH === 3 &&
    g.kernelW === 3 &&
    g.strideH === 1 &&
    g.strideW === 1 &&
    g.dilationH === 1 &&
    g.dilationW === 1 &&
    g.inC >= 8 &&
    g.outC >= 8 &&
    1.5 * positions * tilesX * tilesY <= direct
  );
}

export function winograd(g: WindowGeometry, e: Epilogue): CpuKernel {
  const { tilesX, tilesY } = tilesOf(g);
  const tiles = g.batch * tilesX * tilesY;
  const taskTiles = evenPart(tiles, mostTiles, rows);
  const blocks = Math.ceil(tiles / taskTiles);
  const panels = Math.ceil(g.outC / columns);
  const taskPanels = panelsOfTask(panels, blocks, mostPanels);
  const groups = Math.ceil(panels / taskPanels);
  const values: Numbers = {
    ...g,
    ...placeOf(e, g.outC),
    tilesX,
    tilesY,
    tiles,
    taskTiles,
    panels,
    taskPanels,
    groups,
    stepsAtOnce: evenPart(g.inC, Math.min(mostSteps, Math.floor(tileSteps / taskTiles)), 1),
  };
  return {
    packing: { 1: winogradPacking(minimal4Paper, g.inC, g.outC, columns) },
    code: convolve(bakedOf(e)),
    numbers: numbers.map((name) => values[name]),
    tile: "4x4",
    macs: positions * tiles * g.inC * g.outC,
    tasks: blocks * groups,
    scratchBytes,
  };
}
