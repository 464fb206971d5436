/** The CPU executor: WebAssembly without SIMD, on all cores, over one shared memory. */
import { DeviceError } from "../../errors.ts";
import { applyEpilogue } from "../../kernels/epilogue.ts";
import { opOf } from "../../kernels/index.ts";
import type { Caps, CpuKernel } from "../../kernels/op.ts";
import type { Platform } from "../../platform/index.ts";
import { sizeOf } from "../../tensor.ts";
import type { Device, Session, StepTiming } from "../device.ts";
import type { Program, Step } from "../program.ts";
import { checkGuard, guardFloats, poisoned } from "../sentinels.ts";
import { checkInputs, copyValues, putInPlace, type Values } from "../values.ts";
import { chooseVariant, layoutKey, makeWeight } from "../variants.ts";
import { createWeightStore, type Hold } from "../weight-store.ts";
import { checkWeights, type WeightSource } from "../weights.ts";
import { type Block, createHeap, type Heap } from "./heap.ts";
import { openPool, type Pool, type PoolStep, type PoolWork } from "./pool.ts";
import { scheduleOf } from "./schedule.ts";

const capsOf = (threads: number): Caps => ({
  maxBindingBytes: Number.POSITIVE_INFINITY,
  maxWorkgroupSize: 1,
  maxWorkgroupsPerDimension: 1,
  subgroupSize: 0,
  roundsFreely: true,
  halfWeights: false,
  hardware: false,
  workgroupBytes: 0,
  threads,
});

export interface CpuOptions {
  /** Threads that compute, the main one among them; one a core when left out. */
  readonly threads?: number;
  /** Threads that the layers are cut into tasks for; those that find a core when left out. For bench and tests. */
  readonly sharesFor?: number;
  /** Bytes of memory at most, for tests. */
  readonly limit?: number;
}

function kernelOf(
  step: Step,
  caps: Caps,
  forced: string | undefined,
): { variant: string; kernel?: CpuKernel } {
  const op = opOf(step.op);
  const variant = chooseVariant(forced === "reference" ? [] : op.cpu, step.geometry, caps, forced);
  if (!variant) return { variant: "reference" };
  return { variant: variant.name, kernel: variant.build(step.geometry, step.epilogue, caps) };
}

/** The operation's reference loop on the main thread, for what has no kernel of its own. */
function referenceStep(step: Step, operands: readonly Block[], out: Block, heap: Heap): PoolWork {
  const { scale, bias, residual, placement } = step.epilogue;
  const own = operands.length - Number(scale) - Number(bias) - Number(residual);
  const channels = step.shape.at(-1) ?? 1;
  return {
    alone() {
      const values = operands.map((block) => heap.floats(block));
      const result = placement ? new Float32Array(sizeOf(step.shape)) : heap.floats(out);
      opOf(step.op).reference(step.geometry, values.slice(0, own), result);
      applyEpilogue(step.epilogue, values.slice(own), result, channels);
      if (placement) putInPlace(result, heap.floats(out), channels, placement);
    },
  };
}

interface Surroundings {
  readonly heap: Heap;
  readonly weights: Hold<WeightBlock>;
  readonly source: WeightSource;
  valueAt(value: number): Block;
}

/** A weight's block, and the part of it that holds the weight. */
interface WeightBlock {
  readonly block: Block;
  readonly values: Block;
}

/** The addresses of a step's operands. Weights that are not held yet are read and packed. */
async function operandsOf(step: Step, kernel: CpuKernel | undefined, around: Surroundings): Promise<Block[]> {
  const { heap, weights, source } = around;
  const operands: Block[] = [];
  for (const [i, operand] of step.operands.entries()) {
    if (operand.kind === "value") {
      operands.push(around.valueAt(operand.value));
      continue;
    }
    const packing = kernel?.packing?.[i];
    const key = layoutKey(operand.weight, packing);
    let held = weights.get(key);
    if (!held) {
      const made = await makeWeight(operand.weight, source);
      const packed = packing ? packing.pack(made, 0) : made;
      const block = heap.take(packed.byteLength, operand.weight.key);
      held = { block, values: { address: block.address, bytes: packed.byteLength } };
      heap.floats(held.values).set(packed);
      weights.set(key, held);
    }
    operands.push(held.values);
  }
  return operands;
}

/** What is opened with the first program: a device that only says its name takes no memory and starts no thread. */
interface Opened {
  readonly heap: Heap;
  readonly pool: Pool;
}

