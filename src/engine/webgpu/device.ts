/** The WebGPU executor's device: loads programs, keeps weights and pipelines. */
import { DeviceError } from "../../errors.ts";
import { mostHalf, toHalves } from "../../half.ts";
import { type Caps, type GpuKernel, type Place, texelsPerRow } from "../../kernels/op.ts";
import type { Among, Platform, Tuning } from "../../platform/index.ts";
import { type Device, gpuClock, type LoadOptions } from "../device.ts";
import { arrangedFor } from "../join-siblings.ts";
import type { Step } from "../program.ts";
import { tunedFor, tuningMark } from "../tuning.ts";
import { capsFor, chooseVariant, gpuVariants, layoutKey, makeWeight } from "../variants.ts";
import { createWeightStore } from "../weight-store.ts";
import { checkWeights } from "../weights.ts";
import { type OpenAdapter, openAdapter } from "./adapter.ts";
import { createGuard } from "./guard.ts";
import { createMapping } from "./mapping.ts";
import { type Binding, createPipelines } from "./pipelines.ts";
import { createSession, type PreparedStep, readsOf, writesOf } from "./session.ts";

export interface WebGpuDevice extends Device {
  /** The adapter's chip and driver, by which measurements are kept. */
  readonly identity: string;
  /** Destroys the device behind our back, as a driver's reset would; for tests. */
  lose(): void;
}

/** A weight on the device, in as many pieces as its layout has chunks. */
type Chunks = readonly (GPUBuffer | GPUTexture)[];

const isTexture = (chunk: GPUBuffer | GPUTexture): chunk is GPUTexture => "createView" in chunk;

const bytesOf = (chunk: GPUBuffer | GPUTexture): number =>
  isTexture(chunk) ? chunk.width * chunk.height * (chunk.format === "rgba16float" ? 8 : 16) : chunk.size;

function uploadBuffer(
  device: GPUDevice,
  label: string,
  values: Float32Array | Uint16Array,
  usage: GPUBufferUsageFlags = GPUBufferUsage.STORAGE,
): GPUBuffer {
  const buffer = device.createBuffer({
    label,
    // Vector bindings want whole vectors.
    size: Math.max(16, Math.ceil(values.byteLength / 16) * 16),
    usage,
    mappedAtCreation: true,
  });
  new Uint8Array(buffer.getMappedRange()).set(
    new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  );
  buffer.unmap();
  return buffer;
}

