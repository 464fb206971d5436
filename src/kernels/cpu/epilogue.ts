/** The epilogue in WebAssembly: float64 sums become float32 outputs, scaled, offset, added to and activated. */
import {
  add,
  and,
  atLeastSigned,
  bitsOf,
  convert,
  count,
  type Expr,
  type Fn,
  func,
  i32,
  increase,
  type Local,
  less,
  load,
  mul,
  type Scope,
  type Stmt,
  set,
  store,
  sub,
  when,
  xor,
} from "../../wasm/code.ts";
import type { Activation } from "../op.ts";
import { after, type BakedEpilogue, epilogueFields, type Fields } from "./params.ts";
import { columns } from "./product.ts";

const infinity = 0x7f80_0000;
const six = 0x40c0_0000;

/**
 * Activations on the bits of a float32, without jumps: whether a value is negative cannot be predicted. As signed
 * integers, the numbers below zero are those up to -8388608 (minus infinity); NaNs, of either sign, are not among them
 * and stay what they are.
 */
const activations: Readonly<Record<Activation, (bits: Local<"i32">) => Stmt[]>> = {
  none: () => [],
  relu: (bits) => [set(bits, and(bits, sub(i32(0), atLeastSigned(bits, i32(-8_388_607)))))],
  relu6: (bits) => [
    ...activations.relu(bits),
    set(
      bits,
      xor(bits, and(xor(bits, i32(six)), sub(i32(0), less(sub(bits, i32(six + 1)), i32(infinity - six))))),
    ),
  ],
};

/** What one output is finished with; absent where the epilogue has none. */
export interface Extras {
  readonly scale?: Expr<"f64">;
  readonly bias?: Expr<"f64">;
  readonly residual?: Expr<"f64">;
}

/** Stores `value`, finished, at `address` + `offset`. `bits` is overwritten. */
export function storeFinished(
  activation: Activation,
  extras: Extras,
  value: Expr<"f64">,
  bits: Local<"i32">,
  address: Expr<"i32">,
  offset = 0,
): Stmt[] {
  const scaled = extras.scale ? mul(value, extras.scale) : value;
  const moved = extras.bias ? add(scaled, extras.bias) : scaled;
  const summed = extras.residual ? add(moved, extras.residual) : moved;
  const result = convert("f32", summed);
  if (activation === "none") return [store(address, result, offset)];
  return [set(bits, bitsOf(result)), ...activations[activation](bits), store(address, bits, offset)];
}

/** Scale and bias of `width` neighbouring channels in locals, and the statements that load them. */
export function channelExtras(e: BakedEpilogue, scope: Scope, width: number) {
  const scales = e.scale ? scope.locals("f64", width) : [];
  const biases = e.bias ? scope.locals("f64", width) : [];
  return {
    /** `channel` counts floats in the vectors of scales and biases. */
    load: (fields: Fields<"scale" | "bias">, channel: Expr<"i32">): Stmt[] => [
      ...scales.map((s, i) => set(s, convert("f64", load("f32", after(fields("scale"), channel, 4), 4 * i)))),
      ...biases.map((s, i) => set(s, convert("f64", load("f32", after(fields("bias"), channel, 4), 4 * i)))),
    ],
    of: (i: number): Extras => ({ scale: scales[i], bias: biases[i] }),
  };
}

type Field = "out" | "scale" | "bias" | "residual" | "outC" | "outStride" | "outOffset";

/**
 * (params, sums, from, to, panel, panelEnd, sumStep): finishes the pixels `from` up to `to` of the panels of four channels
 * `panel` up to `panelEnd`. The sums are [panel][pixel][4]; a panel's take `sumStep` bytes.
 */
export function finishPanels(e: BakedEpilogue, fieldsAt: (params: Expr<"i32">) => Fields<Field>): Fn {
  return func("finish_panels", 7, ([params, sums, from, to, panel, panelEnd, sumStep], scope) => {
    const fields = fieldsAt(params);
    const [pixel, sum, out, residual, channel, left, bits, outStep, residualStep, column] = scope.some("i32");
    const extras = channelExtras(e, scope, columns);
    const residuals = epilogueFields(e).includes("residual");
    const outAt = (c: Expr<"i32">) =>
      after(fields("out"), add(add(mul(from, fields("outStride")), fields("outOffset")), c), 4);
    const residualAt = (c: Expr<"i32">) => after(fields("residual"), add(mul(from, fields("outC")), c), 4);
    const start = (c: Expr<"i32">, firstSum: Expr<"i32">): Stmt[] => [
      set(sum, firstSum),
      set(out, outAt(c)),
      ...(residuals ? [set(residual, residualAt(c))] : []),
    ];
    const pixels = (width: number): Stmt =>
      count(pixel, from, to, i32(1), [
        ...Array.from({ length: width }, (_, i) =>
          storeFinished(
            e.activation,
            {
              ...extras.of(i),
              residual: residuals ? convert("f64", load("f32", residual, 4 * i)) : undefined,
            },
            load("f64", sum, 8 * i),
            bits,
            out,
            4 * i,
          ),
        ).flat(),
        increase(sum, i32(8 * columns)),
        increase(out, outStep),
        ...(residuals ? [increase(residual, residualStep)] : []),
      ]);
    return [
      set(outStep, mul(fields("outStride"), i32(4))),
      ...(residuals ? [set(residualStep, mul(fields("outC"), i32(4)))] : []),
      count(panel, panel, panelEnd, i32(1), [
        set(channel, mul(panel, i32(columns))),
        set(left, sub(fields("outC"), channel)),
        when(
          less(left, i32(columns)),
          [
            count(column, i32(0), left, i32(1), [
              ...extras.load(fields, add(channel, column)),
              ...start(add(channel, column), after(sums, column, 8)),
              pixels(1),
            ]),
          ],
          [...extras.load(fields, channel), ...start(channel, sums), pixels(columns)],
        ),
        increase(sums, sumStep),
      ]),
    ];
  });
}
