/**
 * Convolutions of 1x1 windows that read the same value, as Inception's branches begin, become one step with the channels of
 * all, which writes each one's into a value of its own. On a chip of its own a small layer costs the more for its dispatch,
 * and for the workgroups that it does not fill the chip with, than for its products. No bit of float32 changes: a channel's
 * sum does not depend on the others. (Units for small matrices sum by splits of the depth that follow the layer's sizes.)
 * Later branches are written early, which takes some hundredths more memory.
 */

import type { WindowGeometry } from "../kernels/geometry.ts";
import { opOf } from "../kernels/index.ts";
import type { Caps, Part } from "../kernels/op.ts";
import type { Operand, Program, Step, Weight } from "./program.ts";
import { putInPlace } from "./values.ts";
import { gpuVariants } from "./variants.ts";

/** Values that a step may write: with what it reads, as many buffers as every adapter binds. */
const mostOutputs = 4;

/** Equal for steps that can be one; undefined for those that stay alone. */
function kinOf({ op, geometry, epilogue, operands: [x] }: Step): string | undefined {
  if (op !== "conv2d" || x.kind !== "value" || epilogue.residual || epilogue.parts) return undefined;
  const { outC, out, ...window } = geometry as WindowGeometry;
  if (window.kernelH * window.kernelW > 1 || window.outH * window.outW === 1 || outC % 4 !== 0)
    return undefined;
  // All sizes: a reshape gives a value other ones.
  return JSON.stringify([x.value, window, epilogue.scale, epilogue.bias]);
}

const channelsOf = ({ geometry }: Step): number => (geometry as WindowGeometry).outC;

/** The weights side by side: of each, `channels` in a row. */
function joined(weights: readonly Weight[], channels: readonly number[]): Weight {
  const all = channels.reduce((sum, n) => sum + n, 0);
  return {
    key: weights.map(({ key }) => key).join(" or "),
    variables: weights.flatMap(({ variables }) => variables),
    make(values) {
      let next = 0;
      const made = weights.map(({ variables, make }) => {
        const own = values.slice(next, next + variables.length);
        next += own.length;
        return make(own);
      });
      const out = new Float32Array((made[0].length / channels[0]) * all);
      let channel = 0;
      made.forEach((from, i) => {
        putInPlace(from, out, channels[i], { channel, of: all });
        channel += channels[i];
      });
      return out;
    },
  };
}

function join(kin: readonly Step[]): Step {
  const [first] = kin;
  const channels = kin.map(channelsOf);
  const outC = channels.reduce((sum, n) => sum + n, 0);
  const outputs = [...new Set(kin.map(({ output }) => output))];
  const operands = first.operands.map((operand, k): Operand => {
    if (operand.kind === "value") return operand;
    const weights = kin.map(({ operands }) => (operands[k] as typeof operand).weight);
    return { kind: "weight", weight: joined(weights, channels) };
  });
  const parts = kin.map(
    ({ output, epilogue: { activation, placement } }, i): Part => ({
      channels: channels[i],
      activation,
      output: outputs.indexOf(output),
      placement,
    }),
  );
  const shape = [...first.shape.slice(0, -1), outC];
  const geometry: WindowGeometry = { ...(first.geometry as WindowGeometry), outC, out: shape };
  return {
    ...first,
    operands,
    geometry,
    shape,
    output: outputs[0],
    others: outputs.slice(1),
    epilogue: { ...first.epilogue, activation: "none", placement: undefined, parts },
    scope: `${first.scope} and ${kin.length - 1} beside it`,
    cost: opOf(first.op).cost(geometry),
  };
}

/** The program with such steps joined, each at the place of the first of them, where `fits` has nothing against it. */
export function joinSiblings(program: Program, fits: (joined: Step) => boolean = () => true): Program {
  const families: Step[][] = [];
  const open = new Map<string, Step[]>();
  for (const step of program.steps) {
    const kin = kinOf(step);
    const family = kin === undefined ? undefined : open.get(kin);
    if (family && family.length < mostOutputs) {
      family.push(step);
      continue;
    }
    const begun = [step];
    families.push(begun);
    if (kin !== undefined) open.set(kin, begun);
  }
  const steps = families.flatMap((kin) => {
    const one = kin.length > 1 ? join(kin) : kin[0];
    return kin.length === 1 || fits(one) ? [one] : kin;
  });
  return { ...program, steps };
}

/** The program as it suits a device of these limits. */
export const arrangedFor = (program: Program, caps: Caps): Program =>
  caps.hardware
    ? joinSiblings(program, (step) => gpuVariants(step).some((v) => v.fits(step.geometry, caps)))
    : program;
