/** A program recorded on a WebGPU device once, and run many times with two submissions a run. */
import { DeviceError } from "../../errors.ts";
import type { Caps, GpuKernel, Place } from "../../kernels/op.ts";
import type { Gpu, Platform } from "../../platform/index.ts";
import { sizeOf } from "../../tensor.ts";
import type { Session, StepTiming } from "../device.ts";
import { planMemory } from "../plan.ts";
import type { Program, Step } from "../program.ts";
import { checkGuard, guardFloats, poisoned } from "../sentinels.ts";
import { checkInputs, copyValues, type Values } from "../values.ts";
import type { Guard } from "./guard.ts";
import { createDownloads, createUploads, type RingOptions } from "./ring.ts";

export interface PreparedStep {
  readonly step: Step;
  readonly variant: string;
  readonly kernel: GpuKernel;
  /** One for each stage of the kernel. */
  readonly pipelines: readonly GPUComputePipeline[];
  /** What a binding group needs of the stage's reads. */
  layout(reads: readonly Place[]): GPUBindGroupLayout;
  weight(operand: number, chunk: number): GPUBindingResource;
}

/** What a dispatch of `step` reads: all operands where it says nothing. */
export const readsOf = (step: Step, reads: readonly Place[] | undefined): readonly Place[] =>
  reads ?? step.operands.map((_, k) => k);

interface Recording {
  readonly gpu: GPUDevice;
  readonly guard: Guard;
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

/** Steps that are submitted before the others are encoded: the GPU computes them meanwhile. */
const firstSteps = 8;

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
  const { gpu, guard, waitFor, copy, caps, program, prepared, timestamps, software, sentinels } = recording;
  const pause = software ? pauses.software : pauses.hardware;
  const wait: RingOptions["wait"] = (promise) => waitFor(promise, pause);
  const sentinelFloats = sentinels ? guardFloats : 0;
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
          const written = { buffer: writes ? scratch(writes.scratch) : slotOf(p.step.output) };
          const uniform = { buffer: params, offset: uniformStep * next++, size: bytes.byteLength };
          return {
            pipeline: p.pipelines[stage],
            grid,
            group: gpu.createBindGroup({
              label: p.step.scope,
              layout: p.layout(places),
              entries: [uniform, ...read, written].map((resource, binding) => ({ binding, resource })),
            }),
          };
        }),
      );
    });
    const sizesOf = (values: Program["inputs"] | Program["outputs"]) =>
      values.map(({ shape }) => 4 * sizeOf(shape));
    const uploads = createUploads({ gpu, guard, wait, sizes: sizesOf(program.inputs) });
    const downloads = createDownloads({ gpu, guard, wait, sizes: sizesOf(program.outputs) });
    return { slots, slotOf, params, steps, uploads, downloads };
  });
  const { uploads, downloads } = recorded;

  /** Fills kept buffers with the inputs, and has them copied to where the first steps read them. */
  const write = (encoder: GPUCommandEncoder, inputs: readonly Values[]) => {
    if (sentinels)
      plan.slots.forEach((floats, i) => void gpu.queue.writeBuffer(recorded.slots[i], 0, poisoned(floats)));
    const buffers = uploads.take();
    program.inputs.forEach(({ value, shape }, i) => {
      copyValues(inputs[i], new Float32Array(buffers[i].getMappedRange()), copy);
      buffers[i].unmap();
      encoder.copyBufferToBuffer(buffers[i], 0, recorded.slotOf(value), 0, 4 * sizeOf(shape));
    });
    return buffers;
  };

  const writeAlone = async (inputs: readonly Values[]): Promise<void> => {
    checkInputs(program, inputs);
    while (uploads.allUnderWay) await uploads.comeBack();
    await guard.guarded("writing the input", () => {
      const encoder = gpu.createCommandEncoder();
      const written = write(encoder, inputs);
      gpu.queue.submit([encoder.finish()]);
      uploads.sent(written);
    });
  };

  const encodeStep = (pass: GPUComputePassEncoder, i: number) => {
    for (const { pipeline, group, grid } of recorded.steps[i]) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid);
    }
  };

  const encodeSteps = (encoder: GPUCommandEncoder, first: number, end: number) => {
    const pass = encoder.beginComputePass();
    for (let i = first; i < Math.min(end, prepared.length); i++) encodeStep(pass, i);
    pass.end();
  };

  /** Copies a buffer's start to the host. The staging buffer is the caller's, so that it can be kept. */
  const readBack = async (staging: GPUBuffer): Promise<Float32Array> => {
    await guard.unlessLost(wait(staging.mapAsync(GPUMapMode.READ)));
    const values = new Float32Array(staging.getMappedRange().slice(0));
    staging.unmap();
    return values;
  };

  const checkGuards = async (): Promise<void> => {
    for (const [i, floats] of plan.slots.entries()) {
      const size = 4 * (floats + sentinelFloats);
      const staging = await guard.guarded("reading the guards", () => {
        const buffer = gpu.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
        const encoder = gpu.createCommandEncoder();
        encoder.copyBufferToBuffer(recorded.slots[i], 0, buffer, 0, size);
        gpu.queue.submit([encoder.finish()]);
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
      const start = gpu.createCommandEncoder();
      const written = write(start, inputs);
      encodeSteps(start, 0, firstSteps);
      gpu.queue.submit([start.finish()]);
      uploads.sent(written);
      const encoder = gpu.createCommandEncoder();
      encodeSteps(encoder, firstSteps, prepared.length);
      program.outputs.forEach(({ value, shape }, i) => {
        encoder.copyBufferToBuffer(recorded.slotOf(value), 0, staging[i], 0, 4 * sizeOf(shape));
      });
      gpu.queue.submit([encoder.finish()]);
      const reading = downloads.read(staging);
      reading.catch(() => {}); // A fault of the submission says more.
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
      await guard.guarded("timing the network", () => {
        const encoder = gpu.createCommandEncoder();
        const pass = encoder.beginComputePass();
        encodeStep(pass, i);
        pass.end();
        gpu.queue.submit([encoder.finish()]);
      });
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
      for (const kept of [...recorded.slots, recorded.params, uploads, downloads]) kept.destroy();
    },
  };
}
