/** ONNX Runtime's native build for Node, on an ONNX file made of our graph and weights. */
import { InferenceSession, Tensor } from "onnxruntime-node";
import packageOf from "onnxruntime-node/package.json" with { type: "json" };
import type { OpenEngine } from "../workload.ts";
import { withOnnxFile } from "./onnx-file.ts";

const open =
  (provider: "webgpu" | "cpu"): OpenEngine =>
  async (work) => {
    const session = await withOnnxFile(work, (path) =>
      InferenceSession.create(path, {
        executionProviders: [provider],
        graphOptimizationLevel: "all",
        // A step that quietly ran on the CPU would be timed as the GPU's.
        ...(provider === "webgpu" && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
      }),
    );
    const input = work.graph.nodes.find((n) => n.kind === "input");
    return {
      about: `ONNX Runtime ${packageOf.version}, ${provider} provider`,
      async run(images) {
        const { features } = await session.run({ images: new Tensor("float32", images, input?.shape ?? []) });
        return (await features.getData()) as Float32Array;
      },
      close: () => session.release(),
    };
  };

export const onnxruntimeWebGpu = open("webgpu");
export const onnxruntimeCpu = open("cpu");
