/**
 * A program recorded on a WebGPU device once, and run many times. A run goes to the device in several submissions, so that it
 * copies the start of a large input while the host writes the rest, and computes the first steps while a driver still takes
 * in the others. Commands serve one run only; those of the next run are encoded while the device computes this one.
 */
import { DeviceError } from "../../errors.ts";
import type { Caps, Dispatch, GpuKernel, Place } from "../../kernels/op.ts";
import type { Gpu, Platform } from "../../platform/index.ts";
import { sizeOf } from "../../tensor.ts";
import type { Session, StepTiming } from "../device.ts";
import { planMemory } from "../plan.ts";
import { outputsOf, type Program, type Step } from "../program.ts";
import { checkGuard, guardFloats, poisoned } from "../sentinels.ts";
import { checkInputs, copyValues, type Values } from "../values.ts";
import type { Guard } from "./guard.ts";
import type { Mapping } from "./mapping.ts";
import { createDownloads, createUploads, type RingOptions } from "./ring.ts";

export interface PreparedStep {
  readonly step: Step;
  readonly variant: string;
  readonly kernel: GpuKernel;
  /** One for each stage of the kernel. */
  readonly pipelines: readonly GPUComputePipeline[];
  /** What a binding group needs of the stage's reads and writes. */
  layout(reads: readonly Place[], writes: number): GPUBindGroupLayout;
  weight(operand: number, chunk: number): GPUBindingResource;
}

/** What a dispatch of `step` reads: all operands where it says nothing. */
export const readsOf = (step: Step, reads: readonly Place[] | undefined): readonly Place[] =>
  reads ?? step.operands.map((_, k) => k);

/** What a dispatch of `step` writes: all outputs where it says nothing. */
export const writesOf = (
  step: Step,
  writes: Dispatch["writes"],
): readonly (number | { readonly scratch: number })[] => (writes ? [writes] : outputsOf(step));

interface Recording {
  readonly gpu: GPUDevice;
  readonly guard: Guard;
  readonly mapping: Mapping;
  readonly waitFor: Gpu["waitFor"];
  readonly copy: Platform["copy"];
  readonly caps: Caps;
  readonly program: Program;
  readonly prepared: readonly PreparedStep[];
  readonly timestamps: boolean;
  /** Whether the adapter is a processor that plays a GPU. */
  readonly software: boolean;
  /** See LoadOptions. */
  readonly sentinels: boolean;
}

interface RecordedDispatch {
  readonly pipeline: GPUComputePipeline;
  readonly group: GPUBindGroup;
  readonly grid: readonly [number, number, number];
}

const uniformStep = 256;

/**
 * Milliseconds between two looks at whether the GPU is done: little beside a run, much beside a turn of the loop. An
 * adapter in software takes as much longer for a run as it has more use for the processor.
 */
const pauses = { software: 0.25, hardware: 0.05 };

/** Steps of the first submission. Each further one has twice as many: a driver takes a step in faster than a GPU computes it. */
const firstSteps = 8;

/** The first and the end of the steps that are submitted together, for a program of `count` steps; once at least. */
export function submissionsOf(count: number): readonly (readonly [number, number])[] {
  const submissions: [number, number][] = [];
  let first = 0;
  let steps = firstSteps;
  do {
    submissions.push([first, Math.min(first + steps, count)]);
    first += steps;
    steps *= 2;
  } while (first < count);
  return submissions;
}

/** Bytes of an input below which it is not cut up, and the most pieces: a submission costs as much as copying 200 KiB. */
const pieceBytes = 2 ** 22;
const mostPieces = 4;

/** A part of an input that is copied and submitted on its own. */
interface Piece {
  /** Which of the program's inputs. */
  readonly input: number;
  readonly value: number;
  /** In bytes. */
  readonly first: number;
  readonly size: number;
}

/** Inputs in the pieces in which they are written. */
function piecesOf({ inputs }: Program): readonly Piece[] {
  return inputs.flatMap(({ value, shape }, input) => {
    const bytes = 4 * sizeOf(shape);
    const count = Math.min(mostPieces, Math.max(1, Math.floor(bytes / pieceBytes)));
    const size = 16 * Math.ceil(bytes / count / 16);
    return Array.from({ length: count }, (_, k) => {
      const first = k * size;
      return { input, value, first, size: Math.min(size, bytes - first) };
    });
  });
}

/** All dispatches' parameters in one buffer, each at a multiple of the largest alignment WebGPU may ask for. */
function uploadParams(gpu: GPUDevice, prepared: readonly PreparedStep[]): GPUBuffer {
  const params = prepared.flatMap(({ kernel }) =>
    kernel.stages.flatMap((stage) => stage.dispatches.map((d) => d.params)),
  );
  const buffer = gpu.createBuffer({
    label: "parameters",
    size: Math.max(1, params.length) * uniformStep,
    usage: GPUBufferUsage.UNIFORM,
    mappedAtCreation: true,
  });
  const bytes = new Uint8Array(buffer.getMappedRange());
  params.forEach((p, i) => {
    bytes.set(new Uint8Array(p), i * uniformStep);
  });
  buffer.unmap();
  return buffer;
}