/** The processor of this machine; always there. */
export function openCpu(
  { threads: machine, copy }: Pick<Platform, "threads" | "copy">,
  { threads = machine.count(), sharesFor = Math.min(threads, machine.count()), limit }: CpuOptions = {},
): Device {
  const caps = capsOf(sharesFor);
  let opened: Opened | undefined;
  let closed = false;
  const open = (): Opened => {
    if (closed) throw new DeviceError("The device is closed.");
    if (!opened) {
      const heap = createHeap(limit);
      opened = { heap, pool: openPool(heap, threads, machine) };
    }
    return opened;
  };
  const store = createWeightStore<WeightBlock>(
    ({ values }) => values.bytes,
    ({ block }) => opened?.heap.give(block),
  );

  const load: Device["load"] = async (given: Program, source, options = {}): Promise<Session> => {
    checkWeights(given, source);
    const { heap, pool } = open();
    const { program, placeOf, plan, after } = scheduleOf(given);
    const guard = options.sentinels ? guardFloats : 0;
    const taken: Block[] = [];
    const take = (bytes: number, what: string): Block => {
      const block = heap.take(bytes, what);
      taken.push(block);
      return block;
    };
    const weights = store.hold(source);
    const free = () => {
      for (const block of taken.splice(0)) heap.give(block);
      weights.release();
    };

    try {
      const slots = plan.slots.map((floats) => take(4 * (floats + guard), "the layers' outputs"));
      const valueAt = (value: number): Block => ({
        address: slots[plan.slotOf.get(value) as number].address,
        bytes: 4 * (program.sizes.get(value) ?? 0),
      });
      const slotFloats = (i: number) => heap.floats(slots[i], plan.slots[i] + guard);
      const steps: PoolStep[] = [];
      const facts: Omit<StepTiming, "milliseconds">[] = [];
      for (const [i, step] of program.steps.entries()) {
        const { variant, kernel } = kernelOf(step, caps, options.variant);
        const operands = await operandsOf(step, kernel, { heap, weights, source, valueAt });
        const out = valueAt(step.output);
        facts.push({
          step,
          variant,
          tile: kernel?.tile,
          macs: kernel?.macs,
          tasks: kernel?.tasks ?? 1,
          order: { place: i, after: after[i] },
        });
        if (!kernel) {
          steps.push({ ...referenceStep(step, operands, out, heap), after: after[i] });
          continue;
        }
        const record = [out.address, ...operands.map((o) => o.address), ...kernel.numbers];
        const params = take(4 * record.length, "a layer's parameters");
        heap.words(params).set(record);
        const { code, tasks, scratchBytes } = kernel;
        steps.push({ code, tasks, scratchBytes, params: params.address, after: after[i] });
      }
      const session = pool.open(steps);
      await pool.ready();

      const write = (inputs: readonly Values[]) => {
        checkInputs(program, inputs);
        if (options.sentinels) slots.forEach((_, i) => void slotFloats(i).set(poisoned(plan.slots[i])));
        program.inputs.forEach(
          ({ value }, i) => void copyValues(inputs[i], 0, heap.floats(valueAt(value)), copy),
        );
      };

      return {
        activationBytes: 4 * plan.slots.reduce((a, b) => a + b, 0),
        stagingBytes: 0,
        run: (inputs) =>
          pool.alone(async () => {
            write(inputs);
            await session.run();
            if (options.sentinels) slots.forEach((_, i) => void checkGuard(slotFloats(i), plan.slots[i], i));
            return program.outputs.map(({ value }) => new Float32Array(heap.floats(valueAt(value))));
          }),
        time: (inputs) =>
          pool.alone(async () => {
            if (inputs) write(inputs);
            const times: number[] = [];
            await session.run(times);
            const timings: StepTiming[] = [];
            for (const [i, fact] of facts.entries())
              timings[placeOf[i]] = { ...fact, milliseconds: times[i] };
            return timings;
          }),
        close() {
          session.close();
          free();
        },
      };
    } catch (error) {
      free();
      throw error;
    }
  };

  return {
    backend: "cpu",
    adapter: machine.processor(),
    software: true,
    clock: "processor clock",
    caps,
    get weightBytes() {
      return store.bytes;
    },
    load,
    async close() {
      closed = true;
      await opened?.pool.close();
      store.clear();
      opened = undefined;
    },
  };
}
