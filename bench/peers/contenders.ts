/** Who runs. Adding one is a line here and the function that opens it in `engines`. */

export interface Contender {
  readonly name: string;
  readonly ours?: true;
  /** What it computes on: the WebGPU adapter, or the processor itself. */
  readonly on: "adapter" | "processor";
  /**
   * The file in `engines` and what it exports of type OpenEngine. It is loaded in the contender's own process only:
   * the peers' libraries are not part of the project, and some take hold of the GPU when they load.
   */
  readonly engine: readonly [file: string, name: string];
  /** Unless asked for by name, it is left out of more multiply-adds than this, batch included. */
  readonly mostMacs?: number;
  /** Of a very slow one, fewer timed runs say as much. */
  readonly mostRuns?: number;
}

export const contenders: readonly Contender[] = [
  { name: "ours-webgpu", ours: true, on: "adapter", engine: ["ours", "oursWebGpu"] },
  { name: "onnxruntime-webgpu", on: "adapter", engine: ["onnxruntime", "onnxruntimeWebGpu"] },
  { name: "tfjs-webgpu", on: "adapter", engine: ["tfjs", "tfjsWebGpu"] },
  { name: "ours-cpu", ours: true, on: "processor", engine: ["ours", "oursCpu"] },
  { name: "tfjs-cpu", on: "processor", engine: ["tfjs", "tfjsCpu"], mostMacs: 2e9, mostRuns: 2 },
  { name: "tfjs-wasm", on: "processor", engine: ["tfjs", "tfjsWasm"] },
  { name: "tfjs-wasm-simd", on: "processor", engine: ["tfjs", "tfjsWasmSimd"] },
  { name: "onnxruntime-cpu", on: "processor", engine: ["onnxruntime", "onnxruntimeCpu"] },
];
