/** The epilogue (scale, bias, residual, activation) in both tongues: WGSL for kernels that fuse it, a loop for the CPU. */
import type { Activation, Epilogue } from "./op.ts";
import type { Element } from "./wgsl.ts";

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
  const zero = type === "f32" ? "0.0" : "vec4f(0.0)";
  const six = type === "f32" ? "6.0" : "vec4f(6.0)";
  return `fn finish(value: ${type}, channel: u32, index: u32) -> ${type} {
  var v = value;${e.scale ? "\n  v *= scale[channel];" : ""}${e.bias ? "\n  v += bias[channel];" : ""}${e.residual ? "\n  v += residual[index];" : ""}
  return ${activationWgsl[e.activation]("v", zero, six)};
}`;
}

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
