/** The epilogue (scale, bias, residual, activation) in both tongues: WGSL for kernels that fuse it, a loop for the CPU. */
import type { Activation, Epilogue } from "./op.ts";
import { type Element, outputName, type Params } from "./wgsl.ts";

const activationWgsl: Record<Activation, (value: string, zero: string, six: string) => string> = {
  none: (v) => v,
  // max(NaN, 0) and min(NaN, 6) may drop a NaN in WGSL; comparisons keep it visible.
  relu: (v, zero) => `select(${v}, ${zero}, ${v} < ${zero})`,
  relu6: (v, zero, six) => `select(select(${v}, ${zero}, ${v} < ${zero}), ${six}, ${v} > ${six})`,
};

/** The bindings that an epilogue adds, in operand order. */
export function epilogueInputs(e: Epilogue, type: Element): { name: string; type: Element }[] {
  return (["scale", "bias", "residual"] as const).filter((name) => e[name]).map((name) => ({ name, type }));
}

/**
 * The WGSL function `finish(value, channel, index)`: `channel` indexes `scale` and `bias`, `index` indexes `residual`, both counted
 * in elements of `type`.
 */
export function epilogueWgsl(e: Epilogue, type: Element): string {
  const read = (name: "scale" | "bias" | "residual", at: string) =>
    e[name] ? `${name}[${at}]` : `${type}()`;
  return `${finishWgsl(e, type)}
fn finish(value: ${type}, channel: u32, index: u32) -> ${type} {
  return finished(value, ${read("scale", "channel")}, ${read("bias", "channel")}, ${read("residual", "index")});
}`;
}

/** The WGSL function `finished(value, scale, bias, residual)` of values already read; those it does not need are ignored. */
export function finishWgsl(e: Epilogue, type: Element): string {
  const zero = type === "f32" ? "0.0" : "vec4f(0.0)";
  const six = type === "f32" ? "6.0" : "vec4f(6.0)";
  // Said as one operation: where it were two, a driver may or may not make one of them, by what stands around.
  const scaled =
    e.scale && e.bias
      ? "\n  v = fma(v, factor, term);"
      : `${e.scale ? "\n  v *= factor;" : ""}${e.bias ? "\n  v += term;" : ""}`;
  return `fn finished(value: ${type}, factor: ${type}, term: ${type}, other: ${type}) -> ${type} {
  var v = value;${scaled}${e.residual ? "\n  v += other;" : ""}
  return ${activationWgsl[e.activation]("v", zero, six)};
}`;
}

/**
 * Where a step writes, in elements that hold `width` channels: `row` elements from pixel to pixel, and the first at `first`.
 */
export function rowOf(e: Epilogue, channels: number, width: number): { row: number; first: number } {
  const { channel, of } = e.placement ?? { channel: 0, of: channels };
  return { row: of / width, first: channel / width };
}

/** How many outputs a step of this epilogue has. */
export const outputsOf = ({ parts }: Epilogue): number =>
  parts ? 1 + Math.max(...parts.map((part) => part.output)) : 1;

/** The parameters that `storeLine` uses: of `rowOf`, or for each part where its vectors end, and its row and the first of it. */
export function storeParams(e: Epilogue, channels: number, width: number): Params {
  if (!e.parts) return { ...rowOf(e, channels, width) };
  let begin = 0;
  return Object.fromEntries(
    e.parts.flatMap((part, i) => {
      const { channel, of } = part.placement ?? { channel: 0, of: part.channels };
      // Unsigned numbers go round: where the part's place lies before its vectors, the sum is right all the same.
      const first = ((channel - begin) / width) >>> 0;
      begin += part.channels;
      return [
        [`end${i}`, begin / width],
        [`row${i}`, of / width],
        [`first${i}`, first],
      ];
    }),
  );
}

/** The WGSL function `put(pixel, vector, value)` of an epilogue with parts; nothing where there are none. */
export function putWgsl({ parts }: Epilogue): string {
  if (!parts) return "";
  const put = parts.map(({ output, activation }, i) => {
    const value = activationWgsl[activation]("value", "vec4f(0.0)", "vec4f(6.0)");
    const whether = i < parts.length - 1 ? `if (vector < p.end${i}) ` : "";
    return `${whether}{ ${outputName(output)}[pixel * p.row${i} + p.first${i} + vector] = ${value}; }`;
  });
  return `fn put(pixel: u32, vector: u32, value: vec4f) {
  ${put.join("\n  else ")}
}`;
}

/** Stores a value that is finished: `vector` counts in elements of the output. */
export const storeLine = (e: Epilogue, pixel: string, vector: string, value: string): string =>
  e.parts ? `put(${pixel}, ${vector}, ${value});` : `y[${pixel} * p.row + p.first + ${vector}] = ${value};`;

/** Applies the epilogue in place. `extra` are the operands after the operation's own: scale, bias, residual. */
export function applyEpilogue(
  e: Epilogue,
  extra: readonly Float32Array[],
  out: Float32Array,
  channels: number,
): void {
  const rest = [...extra];
  const scale = e.scale ? rest.shift() : undefined;
  const bias = e.bias ? rest.shift() : undefined;
  const residual = e.residual ? rest.shift() : undefined;
  if (scale) {
    for (let row = 0; row < out.length; row += channels) {
      for (let c = 0; c < channels; c++) out[row + c] = out[row + c] * scale[c] + (bias ? bias[c] : 0);
    }
  } else if (bias) {
    for (let row = 0; row < out.length; row += channels) {
      for (let c = 0; c < channels; c++) out[row + c] += bias[c];
    }
  }
  if (residual) for (let i = 0; i < out.length; i++) out[i] += residual[i];
  if (e.activation === "none") return;
  const limit = e.activation === "relu6" ? 6 : Number.POSITIVE_INFINITY;
  for (let i = 0; i < out.length; i++) {
    const v = out[i];
    if (v < 0) out[i] = 0;
    else if (v > limit) out[i] = limit;
  }
}
