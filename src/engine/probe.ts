/** How fast a device is for a program, told from its heaviest step alone: enough to choose between two devices. */
import { sizeOf } from "../tensor.ts";
import type { Device } from "./device.ts";
import type { Program } from "./program.ts";
import type { WeightSource } from "./weights.ts";

/** The step with the most multiply-adds as a program of its own. */
function heaviest(program: Program): Program {
  const step = program.steps.reduce((a, b) => (b.cost.macs > a.cost.macs ? b : a));
  const values = new Set(step.operands.flatMap((o) => (o.kind === "value" ? [o.value] : [])));
  const used = new Set(step.operands.flatMap((o) => (o.kind === "weight" ? o.weight.variables : [])));
  return {
    inputs: [...values].map((value) => ({
      name: `value ${value}`,
      value,
      shape: [program.sizes.get(value) ?? 0],
    })),
    steps: [step],
    outputs: [{ name: "out", value: step.output, shape: step.shape }],
    variables: program.variables.filter((v) => used.has(v.name)),
    sizes: program.sizes,
  };
}

/** Milliseconds that the heaviest step of `program` takes on `device`, of zeros, the better of two runs after the first. */
export async function probe(device: Device, program: Program): Promise<number> {
  const part = heaviest(program);
  const shapes = new Map(part.variables.map((v) => [v.name, v.shape]));
  const zeros: WeightSource = {
    name: "zeros",
    shapeOf: (name) => shapes.get(name),
    read: async (name) => new Float32Array(sizeOf(shapes.get(name) ?? [0])),
  };
  const session = await device.load(part, zeros);
  try {
    const inputs = part.inputs.map(({ shape }) => new Float32Array(sizeOf(shape)));
    const times: number[] = [];
    for (let i = 0; i < 3; i++) {
      const start = performance.now();
      await session.run(inputs);
      times.push(performance.now() - start);
    }
    return Math.min(...times.slice(1));
  } finally {
    session.close();
  }
}
