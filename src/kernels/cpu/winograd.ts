/**
 * Winograd's convolution (../winograd.ts) by tiles that suit the window and the output: 25 outputs of a 3x3 window from 49
 * multiplications instead of 225, four of a 1x7 from ten instead of 28, 16 of the first layers' 7x7 from 196 instead of
 * 784.
 *
 * In float32 it would cost an order of magnitude of exactness. Here transforms, products and sums are float64, and only the
 * transformed filter is rounded to float32: errors stay below those of a plain float32 sum.
 *
 * A task takes up to 32 tiles and 16 panels of four output channels. For each block of input channels it transforms
 * its tiles and multiplies their places; at the end it transforms the sums back. These sizes were fastest of the halves
 * and doubles of each: what a place needs is in the first cache while its panels are gone through.
 */
import {
  add,
  again,
  and,
  call,
  convert,
  count,
  divU,
  type Expr,
  type Fn,
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
import type { Caps, CpuKernel, Epilogue } from "../op.ts";
import { depthOf, type Minimal, placesOf, sizeOf, type Tile } from "../winograd.ts";
import { winogradPacking } from "../winograd-packing.ts";
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
import { bestShare, evenPart } from "./shares.ts";
import { mostPanels, mostTiles, sharesOf, tileFor, tilesOf } from "./winograd-tiles.ts";
import { transformIn, transformOut } from "./winograd-transforms.ts";

/** Input channels at once: so many for the most tiles, and more for fewer, as long as a panel fits the first cache. */
const tileSteps = mostTiles * 64;
const mostSteps = 256;
/** Channels of a tile that are transformed at once. */
const halfSteps = 64;

/** Bytes of inputs from place to place; an odd number of cache lines, so that places do not compete for one line. */
const tilesStep = tileSteps * 8 + 64;
/** The half-transformed tile, [row][column][channel]. */
const halfStep = halfSteps * 8;

/** What a kernel is made for: the rest are numbers. */
interface Form {
  readonly epilogue: BakedEpilogue;
  readonly tile: Tile;
}

/** Where the pieces of a task's memory begin. */
function scratchOf(tile: Tile) {
  const places = placesOf(tile);
  const halfAt = places * tilesStep;
  const columnsAt = halfAt + places * halfStep;
  const sumsAt = columnsAt + mostSteps * columns * 8;
  /** Of the sums of a pair of tiles and a panel, which lie together: [panel][pair][place]. */
  const sumsStep = places * blockBytes;
  return {
    places,
    halfAt,
    columnsAt,
    sumsAt,
    sumsStep,
    bytes: sumsAt + (mostTiles / rows) * mostPanels * sumsStep,
  };
}

const numbers = [
  "inH",
  "inW",
  "inC",
  "outH",
  "outW",
  "outC",
  "strideH",
  "strideW",
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
  "steps",
  "stepsAtOnce",
] as const;

type Numbers = Record<(typeof numbers)[number], number>;
type Field = "out" | "x" | "w" | "scale" | "bias" | "residual" | keyof Numbers;

const readerOf = (e: BakedEpilogue, params: Expr<"i32">): Fields<Field> =>
  fieldsOf<Field>(params, ["x", "w", ...epilogueFields(e)], numbers);

/**
 * (params, to, half, tile, phase, channel, channelEnd): transforms a tile's channels into one row of the panels of rows at
 * `to`, which lie `tilesStep` apart; the half of the work is kept at `half`.
 */
const transformTile = once(
  ({ epilogue, tile: { down, across } }: Form): Fn =>
    func("transform_tile", 7, ([params, to, half, tile, phase, channel, channelEnd], scope) => {
      const fields = readerOf(epilogue, params);
      const [image, top, left, rowAt, col, row, end, at, i, pixelBytes, bytes] = scope.some("i32");
      const pixels = scope.locals("i32", sizeOf(across));
      const d = scope.locals("f64", Math.max(sizeOf(down), sizeOf(across)));
      const along = transformIn(across, scope)(d.slice(0, sizeOf(across)));
      const downwards = transformIn(down, scope)(d.slice(0, sizeOf(down)));
      const line = divU(tile, fields("tilesX"));
      const firstOf = (axis: Minimal, index: Expr<"i32">, stride: Expr<"i32">, inPhase: Expr<"i32">) =>
        add(mul(mul(index, i32(axis.side)), stride), inPhase);
      return [
        set(pixelBytes, shiftLeft(fields("inC"), i32(2))),
        set(bytes, shiftLeft(sub(channelEnd, channel), i32(2))),
        set(
          left,
          firstOf(across, remU(tile, fields("tilesX")), fields("strideW"), remU(phase, fields("strideW"))),
        ),
        set(left, sub(left, fields("padLeft"))),
        set(image, divU(line, fields("tilesY"))),
        set(
          top,
          firstOf(down, remU(line, fields("tilesY")), fields("strideH"), divU(phase, fields("strideW"))),
        ),
        set(row, sub(top, fields("padTop"))),
        set(at, half),
        count(i, i32(0), i32(sizeOf(down)), i32(1), [
          // The address of the row's first pixel, which may lie outside; only those inside are read.
          set(rowAt, add(mul(add(mul(image, fields("inH")), row), fields("inW")), left)),
          set(rowAt, add(add(fields("x"), mul(rowAt, pixelBytes)), shiftLeft(channel, i32(2)))),
          set(col, left),
          ...pixels.flatMap((pixel): Stmt[] => [
            set(pixel, select(and(less(row, fields("inH")), less(col, fields("inW"))), rowAt, i32(zerosAt))),
            increase(col, fields("strideW")),
            increase(rowAt, mul(pixelBytes, fields("strideW"))),
          ]),
          set(end, add(pixels[0], bytes)),
          whilst(unequal(pixels[0], end), [
            ...pixels.map((pixel, j) => set(d[j], convert("f64", load("f32", pixel)))),
            ...along.prepare,
            ...along.results.map((v, j) => store(at, v, j * halfStep)),
            ...pixels.map((pixel) => increase(pixel, i32(4))),
            increase(at, i32(8)),
          ]),
          set(at, add(sub(at, shiftLeft(bytes, i32(1))), i32(sizeOf(across) * halfStep))),
          increase(row, fields("strideH")),
        ]),
        set(at, half),
        count(i, i32(0), i32(sizeOf(across)), i32(1), [
          set(end, add(at, shiftLeft(bytes, i32(1)))),
          set(col, to),
          whilst(unequal(at, end), [
            ...downwards.results.map((_, j) => set(d[j], load("f64", at, j * sizeOf(across) * halfStep))),
            ...downwards.prepare,
            ...downwards.results.map((v, j) => store(col, v, j * sizeOf(across) * tilesStep)),
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
 * (params, sums, half, tile, tileEnd, panel, panelEnd): transforms the sums back, in two halves as the inputs, and finishes the
 * outputs.
 */
const finishTiles = once(
  ({ epilogue: e, tile: form }: Form): Fn =>
    func("finish_tiles", 7, ([params, sums, half, tile, tileEnd, panel, panelEnd], scope) => {
      const { down, across } = form;
      const { sumsStep } = scratchOf(form);
      const fields = readerOf(e, params);
      const [t, p, sum, line, oy, ox, pixel, channel, channelEnd, bits] = scope.some("i32");
      const [row, out, residual, outStep, residualStep, last, at, from, end] = scope.some("i32");
      const extras = channelExtras(e, scope, 1);
      const m = scope.locals("f64", Math.max(sizeOf(down), sizeOf(across)));
      const y = scope.locals("f64", across.side);
      const upwards = transformOut(down, scope)(m.slice(0, sizeOf(down)));
      const along = transformOut(across, scope)(m.slice(0, sizeOf(across)));
      const column: Stmt[] = [
        ...m.slice(0, sizeOf(down)).map((v, i) => set(v, load("f64", from, i * sizeOf(across) * blockBytes))),
        ...upwards.prepare,
        ...upwards.results.map((v, i) => store(at, v, i * sizeOf(across) * 8)),
      ];
      const outputs: Stmt[] = [
        ...m.slice(0, sizeOf(across)).map((v, j) => set(v, load("f64", at, j * 8))),
        ...along.prepare,
        ...along.results.map((v, j) => set(y[j], v)),
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
      ];
      return [
        set(outStep, shiftLeft(fields("outStride"), i32(2))),
        set(residualStep, shiftLeft(fields("outC"), i32(2))),
        count(p, panel, panelEnd, i32(1), [
          set(channelEnd, shiftLeft(add(p, i32(1)), i32(2))),
          set(channelEnd, select(less(fields("outC"), channelEnd), fields("outC"), channelEnd)),
          count(t, tile, tileEnd, i32(1), [
            set(line, divU(t, fields("tilesX"))),
            set(ox, mul(remU(t, fields("tilesX")), i32(across.side))),
            set(oy, mul(remU(line, fields("tilesY")), i32(down.side))),
            set(pixel, add(mul(divU(line, fields("tilesY")), fields("outH")), oy)),
            set(pixel, add(mul(pixel, fields("outW")), ox)),
            set(last, sub(fields("outW"), ox)),
            set(oy, sub(fields("outH"), oy)),
            set(oy, select(less(oy, i32(down.side)), oy, i32(down.side))),
            set(sum, add(sums, mul(and(sub(t, tile), i32(rows - 1)), i32(8 * columns)))),
            count(channel, shiftLeft(p, i32(2)), channelEnd, i32(1), [
              ...extras.load(fields, channel),
              set(at, half),
              set(end, add(half, i32(8 * sizeOf(across)))),
              set(from, sum),
              again(unequal(at, end), [...column, increase(at, i32(8)), increase(from, i32(blockBytes))]),
              set(at, half),
              set(end, add(half, mul(oy, i32(8 * sizeOf(across))))),
              set(row, pixel),
              again(unequal(at, end), [
                ...outputs,
                increase(at, i32(8 * sizeOf(across))),
                increase(row, fields("outW")),
              ]),
              increase(sum, i32(8)),
            ]),
            // Tiles stand in pairs; an odd last one has a pair for itself.
            when(and(sub(t, tile), i32(rows - 1)), [increase(sums, i32(sumsStep))]),
          ]),
          when(and(sub(tileEnd, tile), i32(rows - 1)), [increase(sums, i32(sumsStep))]),
        ]),
      ];
    }),
);

const convolve = once((form: Form): Fn => {
  const transform = transformTile(form);
  const finish = finishTiles(form);
  const { places, halfAt, columnsAt, sumsAt, sumsStep } = scratchOf(form.tile);
  return func("winograd", 3, ([params, task, scratch], scope) => {
    const fields = readerOf(form.epilogue, params);
    const [tile, tileEnd, panel, panelEnd, t, p, step, stepEnd, k, to, phase, skipped] = scope.some("i32");
    const [pairs, place, sums, sumsEnd, sumStep, taken, w, part, partEnd] = scope.some("i32");
    const limited = (value: Expr<"i32">, limit: Expr<"i32">) => select(less(limit, value), limit, value);
    return [
      set(tile, mul(divU(task, fields("groups")), fields("taskTiles"))),
      set(tileEnd, limited(add(tile, fields("taskTiles")), fields("tiles"))),
      set(panel, mul(remU(task, fields("groups")), fields("taskPanels"))),
      set(panelEnd, limited(add(panel, fields("taskPanels")), fields("panels"))),
      set(pairs, shiftRight(add(sub(tileEnd, tile), i32(1)), i32(1))),
      set(sumStep, mul(pairs, i32(sumsStep))),
      set(sums, add(scratch, i32(sumsAt))),
      call(clearSums, sums, add(sums, mul(sumStep, sub(panelEnd, panel)))),
      count(step, i32(0), fields("steps"), fields("stepsAtOnce"), [
        set(stepEnd, limited(add(step, fields("stepsAtOnce")), fields("steps"))),
        set(k, sub(stepEnd, step)),
        count(t, i32(0), shiftLeft(pairs, i32(1)), i32(1), [
          // An odd last tile stands in both rows of its pair.
          set(taken, limited(add(tile, t), sub(tileEnd, i32(1)))),
          set(to, add(scratch, mul(mul(shiftRight(t, i32(1)), k), i32(8 * rows)))),
          set(to, add(to, shiftLeft(and(t, i32(1)), i32(3)))),
          set(part, step),
          whilst(less(part, stepEnd), [
            set(phase, divU(part, fields("inC"))),
            set(skipped, mul(phase, fields("inC"))),
            set(partEnd, limited(limited(add(part, i32(halfSteps)), add(skipped, fields("inC"))), stepEnd)),
            call(
              transform,
              params,
              to,
              add(scratch, i32(halfAt)),
              taken,
              phase,
              sub(part, skipped),
              sub(partEnd, skipped),
            ),
            increase(to, mul(sub(partEnd, part), i32(8 * rows))),
            set(part, partEnd),
          ]),
        ]),
        count(place, i32(0), i32(places), i32(1), [
          set(to, add(scratch, mul(place, i32(tilesStep)))),
          set(sums, add(add(scratch, i32(sumsAt)), mul(place, i32(blockBytes)))),
          count(p, panel, panelEnd, i32(1), [
            set(w, add(mul(add(mul(place, fields("panels")), p), fields("steps")), step)),
            call(
              widen,
              after(fields("w"), w, 4 * columns),
              add(scratch, i32(columnsAt)),
              shiftLeft(k, i32(2)),
            ),
            set(sumsEnd, add(sums, sumStep)),
            call(multiplyPanels, to, add(scratch, i32(columnsAt)), sums, sumsEnd, i32(sumsStep), k),
            set(sums, sumsEnd),
          ]),
        ]),
      ]),
      call(
        finish,
        params,
        add(scratch, i32(sumsAt)),
        add(scratch, i32(halfAt)),
        tile,
        tileEnd,
        panel,
        panelEnd,
      ),
    ];
  });
});

export function winograd(g: WindowGeometry, e: Epilogue, { threads = 1 }: Caps): CpuKernel {
  const tile = tileFor(g);
  const { places, bytes: scratchBytes } = scratchOf(tile);
  const { tilesX, tilesY } = tilesOf(g, tile);
  const tiles = g.batch * tilesX * tilesY;
  const panels = Math.ceil(g.outC / columns);
  const steps = depthOf(g);
  const {
    taskRows: taskTiles,
    taskPanels,
    blocks,
    groups,
  } = bestShare(sharesOf(tiles, panels, steps, places), threads);
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
    steps,
    stepsAtOnce: evenPart(steps, Math.min(mostSteps, Math.floor(tileSteps / taskTiles)), 1),
  };
  return {
    packing: { 1: winogradPacking(tile, g, columns) },
    code: convolve({ epilogue: bakedOf(e), tile }),
    numbers: numbers.map((name) => values[name]),
    tile: `${tile.down.side}x${tile.across.side}`,
    macs: places * tiles * steps * g.outC,
    tasks: blocks * groups,
    scratchBytes,
  };
}
