/** Measuring, layer by layer, which kernels are best on a device. */
import { typicalImages } from "../kernels/geometry.ts";
import type { Caps } from "../kernels/op.ts";
import type { Tuning } from "../platform/index.ts";
import { type Shape, sizeOf } from "../tensor.ts";
import type { Device, LoadOptions } from "./device.ts";
import { arrangedFor } from "./join-siblings.ts";
import type { Program, Step } from "./program.ts";
import { algorithmKey, layerKey } from "./tuning.ts";
import { capsFor, gpuVariants } from "./variants.ts";
import type { WeightSource } from "./weights.ts";

/** Ways of a variant that are measured, from the one that is estimated best on. */
const mostTiles = 8;

/** A chip that idles slows its clock: so many milliseconds of work come before a measurement. */
const warmth = 20;

/** The least of so many timings counts. */
const timings = 7;

export interface TuneEvents {
  /** After each layer: how many are done, of how many, and what was found for it. */
  readonly measured?: (done: number, of: number, sentence: string) => void;
}

export interface TuneOptions extends TuneEvents {
  readonly batches: readonly number[];
  readonly signal?: AbortSignal;
}

/** A step as a program of its own, whose inputs are what it reads. */
function alone(program: Program, step: Step): Program {
  const values = step.operands.flatMap((o) => (o.kind === "value" ? [o.value] : []));
  const flat = (value: number): Shape => [program.sizes.get(value) ?? 0];
  const used = new Set(step.operands.flatMap((o) => (o.kind === "weight" ? o.weight.variables : [])));
  return {
    ...program,
    inputs: [...new Set(values)].map((value) => ({ name: `${value}`, value, shape: flat(value) })),
    steps: [step],
    outputs: [{ name: "out", value: step.output, shape: flat(step.output) }],
    variables: program.variables.filter((v) => used.has(v.name)),
  };
}

/** Numbers that cost nothing to make: how long a kernel takes does not depend on them. */
function anyWeights(program: Program): WeightSource {
  const shapes = new Map(program.variables.map((v) => [v.name, v.shape]));
  const some = Float32Array.from({ length: 4093 }, (_, i) => ((i * 7919) % 4093) / 4093 + 0.25);
  return {
    name: "tuning",
    shapeOf: (name) => shapes.get(name),
    async read(name) {
      const values = new Float32Array(sizeOf(shapes.get(name) ?? [0]));
      for (let at = 0; at < values.length; at += some.length)
        values.set(some.subarray(0, Math.min(some.length, values.length - at)), at);
      return values;
    },
  };
}

/** Milliseconds of a step in a given way. */
async function measure(device: Device, program: Program, step: Step, way: LoadOptions): Promise<number> {
  const single = alone(program, step);
  const session = await device.load(single, anyWeights(program), way);
  try {
    let best = Number.POSITIVE_INFINITY;
    for (const began = performance.now(); performance.now() - began < warmth; ) await session.time();
    for (let i = 0; i < timings; i++) best = Math.min(best, (await session.time())[0].milliseconds);
    return best;
  } finally {
    session.close();
  }
}

/** The ways to run a step, by variant: those that only check the others are left out where others fit. */
function waysOf(step: Step, caps: Caps): Map<string, readonly (string | undefined)[]> {
  const fitting = gpuVariants(step).filter((v) => v.fits(step.geometry, caps));
  const estimated = fitting.filter((v) => v.work);
  return new Map(
    (estimated.length > 0 ? estimated : fitting).map((v) => [
      v.name,
      v.tiles?.(step.geometry, caps, step.epilogue).slice(0, mostTiles) ?? [undefined],
    ]),
  );
}

interface Best {
  readonly variant: string;
  readonly tile: string | undefined;
  readonly milliseconds: number;
}

/** The fastest of the ways, by the least time of each. */
async function fastest(
  device: Device,
  program: Program,
  step: Step,
  ways: ReadonlyMap<string, readonly (string | undefined)[]>,
): Promise<Best> {
  let best: Best | undefined;
  for (const [variant, tiles] of ways) {
    for (const tile of tiles) {
      const milliseconds = await measure(device, program, step, { variant, tile });
      if (!best || milliseconds < best.milliseconds) best = { variant, tile, milliseconds };
    }
  }
  if (!best) throw new Error(`no kernel of ${step.op} fits`);
  return best;
}

/**
 * Measures the layers of a network on `device` and adds what is best to `known`. `programOf` gives the network's program
 * for a batch. @throws DeviceError
 */
export async function tune(
  device: Device,
  programOf: (batch: number) => Program,
  known: Tuning,
  { batches, signal, measured }: TuneOptions,
): Promise<Tuning> {
  const variants: Record<string, string> = { ...known.variants };
  const tiles: Record<string, string> = { ...known.tiles };
  const stepsBy = (program: Program, key: (step: Step) => string) => [
    ...new Map(program.steps.map((s) => [key(s), s])).entries(),
  ];
  const arranged = (batch: number) => arrangedFor(programOf(batch), device.caps);
  const typical = arranged(typicalImages(device.caps));
  const allowed = capsFor(typical, device.caps);
  const algorithms = stepsBy(typical, algorithmKey).filter(([, step]) => waysOf(step, allowed).size > 1);
  const programs = batches.map(arranged);
  const layers = programs.flatMap((program) =>
    stepsBy(program, layerKey).map(([key, step]) => ({ program, key, step })),
  );
  const of = algorithms.length + layers.length;
  let done = 0;
  for (const [key, step] of algorithms) {
    if (signal?.aborted) break;
    const best = await fastest(device, typical, step, waysOf(step, allowed));
    variants[key] = best.variant;
    measured?.(++done, of, `${step.scope}: ${best.variant}`);
  }
  for (const { program, key, step } of layers) {
    if (signal?.aborted) break;
    done++;
    const ways = waysOf(step, allowed);
    // Of several variants one was chosen above.
    const variant = variants[algorithmKey(step)] ?? [...ways.keys()][0];
    const own = ways.get(variant) ?? [];
    if (own.length < 2) continue;
    const best = await fastest(device, program, step, new Map([[variant, own]]));
    if (best.tile !== undefined) tiles[key] = best.tile;
    measured?.(done, of, `${step.scope} x ${step.shape[0]}: ${best.tile}`);
  }
  return { adapter: known.adapter, variants, tiles };
}