export async function createSession(recording: Recording): Promise<Session> {
  const { gpu, guard, mapping, waitFor, copy, caps, program, prepared, timestamps, software, sentinels } =
    recording;
  const pause = software ? pauses.software : pauses.hardware;
  // An adapter in software has more use for the processor than whoever waits for it.
  const wait: RingOptions["wait"] = (promise, expected) =>
    waitFor(promise, pause, software ? undefined : expected);
  const sentinelFloats = sentinels ? guardFloats : 0;
  const pieces = piecesOf(program);
  const submissions = submissionsOf(prepared.length);
  const plan = planMemory(
    program,
    prepared.map((p) => p.kernel.scratch ?? []),
  );
  const tooLarge = plan.slots.find((floats) => 4 * floats > caps.maxBindingBytes);
  if (tooLarge !== undefined) {
    throw new DeviceError(
      `A layer's output takes ${Math.ceil((4 * tooLarge) / 2 ** 20)} MiB; this adapter binds at most ${Math.floor(caps.maxBindingBytes / 2 ** 20)} MiB at once.`,
      "Use a smaller --batch-size, or --device cpu.",
    );
  }

  const recorded = await guard.guarded("preparing the network's buffers", () => {
    const slots = plan.slots.map((floats, i) =>
      gpu.createBuffer({
        label: `slot ${i}`,
        size: Math.max(16, Math.ceil((4 * (floats + sentinelFloats)) / 16) * 16),
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
      }),
    );
    const slotOf = (value: number) => slots[plan.slotOf.get(value) as number];
    const params = uploadParams(gpu, prepared);
    let next = 0;
    const steps = prepared.map((p, i) => {
      const scratch = (piece: number) => slots[plan.scratchSlots[i][piece]];
      const resourceOf = (place: Place, chunk: number): GPUBindingResource => {
        if (typeof place !== "number") return { buffer: scratch(place.scratch) };
        const operand = p.step.operands[place];
        return operand.kind === "value" ? { buffer: slotOf(operand.value) } : p.weight(place, chunk);
      };
      return p.kernel.stages.flatMap(({ dispatches }, stage) =>
        dispatches.map(({ params: bytes, reads, writes, chunk, grid }): RecordedDispatch => {
          const places = readsOf(p.step, reads);
          const read = places.map((place) => resourceOf(place, chunk ?? 0));
          const written = writesOf(p.step, writes).map((place) => ({
            buffer: typeof place === "number" ? slotOf(place) : scratch(place.scratch),
          }));
          const uniform = { buffer: params, offset: uniformStep * next++, size: bytes.byteLength };
          return {
            pipeline: p.pipelines[stage],
            grid,
            group: gpu.createBindGroup({
              label: p.step.scope,
              layout: p.layout(places, written.length),
              entries: [uniform, ...read, ...written].map((resource, binding) => ({ binding, resource })),
            }),
          };
        }),
      );
    });
    const uploads = createUploads({ gpu, guard, mapping, wait, sizes: pieces.map(({ size }) => size) });
    const sizes = program.outputs.map(({ shape }) => 4 * sizeOf(shape));
    const downloads = createDownloads({ gpu, guard, mapping, wait, sizes });
    return { slots, slotOf, params, steps, uploads, downloads };
  });
  const { uploads, downloads } = recorded;

  const commandsOf = (encode: (encoder: GPUCommandEncoder) => void): GPUCommandBuffer => {
    const encoder = gpu.createCommandEncoder();
    encode(encoder);
    return encoder.finish();
  };

  /**
   * Fills kept buffers with the inputs, and has them copied to where the first steps read them: all pieces but the last are
   * submitted, and its commands given.
   */
  const write = (inputs: readonly Values[]) => {
    if (sentinels)
      plan.slots.forEach((floats, i) => void gpu.queue.writeBuffer(recorded.slots[i], 0, poisoned(floats)));
    const buffers = uploads.take();
    const commands = pieces.map(({ input, value, first, size }, i) => {
      copyValues(inputs[input], first / 4, new Float32Array(buffers[i].getMappedRange()), copy);
      buffers[i].unmap();
      const copied = commandsOf((e) =>
        e.copyBufferToBuffer(buffers[i], 0, recorded.slotOf(value), first, size),
      );
      if (i < pieces.length - 1) gpu.queue.submit([copied]);
      return copied;
    });
    return { buffers, last: commands.slice(-1) };
  };

  const writeAlone = async (inputs: readonly Values[]): Promise<void> => {
    checkInputs(program, inputs);
    while (uploads.allUnderWay) await uploads.comeBack();
    await guard.guarded("writing the input", () => {
      const { buffers, last } = write(inputs);
      gpu.queue.submit(last);
      uploads.sent(buffers);
    });
  };

  const encodeStep = (pass: GPUComputePassEncoder, i: number) => {
    for (const { pipeline, group, grid } of recorded.steps[i]) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid);
    }
  };

  const commandsOfSteps = (first: number, end: number) =>
    commandsOf((encoder) => {
      const pass = encoder.beginComputePass();
      for (let i = first; i < end; i++) encodeStep(pass, i);
      pass.end();
    });

  const encodeSteps = () => submissions.map(([first, end]) => commandsOfSteps(first, end));

  /** The steps of the next run. */
  let encoded: readonly GPUCommandBuffer[] | undefined;

  /** Copies a buffer's start to the host. The staging buffer is the caller's, so that it can be kept. */
  const readBack = async (staging: GPUBuffer): Promise<Float32Array> => {
    await guard.unlessLost(wait(mapping.map(staging, GPUMapMode.READ)));
    const values = new Float32Array(staging.getMappedRange().slice(0));
    staging.unmap();
    return values;
  };

  const checkGuards = async (): Promise<void> => {
    for (const [i, floats] of plan.slots.entries()) {
      const size = 4 * (floats + sentinelFloats);
      const staging = await guard.guarded("reading the guards", () => {
        const buffer = gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
        gpu.queue.submit([commandsOf((e) => e.copyBufferToBuffer(recorded.slots[i], 0, buffer, 0, size))]);
        return buffer;
      });
      checkGuard(await readBack(staging), floats, i);
      staging.destroy();
    }
  };

  const run: Session["run"] = async (inputs) => {
    checkInputs(program, inputs);
    while (uploads.allUnderWay) await uploads.comeBack();
    const results = await guard.guarded("running the network", () => {
      const staging = downloads.take();
      const { buffers, last } = write(inputs);
      const steps = encoded ?? encodeSteps();
      encoded = undefined;
      const results = commandsOf((encoder) =>
        program.outputs.forEach(({ value, shape }, i) => {
          encoder.copyBufferToBuffer(recorded.slotOf(value), 0, staging[i], 0, 4 * sizeOf(shape));
        }),
      );
      steps.forEach((commands, i) => {
        gpu.queue.submit([...(i === 0 ? last : []), commands, ...(i === steps.length - 1 ? [results] : [])]);
      });
      uploads.sent(buffers);
      const reading = downloads.read(staging);
      reading.catch(() => {}); // A fault of the submission says more.
      encoded = encodeSteps();
      return reading;
    });
    if (sentinels) await checkGuards();
    return results;
  };

  /** A pass for each step with a timestamp on both ends. A query set holds 4096, so long programs take several. */
  const timeByTimestamps = async (): Promise<number[]> => {
    const perSet = 2048;
    const milliseconds: number[] = [];
    for (let first = 0; first < prepared.length; first += perSet) {
      const count = Math.min(perSet, prepared.length - first);
      const { querySet, resolved, staging } = await guard.guarded("timing the network", () => {
        const querySet = gpu.createQuerySet({ type: "timestamp", count: 2 * count });
        const bytes = 16 * count;
        const resolved = gpu.createBuffer({
          size: bytes,
          usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
        });
        const staging = gpu.createBuffer({
          size: bytes,
          usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
        });
        const encoder = gpu.createCommandEncoder();
        for (let i = 0; i < count; i++) {
          const timestampWrites = {
            querySet,
            beginningOfPassWriteIndex: 2 * i,
            endOfPassWriteIndex: 2 * i + 1,
          };
          const pass = encoder.beginComputePass({ timestampWrites });
          encodeStep(pass, first + i);
          pass.end();
        }
        encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
        encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
        gpu.queue.submit([encoder.finish()]);
        return { querySet, resolved, staging };
      });
      const ticks = new BigUint64Array((await readBack(staging)).buffer);
      for (let i = 0; i < count; i++) milliseconds.push(Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6);
      for (const resource of [querySet, resolved, staging]) resource.destroy();
    }
    return milliseconds;
  };

  const timeBySubmits = async (): Promise<number[]> => {
    const milliseconds: number[] = [];
    for (const i of prepared.keys()) {
      const start = performance.now();
      await guard.guarded("timing the network", () => gpu.queue.submit([commandsOfSteps(i, i + 1)]));
      await guard.unlessLost(wait(gpu.queue.onSubmittedWorkDone()));
      milliseconds.push(performance.now() - start);
    }
    return milliseconds;
  };

  return {
    activationBytes: recorded.slots.reduce((sum, b) => sum + b.size, 0),
    get stagingBytes() {
      return recorded.params.size + uploads.bytes + downloads.bytes;
    },
    run,
    async time(inputs) {
      if (inputs) await writeAlone(inputs);
      const milliseconds = await (timestamps ? timeByTimestamps() : timeBySubmits());
      return prepared.map(
        ({ step, variant, kernel }, i): StepTiming => ({
          step,
          variant,
          tile: kernel.tile,
          milliseconds: milliseconds[i],
        }),
      );
    },
    close() {
      encoded = undefined;
      for (const kept of [...recorded.slots, recorded.params, uploads, downloads]) kept.destroy();
    },
  };
}
