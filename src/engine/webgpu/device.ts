/** The WebGPU executor's device: loads programs, keeps weights and pipelines. */
import { DeviceError } from "../../errors.ts";
import { mostHalf, toHalves } from "../../half.ts";
import { opOf } from "../../kernels/index.ts";
import type { Caps, GpuKernel } from "../../kernels/op.ts";
import type { Device } from "../device.ts";
import type { Step } from "../program.ts";
import { capsFor, chooseVariant, layoutKey, makeWeight } from "../variants.ts";
import { createWeightStore } from "../weight-store.ts";
import { checkWeights } from "../weights.ts";
import { openAdapter } from "./adapter.ts";
import { createGuard } from "./guard.ts";
import { createPipelines } from "./pipelines.ts";
import { createSession, type PreparedStep } from "./session.ts";

export interface WebGpuDevice extends Device {
  /** Whether the adapter is a processor that plays a GPU. */
  readonly software: boolean;
  /** Destroys the device behind our back, as a driver's reset would; for tests. */
  lose(): void;
}

/** A weight on the device, in as many pieces as its layout has chunks. */
type Chunks = readonly GPUBuffer[];

function upload(device: GPUDevice, label: string, values: Float32Array | Uint16Array): GPUBuffer {
  const buffer = device.createBuffer({
    label,
    // Vector bindings want whole vectors.
    size: Math.max(16, Math.ceil(values.byteLength / 16) * 16),
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST,
    mappedAtCreation: true,
  });
  new Uint8Array(buffer.getMappedRange()).set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  buffer.unmap();
  return buffer;
}

/** @throws DeviceError where a weight is too large for half precision. */
function halvesOf(values: Float32Array, weight: string): Uint16Array {
  const halves = toHalves(values);
  if (halves.some((h) => (h & 0x7c00) === 0x7c00)) {
    throw new DeviceError(
      `${weight} holds numbers beyond ${mostHalf}, the largest of half precision.`,
      "Leave --precision f16 out.",
    );
  }
  return halves;
}

/**
 * Opens the preferred WebGPU adapter. `limits` make it pretend to be a smaller one, for tests.
 * @throws DeviceError when there is none.
 */
export async function openWebGpu(limits: Partial<Caps> = {}): Promise<WebGpuDevice> {
  const opened = await openAdapter(limits.halfWeights);
  const caps = { ...opened.caps, ...limits };
  let gpu: GPUDevice | undefined = opened.device;
  const guard = createGuard(gpu);
  let pipelines: ReturnType<typeof createPipelines> | undefined = createPipelines(gpu, guard);
  const store = createWeightStore<Chunks>(
    (chunks) => chunks.reduce((sum, b) => sum + b.size, 0),
    (chunks) => {
      for (const buffer of chunks) buffer.destroy();
    },
  );

  const kernelOf = (
    step: Step,
    caps: Caps,
    forced: string | undefined,
  ): { variant: string; kernel: GpuKernel } => {
    const variant = chooseVariant(opOf(step.op).gpu, step.geometry, caps, forced);
    if (!variant) throw new DeviceError(`No kernel of ${step.op} fits this adapter (in ${step.scope}).`);
    return { variant: variant.name, kernel: variant.build(step.geometry, step.epilogue, caps) };
  };

  const open = (): { gpu: GPUDevice; pipelines: ReturnType<typeof createPipelines> } => {
    if (!gpu || !pipelines) throw new DeviceError("The device is closed.");
    return { gpu, pipelines };
  };

  return {
    backend: "webgpu",
    adapter: opened.name,
    software: opened.software,
    lose: () => opened.device.destroy(),
    clock: opened.timestamps ? "GPU timestamps" : "submit to completion",
    caps,
    get weightBytes() {
      return store.bytes;
    },

    async load(program, source, options = {}) {
      checkWeights(program, source);
      const { gpu, pipelines } = open();
      const allowed = capsFor(program, caps);
      const kernels = program.steps.map((step) => kernelOf(step, allowed, options.variant));
      const compiling = Promise.all(
        kernels.map(({ kernel }, i) =>
          Promise.all(
            kernel.stages.map(({ code, dispatches }) => {
              const reads = dispatches[0].reads ?? program.steps[i].operands;
              return pipelines.get(kernel.label, code, reads.length);
            }),
          ),
        ),
      );
      compiling.catch(() => {}); // Awaited below; a weight's error may come first.

      const weights = store.hold(source);
      const loadWeights = async (): Promise<void> => {
        for (const [i, step] of program.steps.entries()) {
          for (const [k, operand] of step.operands.entries()) {
            if (operand.kind !== "weight") continue;
            const packing = kernels[i].kernel.packing?.[k];
            const key = layoutKey(operand.weight, packing);
            if (weights.get(key)) continue;
            const values = await makeWeight(operand.weight, source);
            const chunks = await guard.guarded(`loading ${operand.weight.key}`, () =>
              packing
                ? packing.chunks.map((_, chunk) => {
                    const packed = packing.pack(values, chunk);
                    return upload(gpu, key, packing.half ? halvesOf(packed, operand.weight.key) : packed);
                  })
                : [upload(gpu, key, values)],
            );
            weights.set(key, chunks);
          }
        }
      };

      try {
        await loadWeights();
        const made = await guard.unlessLost(compiling);
        const prepared = program.steps.map(
          (step, i): PreparedStep => ({
            step,
            ...kernels[i],
            pipelines: made[i],
            layout: (operands) => pipelines.layout(operands),
            weight(operand, chunk) {
              const o = step.operands[operand];
              if (o.kind !== "weight") throw new Error("not a weight");
              const packing = kernels[i].kernel.packing?.[operand];
              const chunks = weights.get(layoutKey(o.weight, packing)) as Chunks;
              return chunks[packing ? chunk : 0];
            },
          }),
        );
        const session = await createSession({
          gpu,
          guard,
          caps,
          program,
          prepared,
          timestamps: opened.timestamps,
          sentinels: options.sentinels === true,
        });
        return {
          ...session,
          get stagingBytes() {
            return session.stagingBytes;
          },
          close() {
            session.close();
            weights.release();
          },
        };
      } catch (error) {
        weights.release();
        throw error;
      }
    },

    async close() {
      store.clear();
      gpu = undefined;
      pipelines = undefined;
      opened.close();
    },
  };
}
