/** A program recorded on a WebGPU device once, and run many times with one submission a run. */
import { DeviceError } from "../../errors.ts";
import type { Caps, GpuKernel } from "../../kernels/op.ts";
import { sizeOf } from "../../tensor.ts";
import type { Session, StepTiming } from "../device.ts";
import { planMemory } from "../plan.ts";
import type { Program, Step } from "../program.ts";
import { guarded } from "./guard.ts";

export interface PreparedStep {
  readonly step: Step;
  readonly variant: string;
  readonly kernel: GpuKernel;
  readonly pipeline: GPUComputePipeline;
  layout(operands: number): GPUBindGroupLayout;
  weight(operand: number, chunk: number): GPUBuffer;
}

interface Recording {
  readonly gpu: GPUDevice;
  /** Rejects when the device is lost. */
  readonly lost: Promise<never>;
  readonly caps: Caps;
  readonly program: Program;
  readonly prepared: readonly PreparedStep[];
  readonly timestamps: boolean;
}

interface RecordedDispatch {
  readonly group: GPUBindGroup;
  readonly grid: readonly [number, number, number];
}

const uniformStep = 256;

/** All dispatches' parameters in one buffer, each at a multiple of the largest alignment WebGPU may ask for. */
function uploadParams(gpu: GPUDevice, prepared: readonly PreparedStep[]): GPUBuffer {
  const params = prepared.flatMap(({ kernel }) => kernel.dispatches.map((d) => d.params));
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
  const { gpu, lost, caps, program, prepared, timestamps } = recording;
  const plan = planMemory(program);
  const tooLarge = plan.slots.find((floats) => 4 * floats > caps.maxBindingBytes);
  if (tooLarge !== undefined) {
    throw new DeviceError(
      `A layer's output takes ${Math.ceil((4 * tooLarge) / 2 ** 20)} MiB; this adapter binds at most ${Math.floor(caps.maxBindingBytes / 2 ** 20)} MiB at once.`,
      "Use a smaller --batch-size, or --device cpu.",
    );
  }

  const recorded = await guarded(gpu, "preparing the network's buffers", () => {
    const slots = plan.slots.map((floats, i) =>
      gpu.createBuffer({
        label: `slot ${i}`,
        size: Math.max(16, Math.ceil((4 * floats) / 16) * 16),
        usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
      }),
    );
    const slotOf = (value: number) => slots[plan.slotOf.get(value) as number];
    const params = uploadParams(gpu, prepared);
    let next = 0;
    const steps = prepared.map((p) =>
      p.kernel.dispatches.map(({ params: bytes, operands, chunk, grid }): RecordedDispatch => {
        const bound = operands ?? p.step.operands.map((_, i) => i);
        const storage = bound.map((i) => {
          const operand = p.step.operands[i];
          return operand.kind === "value" ? slotOf(operand.value) : p.weight(i, chunk ?? 0);
        });
        const uniform = { buffer: params, offset: uniformStep * next++, size: bytes.byteLength };
        return {
          grid,
          group: gpu.createBindGroup({
            label: p.step.scope,
            layout: p.layout(bound.length),
            entries: [uniform, ...[...storage, slotOf(p.step.output)].map((buffer) => ({ buffer }))].map(
              (resource, binding) => ({ binding, resource }),
            ),
          }),
        };
      }),
    );
    const results = program.outputs.map(({ name, value, shape }) => {
      const size = 4 * sizeOf(shape);
      const staging = gpu.createBuffer({
        label: `read ${name}`,
        size,
        usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
      });
      return { source: slotOf(value), staging, size };
    });
    return { slots, slotOf, params, steps, results };
  });

  const write = (inputs: readonly Float32Array[]) => {
    program.inputs.forEach(({ value, shape, name }, i) => {
      if (inputs[i].length !== sizeOf(shape)) throw new Error(`input ${name}: ${inputs[i].length} values`);
      gpu.queue.writeBuffer(
        recorded.slotOf(value),
        0,
        inputs[i].buffer as ArrayBuffer,
        inputs[i].byteOffset,
        inputs[i].byteLength,
      );
    });
  };

  const encodeStep = (pass: GPUComputePassEncoder, i: number) => {
    pass.setPipeline(prepared[i].pipeline);
    for (const { group, grid } of recorded.steps[i]) {
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...grid);
    }
  };

  const readBack = async (): Promise<Float32Array[]> => {
    await Promise.race([Promise.all(recorded.results.map((r) => r.staging.mapAsync(GPUMapMode.READ))), lost]);
    return recorded.results.map(({ staging }) => {
      const values = new Float32Array(staging.getMappedRange().slice(0));
      staging.unmap();
      return values;
    });
  };

  const run: Session["run"] = (inputs) =>
    guarded(gpu, "running the network", async () => {
      write(inputs);
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      for (const i of prepared.keys()) encodeStep(pass, i);
      pass.end();
      for (const { source, staging, size } of recorded.results) {
        encoder.copyBufferToBuffer(source, 0, staging, 0, size);
      }
      gpu.queue.submit([encoder.finish()]);
      return readBack();
    });

  /** A pass for each step with a timestamp on both ends. A query set holds 4096, so long programs take several. */
  const timeByTimestamps = async (): Promise<number[]> => {
    const perSet = 2048;
    const milliseconds: number[] = [];
    for (let first = 0; first < prepared.length; first += perSet) {
      const count = Math.min(perSet, prepared.length - first);
      const querySet = gpu.createQuerySet({ type: "timestamp", count: 2 * count });
      const resolved = gpu.createBuffer({
        size: 16 * count,
        usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
      });
      const staging = gpu.createBuffer({
        size: 16 * count,
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
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16 * count);
      gpu.queue.submit([encoder.finish()]);
      await Promise.race([staging.mapAsync(GPUMapMode.READ), lost]);
      const ticks = new BigUint64Array(staging.getMappedRange().slice(0));
      for (let i = 0; i < count; i++) milliseconds.push(Number(ticks[2 * i + 1] - ticks[2 * i]) / 1e6);
      for (const resource of [querySet, resolved, staging]) resource.destroy();
    }
    return milliseconds;
  };

  const timeBySubmits = async (): Promise<number[]> => {
    const milliseconds: number[] = [];
    for (const i of prepared.keys()) {
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encodeStep(pass, i);
      pass.end();
      const start = performance.now();
      gpu.queue.submit([encoder.finish()]);
      await Promise.race([gpu.queue.onSubmittedWorkDone(), lost]);
      milliseconds.push(performance.now() - start);
    }
    return milliseconds;
  };

  return {
    activationBytes: recorded.slots.reduce((sum, b) => sum + b.size, 0),
    run,
    time: (inputs) =>
      guarded(gpu, "timing the network", async () => {
        write(inputs);
        const milliseconds = await (timestamps ? timeByTimestamps() : timeBySubmits());
        return prepared.map(
          ({ step, variant }, i): StepTiming => ({ step, variant, milliseconds: milliseconds[i] }),
        );
      }),
    close() {
      for (const buffer of [...recorded.slots, recorded.params, ...recorded.results.map((r) => r.staging)]) {
        buffer.destroy();
      }
    },
  };
}
