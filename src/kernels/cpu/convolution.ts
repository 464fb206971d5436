/**
 * Convolution by any window, and the matrix product as its special case: the windows of a block of pixels are packed
 * into panels of rows, a stretch of the window at a time, and multiplied by panels of four output channels.
 *
 * A stretch of the window is contiguous in the image where the columns are not dilated: kernelW * inC floats. That
 * makes a 1x1 convolution a plain copy of its pixels, and the first layer, of three channels, a few long copies.
 */
import {
  add,
  and,
  call,
  count,
  divU,
  type Expr,
  type Fn,
  func,
  i32,
  increase,
  type Local,
  less,
  lessSigned,
  mul,
  remU,
  type Stmt,
  select,
  set,
  sub,
  unequal,
  when,
} from "../../wasm/code.ts";
import type { WindowGeometry } from "../geometry.ts";
import type { Caps, CpuKernel, Epilogue, Packing } from "../op.ts";
import { finishPanels } from "./epilogue.ts";
import {
  after,
  type BakedEpilogue,
  bakedOf,
  epilogueFields,
  type Fields,
  fieldsOf,
  once,
  placeOf,
} from "./params.ts";
import {
  blockBytes,
  clearRow,
  clearSums,
  columns,
  multiplyPanels,
  rows,
  widen,
  widenRow,
} from "./product.ts";
import { bestShare, evenPart, gridShares, panelsOfLine } from "./shares.ts";

/** Steps of a window that are packed at once: a panel of columns of so many is half the first cache. */
const mostSteps = 512;
/** Pixels and panels of output channels of a task at most: what it multiplies stays in the second cache. */
const mostPixels = 64;
const mostPanels = 64;

const numbers = [
  "inH", "inW", "inC", "outH", "outW", "outC", "kernelW", "strideH", "strideW", "dilationH", "dilationW", "padTop",
  "padLeft", "outStride", "outOffset", "pixels", "panels", "taskPixels", "taskPanels", "groups", "steps", "runs",
  "runsPerRow", "runPixels", "runLength", "runsAtOnce", "pieceLength", "columnsAt", "sumsAt",
] as const; // biome-ignore format: a list of names

type Numbers = Record<(typeof numbers)[number], number>;
type Field = "out" | "x" | "w" | "scale" | "bias" | "residual" | keyof Numbers;

const readerOf =
  (e: BakedEpilogue) =>
  (params: Expr<"i32">): Fields<Field> =>
    fieldsOf<Field>(params, ["x", "w", ...epilogueFields(e)], numbers);

const atMost = (a: Expr<"i32">, b: Expr<"i32">) => select(lessSigned(a, b), a, b);
const atLeast = (a: Expr<"i32">, b: Expr<"i32">) => select(lessSigned(a, b), b, a);

/** Keeps `local` between two bounds. */
const clamp = (local: Local<"i32">, low: Expr<"i32">, high: Expr<"i32">): Stmt =>
  set(local, atMost(atLeast(local, low), high));

/**
 * (params, to, pixel, pixelEnd, run, runEnd, piece, pieceEnd): packs, of the windows of the pixels `pixel` to `pixelEnd`,
 * the floats `piece` to `pieceEnd` of each of the runs `run` to `runEnd`. An odd last pixel stands in both rows.
 */
const packWindows = once(
  (e: Epilogue): Fn =>
    func("pack_windows", 8, ([params, to, pixel, pixelEnd, run, runEnd, piece, pieceEnd], scope) => {
      const fields = readerOf(e)(params);
      const [at, end, x, top, left, image, line, r, row, col, low, high, from, length, lane, inC, inW] =
        scope.some("i32");
      const copyRun: Stmt[] = [
        set(row, add(top, mul(divU(r, fields("runsPerRow")), fields("dilationH")))),
        set(col, add(left, mul(remU(r, fields("runsPerRow")), fields("dilationW")))),
        // What of the run lies inside the image; a row outside is empty.
        set(low, mul(sub(i32(0), col), inC)),
        set(high, mul(atMost(fields("runPixels"), sub(inW, col)), inC)),
        when(less(row, fields("inH")), [], [set(high, i32(0))]),
        clamp(low, piece, pieceEnd),
        clamp(high, low, pieceEnd),
        set(from, add(mul(add(mul(add(mul(image, fields("inH")), row), inW), col), inC), low)),
        when(unequal(low, piece), [call(clearRow, lane, sub(low, piece))]),
        call(widenRow, after(x, from, 4), after(lane, sub(low, piece), 8 * rows), sub(high, low)),
        when(unequal(high, pieceEnd), [
          call(clearRow, after(lane, sub(high, piece), 8 * rows), sub(pieceEnd, high)),
        ]),
        increase(lane, mul(length, i32(8 * rows))),
      ];
      return [
        set(x, fields("x")),
        set(inC, fields("inC")),
        set(inW, fields("inW")),
        set(length, sub(pieceEnd, piece)),
        set(end, and(add(sub(pixelEnd, pixel), i32(1)), i32(-2))),
        count(at, i32(0), end, i32(1), [
          set(left, atMost(add(pixel, at), sub(pixelEnd, i32(1)))),
          set(line, divU(left, fields("outW"))),
          set(left, remU(left, fields("outW"))),
          set(image, divU(line, fields("outH"))),
          set(top, sub(mul(remU(line, fields("outH")), fields("strideH")), fields("padTop"))),
          set(left, sub(mul(left, fields("strideW")), fields("padLeft"))),
          set(lane, add(to, mul(and(at, i32(1)), i32(8)))),
          set(lane, add(lane, mul(mul(divU(at, i32(rows)), mul(length, sub(runEnd, run))), i32(8 * rows)))),
          count(r, run, runEnd, i32(1), copyRun),
        ]),
      ];
    }),
);