/** By way of a buffer: whole rows first, and then what is left for the last one. */
function uploadTexture(device: GPUDevice, label: string, values: Float32Array | Uint16Array): GPUTexture {
  const texels = values.length / 4;
  const whole = Math.floor(texels / texelsPerRow);
  const rest = texels % texelsPerRow;
  const texture = device.createTexture({
    label,
    size: [Math.min(texels, texelsPerRow), whole + (rest > 0 ? 1 : 0)],
    format: values instanceof Uint16Array ? "rgba16float" : "rgba32float",
    usage: GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST,
  });
  const buffer = uploadBuffer(device, label, values, GPUBufferUsage.COPY_SRC);
  const bytesPerRow = 4 * texelsPerRow * values.BYTES_PER_ELEMENT;
  const encoder = device.createCommandEncoder();
  const copy = (row: number, width: number, rows: number) =>
    encoder.copyBufferToTexture(
      { buffer, offset: row * bytesPerRow, bytesPerRow },
      { texture, origin: [0, row] },
      [width, rows],
    );
  if (whole > 0) copy(0, texelsPerRow, whole);
  if (rest > 0) copy(whole, rest, 1);
  device.queue.submit([encoder.finish()]);
  buffer.destroy();
  return texture;
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

/** A kernel's packed operands may be textures; all else is in buffers. */
const bindingsOf = (kernel: GpuKernel, reads: readonly Place[]): readonly Binding[] =>
  reads.map((place) => (typeof place === "number" && kernel.packing?.[place]?.texels ? "texture" : "buffer"));

export interface WebGpuWishes {
  /** What the adapter is taken to have instead of what it has, for tests; half precision is asked of it. */
  readonly limits?: Partial<Caps>;
  readonly among?: Among;
  /** What was measured on an adapter of this name. */
  readonly tuningOf?: (adapter: string) => Promise<Tuning | undefined>;
}

/**
 * Opens the preferred WebGPU adapter, of all or of those that are no software.
 * @throws DeviceError when there is none.
 */
export async function openWebGpu(
  platform: Pick<Platform, "gpu" | "copy">,
  wishes: WebGpuWishes = {},
): Promise<WebGpuDevice> {
  const { limits, among } = wishes;
  const opened = await openAdapter(platform.gpu, { halfWeights: limits?.halfWeights, among });
  return deviceOf(opened, platform, wishes);
}

/** The device of an adapter that is open. */
export async function deviceOf(
  opened: OpenAdapter,
  { copy }: Pick<Platform, "copy">,
  { limits = {}, tuningOf }: Pick<WebGpuWishes, "limits" | "tuningOf">,
): Promise<WebGpuDevice> {
  const caps = { ...opened.caps, ...limits };
  const kernels =
    caps.hardware === opened.caps.hardware ? "" : `, kernels of ${caps.hardware ? "hardware" : "software"}`;
  const own = `${opened.name}${kernels}`;
  const identity = `${opened.identity}${kernels}`;
  const tuning = await tuningOf?.(identity);
  // A device's name stands for the bits that it gives.
  const adapter = tuning ? `${own}${await tuningMark(tuning)}` : own;
  let gpu: GPUDevice | undefined = opened.device;
  const guard = createGuard(gpu, opened.gpu);
  const mapping = createMapping();
  let pipelines: ReturnType<typeof createPipelines> | undefined = createPipelines(gpu, guard);
  const store = createWeightStore<Chunks>(
    (chunks) => chunks.reduce((sum, chunk) => sum + bytesOf(chunk), 0),
    (chunks) => {
      for (const chunk of chunks) chunk.destroy();
    },
  );

  const kernelOf = (step: Step, caps: Caps, asked: LoadOptions): { variant: string; kernel: GpuKernel } => {
    const { variant: name, tile } = asked.variant ? asked : tunedFor(tuning, step);
    const variant = chooseVariant(gpuVariants(step), step.geometry, caps, name);
    if (!variant) throw new DeviceError(`No kernel of ${step.op} fits this adapter (in ${step.scope}).`);
    return { variant: variant.name, kernel: variant.build(step.geometry, step.epilogue, caps, tile) };
  };

  const open = (): { gpu: GPUDevice; pipelines: ReturnType<typeof createPipelines> } => {
    if (!gpu || !pipelines) throw new DeviceError("The device is closed.");
    return { gpu, pipelines };
  };

  return {
    backend: "webgpu",
    adapter,
    identity,
    tuning,
    software: opened.software,
    lose: () => opened.device.destroy(),
    clock: opened.timestamps ? gpuClock : "submit to completion",
    caps,
    get weightBytes() {
      return store.bytes;
    },

    async load(given, source, options = {}) {
      checkWeights(given, source);
      const program = arrangedFor(given, caps);
      const { gpu, pipelines } = open();
      const allowed = capsFor(program, caps);
      const kernels = program.steps.map((step) => kernelOf(step, allowed, options));
      const compiling = Promise.all(
        kernels.map(({ kernel }, i) =>
          Promise.all(
            kernel.stages.map(({ code, dispatches }) => {
              const [{ reads, writes }] = dispatches;
              return pipelines.get(kernel.label, code, {
                reads: bindingsOf(kernel, readsOf(program.steps[i], reads)),
                writes: writesOf(program.steps[i], writes).length,
              });
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
                    const kept = packing.half ? halvesOf(packed, operand.weight.key) : packed;
                    return (packing.texels ? uploadTexture : uploadBuffer)(gpu, key, kept);
                  })
                : [uploadBuffer(gpu, key, values)],
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
            layout: (reads, writes) =>
              pipelines.layout({ reads: bindingsOf(kernels[i].kernel, reads), writes }),
            weight(operand, chunk) {
              const o = step.operands[operand];
              if (o.kind !== "weight") throw new Error("not a weight");
              const packing = kernels[i].kernel.packing?.[operand];
              const chunks = weights.get(layoutKey(o.weight, packing)) as Chunks;
              const bound = chunks[packing ? chunk : 0];
              return isTexture(bound) ? bound.createView() : { buffer: bound };
            },
          }),
        );
        const session = await createSession({
          gpu,
          guard,
          mapping,
          waitFor: opened.gpu.waitFor,
          copy,
          caps,
          program,
          prepared,
          timestamps: opened.timestamps,
          software: opened.software,
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
