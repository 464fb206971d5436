/** NaN and infinity: found where they come in, or where they are first made. */
import { CheckpointError } from "../errors.ts";
import type { Device } from "./device.ts";
import type { Program, Step } from "./program.ts";
import type { WeightSource } from "./weights.ts";

/** What of an array is no number, in words, such as "NaN at 3 of its 1024 values, first at 17"; undefined where all is well. */
export function notFinite(values: Float32Array): string | undefined {
  // Nothing times a number is nothing, and NaN for what is none: a loop without a question.
  let nothing = 0;
  for (let i = 0; i < values.length; i++) nothing += values[i] * 0;
  if (nothing === 0) return undefined;
  const first = values.findIndex((v) => !Number.isFinite(v));
  let count = 0;
  for (const v of values) if (!Number.isFinite(v)) count++;
  const what = Number.isNaN(values[first]) ? "NaN" : "infinity";
  return `${what} at ${count} of its ${values.length} values, first at ${first}`;
}

/** @throws CheckpointError that begins with `where`, when a weight's value is no number. */
export function checkFinite(values: Float32Array, where: string): void {
  const found = notFinite(values);
  if (found === undefined) return;
  throw new CheckpointError(
    `${where} ${found}.`,
    "Every feature would be made of it: the training went wrong, or the file was damaged before it was written.",
  );
}

/** Bytes of outputs that a run may keep at once while a fault is looked for. */
const keptBytes = 128 * 2 ** 20;

/** The steps in pieces whose outputs are not more than `keptBytes` together. */
function piecesOf(steps: readonly Step[], sizeOf: (step: Step) => number): Step[][] {
  const pieces: Step[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const step of steps) {
    bytes += 4 * sizeOf(step);
    if (bytes > keptBytes) {
      pieces.push([]);
      bytes = 4 * sizeOf(step);
    }
    pieces[pieces.length - 1].push(step);
  }
  return pieces;
}

/** What a step wrote: the whole value, or its channels of a joint one. */
function ownPart({ shape, epilogue: { placement } }: Step, values: Float32Array): Float32Array {
  if (!placement) return values;
  const own = shape[shape.length - 1];
  const part = new Float32Array((values.length / placement.of) * own);
  for (let row = 0; row * own < part.length; row++) {
    const from = row * placement.of + placement.channel;
    part.set(values.subarray(from, from + own), row * own);
  }
  return part;
}

/**
 * The first step of `program` that makes something else than numbers of these inputs. The same kernels run in the same
 * order, with every step's output kept.
 * @throws DeviceError
 */
export async function firstNotFinite(
  device: Device,
  program: Program,
  weights: WeightSource,
  inputs: readonly Float32Array[],
): Promise<{ readonly step: Step; readonly found: string } | undefined> {
  for (const steps of piecesOf(program.steps, (step) => program.sizes.get(step.output) ?? 0)) {
    // Several steps may write into one value.
    const kept = [...new Set(steps.map((step) => step.output))];
    const outputs = kept.map((value) => ({
      name: `${value}`,
      value,
      shape: [program.sizes.get(value) ?? 0],
    }));
    const session = await device.load({ ...program, outputs }, weights);
    try {
      const results = await session.run(inputs);
      for (const step of steps) {
        const found = notFinite(ownPart(step, results[kept.indexOf(step.output)]));
        if (found !== undefined) return { step, found };
      }
    } finally {
      session.close();
    }
  }
  return undefined;
}
