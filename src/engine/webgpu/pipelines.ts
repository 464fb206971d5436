/** Compute pipelines, cached by their whole source text so that two different kernels can never share one. */
import { DeviceError } from "../../errors.ts";
import type { Guard } from "./guard.ts";

export interface Pipelines {
  /** The pipeline of a module with `operands` read-only storage bindings between parameters and output. */
  get(label: string, code: string, operands: number): Promise<GPUComputePipeline>;
  layout(operands: number): GPUBindGroupLayout;
}

const numbered = (code: string) =>
  code
    .split("\n")
    .map((line, i) => `${String(i + 1).padStart(4)} ${line}`)
    .join("\n");

export function createPipelines(device: GPUDevice, guard: Guard): Pipelines {
  const layouts = new Map<number, GPUBindGroupLayout>();
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();

  const layout = (operands: number): GPUBindGroupLayout => {
    let made = layouts.get(operands);
    if (!made) {
      const types: GPUBufferBindingType[] = [
        "uniform",
        ...Array<GPUBufferBindingType>(operands).fill("read-only-storage"),
        "storage",
      ];
      made = device.createBindGroupLayout({
        entries: types.map((type, binding) => ({
          binding,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type },
        })),
      });
      layouts.set(operands, made);
    }
    return made;
  };

  async function compile(label: string, code: string, operands: number): Promise<GPUComputePipeline> {
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
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout(operands)] }),
        compute: { module, entryPoint: "main" },
      })
      .catch((cause: unknown) => {
        throw new DeviceError(`The adapter refuses the kernel ${label}: ${cause}`, undefined, { cause });
      });
  }

  return {
    layout,
    get(label, code, operands) {
      const key = `${operands} ${code}`;
      let pipeline = pipelines.get(key);
      if (!pipeline) {
        pipeline = compile(label, code, operands);
        pipelines.set(key, pipeline);
      }
      return pipeline;
    },
  };
}
