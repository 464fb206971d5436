/** Compute pipelines, cached by their whole source text so that two different kernels can never share one. */
import { DeviceError } from "../../errors.ts";
import type { Guard } from "./guard.ts";

/** What a kernel reads is bound as. */
export type Binding = "buffer" | "texture";

/** What a module binds besides its parameters. */
export interface Bindings {
  readonly reads: readonly Binding[];
  /** How many outputs it has. */
  readonly writes: number;
}

export interface Pipelines {
  /** The pipeline of a module with the bindings `reads` between parameters and outputs. */
  get(label: string, code: string, bindings: Bindings): Promise<GPUComputePipeline>;
  layout(bindings: Bindings): GPUBindGroupLayout;
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

  const keyOf = ({ reads, writes }: Bindings) => `${reads} to ${writes}`;

  const layout = (bindings: Bindings): GPUBindGroupLayout => {
    const key = keyOf(bindings);
    let made = layouts.get(key);
    if (!made) {
      const entries = [
        { buffer: { type: "uniform" as const } },
        ...bindings.reads.map((read) => entryOf[read]),
        ...Array.from({ length: bindings.writes }, () => ({ buffer: { type: "storage" as const } })),
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

  async function compile(label: string, code: string, bindings: Bindings): Promise<GPUComputePipeline> {
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
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout(bindings)] }),
        compute: { module, entryPoint: "main" },
      })
      .catch((cause: unknown) => {
        throw new DeviceError(`The adapter refuses the kernel ${label}: ${cause}`, undefined, { cause });
      });
  }

  return {
    layout,
    get(label, code, bindings) {
      const key = `${keyOf(bindings)} ${code}`;
      let pipeline = pipelines.get(key);
      if (!pipeline) {
        pipeline = compile(label, code, bindings);
        pipelines.set(key, pipeline);
      }
      return pipeline;
    },
  };
}
