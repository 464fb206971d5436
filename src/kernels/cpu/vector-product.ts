/**
 * The product of one row, or a few, with a large matrix: a fully-connected layer of one image. Each weight is read once and
 * used at once, from the panels that larger products use; sums go in their order, so that the bits are the same.
 */
import {
  add,
  again,
  call,
  convert,
  count,
  divU,
  type Expr,
  float,
  func,
  i32,
  increase,
  less,
  load,
  mul,
  remU,
  select,
  set,
  shiftLeft,
  store,
  unequal,
} from "../../wasm/code.ts";
import type { WindowGeometry } from "../geometry.ts";
import type { Caps, CpuKernel, Epilogue } from "../op.ts";
import { panelPacking } from "./convolution.ts";
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
import { columns } from "./product.ts";
import { bestShare, evenParts, workOfTask } from "./shares.ts";

const mostRows = 3;
/** Two panels are read side by side, to have eight sums under way. */
const panelsAtOnce = 2;
const mostPanels = 16;
/** What is done for a weight, in multiply-adds of a convolution. */
const workOfWeight = 2;

const numbers = ["outC", "outStride", "outOffset", "steps", "panels", "taskPanels", "groups"] as const;
type Numbers = Record<(typeof numbers)[number], number>;
type Field = "out" | "x" | "w" | "scale" | "bias" | "residual" | keyof Numbers;

const readerOf =
  (e: BakedEpilogue) =>
  (params: Expr<"i32">): Fields<Field> =>
    fieldsOf<Field>(params, ["x", "w", ...epilogueFields(e)], numbers);

const multiply = once((e: BakedEpilogue) => {
  const finish = finishPanels(e, readerOf(e));
  return func("vector_product", 3, ([params, task, scratch], scope) => {
    const fields = readerOf(e)(params);
    const [row, panel, panelEnd, p, x, end, w, w2, sums, panelBytes] = scope.some("i32");
    const value = scope.local("f64");
    const total = scope.locals("f64", panelsAtOnce * columns);
    const weight = (address: Expr<"i32">, i: number) => convert("f64", load("f32", address, 4 * i));
    return [
      set(row, divU(task, fields("groups"))),
      set(panel, mul(remU(task, fields("groups")), fields("taskPanels"))),
      set(panelEnd, add(panel, fields("taskPanels"))),
      set(panelEnd, select(less(fields("panels"), panelEnd), fields("panels"), panelEnd)),
      set(panelBytes, shiftLeft(mul(fields("steps"), i32(columns)), i32(2))),
      set(sums, scratch),
      count(p, panel, panelEnd, i32(panelsAtOnce), [
        set(x, after(fields("x"), mul(row, fields("steps")), 4)),
        set(end, after(x, fields("steps"), 4)),
        set(w, add(fields("w"), mul(p, panelBytes))),
        // Past the last panel the first of the two is read again, and the sums are not used.
        set(w2, select(less(add(p, i32(1)), panelEnd), add(w, panelBytes), w)),
        ...total.map((sum) => set(sum, float("f64", 0))),
        again(unequal(x, end), [
          set(value, convert("f64", load("f32", x))),
          ...total.map((sum, i) => set(sum, add(sum, mul(value, weight(i < columns ? w : w2, i % columns))))),
          increase(x, i32(4)),
          increase(w, i32(4 * columns)),
          increase(w2, i32(4 * columns)),
        ]),
        ...total.map((sum, i) => store(sums, sum, 8 * i)),
        increase(sums, i32(8 * columns * panelsAtOnce)),
      ]),
      call(finish, params, scratch, row, add(row, i32(1)), panel, panelEnd, i32(8 * columns)),
    ];
  });
});

/** Whether the window is the whole of the input, and there are few rows of it. */
export const fitsVectorProduct = (g: WindowGeometry): boolean =>
  g.batch * g.outH * g.outW <= mostRows &&
  !g.padded &&
  (g.kernelH === 1 || g.outH === 1) &&
  g.kernelW === g.inW &&
  g.kernelH * g.outH === g.inH &&
  g.dilationH === 1 &&
  g.dilationW === 1 &&
  g.strideH === 1;

export function vectorProduct(g: WindowGeometry, e: Epilogue, { threads = 1 }: Caps): CpuKernel {
  const steps = g.kernelH * g.kernelW * g.inC;
  const panels = Math.ceil(g.outC / columns);
  const products = g.batch * g.outH * g.outW;
  const ofPanel = workOfWeight * columns * steps;
  const { taskPanels, groups } = bestShare(
    evenParts(panels, mostPanels, panelsAtOnce).map((taskPanels) => {
      const groups = Math.ceil(panels / taskPanels);
      return {
        taskPanels,
        groups,
        total: products * (ofPanel * panels + workOfTask * groups),
        largest: ofPanel * taskPanels + workOfTask,
      };
    }),
    threads,
  );
  const values: Numbers = {
    outC: g.outC,
    ...placeOf(e, g.outC),
    steps,
    panels,
    taskPanels,
    groups,
  };
  return {
    packing: { 1: panelPacking(steps, g.outC) },
    code: multiply(bakedOf(e)),
    numbers: numbers.map((name) => values[name]),
    tasks: groups * products,
    scratchBytes: 8 * columns * (taskPanels + panelsAtOnce),
  };
}
