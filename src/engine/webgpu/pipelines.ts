/** Compute pipelines, cached by their whole source text so that two different kernels can never share one. */
import { DeviceError } from "../../errors.ts";
import type { Guard } from "./guard.ts";

/** What a kernel reads is bound as. */
export type Binding = "buffer" | "texture";

export interface Pipelines {
  /** The pipeline of a module with the bindings `reads` between parameters and output. */
  get(label: string, code: string, reads: readonly Binding[]): Promise<GPUComputePipeline>;
  layout(reads: readonly Binding[]): GPUBindGroupLayout;
}

const entryOf: Readonly<Record<Binding, Omit<GPUBindGroupLayoutEntry, "binding" | "visibility">>> = {
  buffer: { buffer: { type: "read-only-storage" } },
  // Numbers of 32 bits are not to be filtered, which nobody does here.
  texture: { texture: { sampleType: "unfilterable-float" } },
};

const numbered = (code: string) =>
  code
    .split("\n")
    .map((line, i) => `${String(i + 1).padStart(4)} ${line}`)
    .join("\n");

export function createPipelines(device: GPUDevice, guard: Guard): Pipelines {
  const layouts = new Map<string, GPUBindGroupLayout>();
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();

  const layout = (reads: readonly Binding[]): GPUBindGroupLayout => {
    const key = reads.join();
    let made = layouts.get(key);
    if (!made) {
      const entries = [
        { buffer: { type: "uniform" as const } },
        ...reads.map((read) => entryOf[read]),
        { buffer: { type: "storage" as const } },
      ];
      made = device.createBindGroupLayout({
        entries: entries.map((entry, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          ...entry,
        })),
      });
      layouts.set(key, made);
    }
    return made;
  };

  async function compile(
    label: string,
    code: string,
    reads: readonly Binding[],
  ): Promise<GPUComputePipeline> {
    const module = await guard
      .guarded(`compiling the kernel ${label}`, () => device.createShaderModule({ label, code }))
      .catch((cause: unknown) => {
        throw new DeviceError(
          `The kernel ${label} does not compile. ${cause}\n${numbered(code)}`,
          undefined,
          { cause },
        );
      });
    return device
      .createComputePipelineAsync({
        label,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout(reads)] }),
        compute: { module, entryPoint: "main" },
      })
      .catch((cause: unknown) => {
        throw new DeviceError(`The adapter refuses the kernel ${label}: ${cause}`, undefined, { cause });
      });
  }

  return {
    layout,
    get(label, code, reads) {
      const key = `${reads} ${code}`;
      let pipeline = pipelines.get(key);
      if (!pipeline) {
        pipeline = compile(label, code, reads);
        pipelines.set(key, pipeline);
      }
      return pipeline;
    },
  };
}
