/** The CPU executor: steps over typed arrays, one after another. */
import { cpus } from "node:os";
import { setImmediate as nextTurn } from "node:timers/promises";
import { applyEpilogue } from "../../kernels/epilogue.ts";
import { opOf } from "../../kernels/index.ts";
import type { Caps, CpuKernel } from "../../kernels/op.ts";
import type { Device, Session, StepTiming } from "../device.ts";
import { planMemory } from "../plan.ts";
import type { Program, Step } from "../program.ts";
import { checkGuard, guardFloats, poisoned } from "../sentinels.ts";
import { chooseVariant, layoutKey, makeWeight } from "../variants.ts";
import { createWeightStore, type Hold } from "../weight-store.ts";
import { checkWeights, type WeightSource } from "../weights.ts";

const caps: Caps = {
  maxBindingBytes: Number.POSITIVE_INFINITY,
  maxWorkgroupSize: 1,
  maxWorkgroupsPerDimension: 1,
  subgroupSize: 0,
};

interface Prepared {
  readonly step: Step;
  readonly variant: string;
  readonly tile: string | undefined;
  run(): void;
}

function kernelOf(step: Step, forced: string | undefined): { variant: string; kernel: CpuKernel } {
  const op = opOf(step.op);
  const variant = chooseVariant(forced === "reference" ? [] : op.cpu, step.geometry, caps, forced);
  if (variant) return { variant: variant.name, kernel: variant.build(step.geometry, step.epilogue, caps) };
  return {
    variant: "reference",
    kernel: { run: (operands, out) => op.reference(step.geometry, operands, out) },
  };
}

interface Surroundings {
  readonly weights: Hold<Float32Array>;
  readonly source: WeightSource;
  memoryOf(value: number): Float32Array;
  readonly forced: string | undefined;
}

/** Binds a step to its memory; weights that are not held yet are read and packed. */
async function prepareStep(step: Step, around: Surroundings): Promise<Prepared> {
  const { weights, source, memoryOf } = around;
  const { variant, kernel } = kernelOf(step, around.forced);
  const operands: Float32Array[] = [];
  for (const [i, operand] of step.operands.entries()) {
    if (operand.kind === "value") {
      operands.push(memoryOf(operand.value));
      continue;
    }
    const packing = kernel.packing?.[i];
    const key = layoutKey(operand.weight, packing);
    let values = weights.get(key);
    if (!values) {
      const made = await makeWeight(operand.weight, source);
      values = packing ? packing.pack(made, 0) : made;
      weights.set(key, values);
    }
    operands.push(values);
  }
  const out = memoryOf(step.output);
  const { scale, bias, residual } = step.epilogue;
  const own = operands.length - Number(scale) - Number(bias) - Number(residual);
  const channels = step.shape.at(-1) ?? 1;
  return {
    step,
    variant,
    tile: kernel.tile,
    run() {
      kernel.run(operands.slice(0, own), out);
      applyEpilogue(step.epilogue, operands.slice(own), out, channels);
    },
  };
}

/** The plain CPU of this machine; always there. */
export function openCpu(): Device {
  const store = createWeightStore<Float32Array>(
    (values) => values.byteLength,
    () => {},
  );

  const load: Device["load"] = async (program: Program, source, options = {}): Promise<Session> => {
    checkWeights(program, source);
    const plan = planMemory(program);
    const guard = options.sentinels ? guardFloats : 0;
    const slots = plan.slots.map((floats) => new Float32Array(floats + guard));
    const memoryOf = (value: number) => {
      const floats = program.sizes.get(value) ?? 0;
      return slots[plan.slotOf.get(value) as number].subarray(0, floats);
    };

    const weights = store.hold(source);
    const prepared: Prepared[] = [];
    try {
      for (const step of program.steps) {
        prepared.push(await prepareStep(step, { weights, source, memoryOf, forced: options.variant }));
      }
    } catch (error) {
      weights.release();
      throw error;
    }

    const write = (inputs: readonly Float32Array[]) => {
      if (options.sentinels) slots.forEach((memory, i) => void memory.set(poisoned(plan.slots[i])));
      program.inputs.forEach(({ value }, i) => {
        memoryOf(value).set(inputs[i]);
      });
    };

    return {
      activationBytes: 4 * plan.slots.reduce((a, b) => a + b, 0),
      async run(inputs) {
        write(inputs);
        for (const { run } of prepared) {
          run();
          // Decoding and signals get their turn between layers.
          await nextTurn();
        }
        if (options.sentinels) slots.forEach((memory, i) => void checkGuard(memory, plan.slots[i], i));
        return program.outputs.map(({ value }) => memoryOf(value).slice());
      },
      async time(inputs) {
        write(inputs);
        return prepared.map(({ step, variant, tile, run }): StepTiming => {
          const start = performance.now();
          run();
          return { step, variant, tile, milliseconds: performance.now() - start };
        });
      },
      close() {
        slots.length = 0;
        prepared.length = 0;
        weights.release();
      },
    };
  };

  return {
    backend: "cpu",
    adapter: cpus()[0]?.model ?? "unknown processor",
    clock: "processor clock",
    caps,
    get weightBytes() {
      return store.bytes;
    },
    load,
    async close() {
      store.clear();
    },
  };
}