const convolve = once((e: BakedEpilogue): Fn => {
  const pack = packWindows(e);
  const finish = finishPanels(e, readerOf(e));
  return func("convolve", 3, ([params, task, scratch], scope) => {
    const fields = readerOf(e)(params);
    const [
      pixel,
      pixelEnd,
      panel,
      panelEnd,
      p,
      run,
      runEnd,
      piece,
      pieceEnd,
      k,
      step,
      pairs,
      sums,
      sumsEnd,
      sumStep,
      packed,
    ] = scope.some("i32");
    return [
      set(pixel, mul(divU(task, fields("groups")), fields("taskPixels"))),
      set(pixelEnd, atMost(add(pixel, fields("taskPixels")), fields("pixels"))),
      set(panel, mul(remU(task, fields("groups")), fields("taskPanels"))),
      set(panelEnd, atMost(add(panel, fields("taskPanels")), fields("panels"))),
      set(pairs, divU(add(sub(pixelEnd, pixel), i32(1)), i32(rows))),
      set(packed, add(scratch, fields("columnsAt"))),
      set(sumStep, after(i32(0), pairs, blockBytes)),
      set(sums, add(scratch, fields("sumsAt"))),
      call(clearSums, sums, add(sums, mul(sumStep, sub(panelEnd, panel)))),
      count(run, i32(0), fields("runs"), fields("runsAtOnce"), [
        set(runEnd, atMost(add(run, fields("runsAtOnce")), fields("runs"))),
        count(piece, i32(0), fields("runLength"), fields("pieceLength"), [
          set(pieceEnd, atMost(add(piece, fields("pieceLength")), fields("runLength"))),
          set(k, mul(sub(runEnd, run), sub(pieceEnd, piece))),
          call(pack, params, scratch, pixel, pixelEnd, run, runEnd, piece, pieceEnd),
          set(sums, add(scratch, fields("sumsAt"))),
          count(p, panel, panelEnd, i32(1), [
            call(
              widen,
              after(fields("w"), add(mul(p, fields("steps")), step), 4 * columns),
              packed,
              mul(k, i32(columns)),
            ),
            set(sumsEnd, add(sums, sumStep)),
            call(multiplyPanels, scratch, packed, sums, sumsEnd, i32(blockBytes), k),
            set(sums, sumsEnd),
          ]),
          increase(step, k),
        ]),
      ]),
      call(finish, params, add(scratch, fields("sumsAt")), pixel, pixelEnd, panel, panelEnd, sumStep),
    ];
  });
});

/** A filter [steps, outC] as panels [outC / 4][steps][4], zero-filled at the end. */
export function panelPacking(steps: number, outC: number): Packing {
  const panels = Math.ceil(outC / columns);
  return {
    layout: `panels${columns}`,
    chunks: [panels * steps * columns],
    pack(filter) {
      const packed = new Float32Array(panels * steps * columns);
      for (let panel = 0; panel < panels; panel++) {
        const width = Math.min(columns, outC - panel * columns);
        for (let s = 0; s < steps; s++) {
          for (let c = 0; c < width; c++) {
            packed[(panel * steps + s) * columns + c] = filter[s * outC + panel * columns + c];
          }
        }
      }
      return packed;
    },
  };
}

/**
 * What is done for a number, in multiply-adds: a value of a window packed, a weight widened, an output finished.
 * Measured by cutting layers in different ways.
 */
const workOf = { value: 1.7, weight: 1.7, output: 4 } as const;

/** The ways to cut a layer into tasks: blocks of pixels by groups of panels. */
const sharesOf = (pixels: number, panels: number, steps: number) =>
  gridShares(
    { count: pixels, most: mostPixels, unit: rows },
    { count: panels, most: mostPanels, unit: panelsOfLine },
    (values, weightPanels, sums) =>
      workOf.value * values * steps +
      workOf.weight * columns * weightPanels * steps +
      columns * sums * (steps + workOf.output),
  );

export function convolution(g: WindowGeometry, e: Epilogue, { threads = 1 }: Caps): CpuKernel {
  const merged = g.dilationW === 1;
  const runPixels = merged ? g.kernelW : 1;
  const runsPerRow = merged ? 1 : g.kernelW;
  const runs = g.kernelH * runsPerRow;
  const runLength = runPixels * g.inC;
  const steps = runs * runLength;
  const pieceLength = evenPart(runLength, mostSteps, 1);
  const runsAtOnce = evenPart(runs, Math.max(1, Math.floor(mostSteps / runLength)), 1);
  const pixels = g.batch * g.outH * g.outW;
  const panels = Math.ceil(g.outC / columns);
  const share = bestShare(sharesOf(pixels, panels, steps), threads);
  const { taskRows: taskPixels, taskPanels, blocks, groups } = share;
  const stepsAtOnce = runsAtOnce * pieceLength;
  const columnsAt = taskPixels * stepsAtOnce * 8;
  const sumsAt = columnsAt + columns * stepsAtOnce * 8;
  const values: Numbers = {
    ...g,
    ...placeOf(e, g.outC),
    pixels,
    panels,
    taskPixels,
    taskPanels,
    groups,
    steps,
    runs,
    runsPerRow,
    runPixels,
    runLength,
    runsAtOnce,
    pieceLength,
    columnsAt,
    sumsAt,
  };
  return {
    packing: { 1: panelPacking(steps, g.outC) },
    code: convolve(bakedOf(e)),
    numbers: numbers.map((name) => values[name]),
    tasks: blocks * groups,
    scratchBytes: sumsAt + taskPanels * taskPixels * columns * 8,
  };
}
