/** Verifies single operations against reference values: a folder with `ops.json` and `ops.f32`. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { compile } from "../engine/compile.ts";
import type { Device, LoadOptions } from "../engine/device.ts";
import { createGraph } from "../engine/graph.ts";
import type { WeightSource } from "../engine/weights.ts";
import { DeviceError, UsageError, UserError } from "../errors.ts";
import { type AttrsOf, type OpName, opOf, ops } from "../kernels/index.ts";
import { seededTensor } from "../seeded.ts";
import { formatShape, type Shape, sameShape, sizeOf } from "../tensor.ts";
import { maxAbs, relativeError, type Verdict } from "./measure.ts";

export interface OpCase {
  readonly op: string;
  readonly name: string;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly inputs: readonly {
    readonly seed: string;
    readonly shape: Shape;
    readonly bound: number;
    readonly offset: number;
  }[];
  /** `offset` counts floats in ops.f32. */
  readonly output: { readonly shape: Shape; readonly offset: number };
}

/** The largest error of an operation, relative to the largest true value. */
export const opBound = 1e-5;

/** The cases of a folder with their true outputs. @throws UsageError when it holds none. */
export async function readOpCases(
  dir: string,
): Promise<{ cases: OpCase[]; truthOf: (c: OpCase) => Float32Array }> {
  const read = (name: string) =>
    readFile(join(dir, name)).catch((cause: unknown) => {
      throw new UsageError(`${join(dir, name)} cannot be read.`, "Name a folder with ops.json and ops.f32.", {
        cause,
      });
    });
  const cases = JSON.parse((await read("ops.json")).toString("utf8")) as OpCase[];
  const bytes = await read("ops.f32");
  return {
    cases,
    truthOf({ name, output: { shape, offset } }) {
      const start = bytes.byteOffset + 4 * offset;
      const size = 4 * sizeOf(shape);
      if (4 * offset + size > bytes.byteLength)
        throw new UserError(`ops.f32 is too short for the case ${name}.`);
      return new Float32Array(bytes.buffer.slice(start, start + size) as ArrayBuffer);
    },
  };
}

/** Paddings are given for height and width, or for all four axes as TensorFlow writes EXPLICIT. */
function attrsOf(c: OpCase): Readonly<Record<string, unknown>> {
  if (c.op === "resize_bilinear" && (c.attrs.alignCorners || c.attrs.halfPixelCenters)) {
    throw new UserError(
      `${c.name}: only TensorFlow's legacy resize is supported, without alignCorners and halfPixelCenters.`,
    );
  }
  const padding =
    c.attrs.padding === "EXPLICIT"
      ? (c.attrs.explicitPaddings ?? c.attrs.explicit_paddings)
      : c.attrs.padding;
  if (!Array.isArray(padding)) return c.attrs;
  return { ...c.attrs, padding: padding.length === 4 ? padding.slice(1, 3) : padding };
}

/** Runs a case on a device, all its inputs drawn from the seeded stream. */
export async function runOpCase(c: OpCase, device: Device, options: LoadOptions = {}): Promise<Float32Array> {
  if (!(c.op in ops)) throw new UsageError(`${c.name}: there is no operation called ${c.op}.`);
  const name = c.op as OpName;
  const b = createGraph();
  const values = c.inputs.map((i) => seededTensor(i.seed, i.shape, i.bound, i.offset));
  const isWeight = (i: number) => i >= opOf(name).weightsFrom;
  const operands = c.inputs.map(({ shape }, i) =>
    isWeight(i) ? b.variable(`${i}`, shape) : b.input(`${i}`, shape),
  );
  const out = b.endPoint("out", b.op(name, attrsOf(c) as AttrsOf<OpName>, operands));
  if (!sameShape(b.shapeOf(out), c.output.shape)) {
    throw new UserError(
      `${c.name}: the output is ${formatShape(b.shapeOf(out))}, the reference says ${formatShape(c.output.shape)}.`,
    );
  }
  const source: WeightSource = {
    name: c.name,
    shapeOf: (i) => c.inputs[Number(i)].shape,
    read: async (i) => values[Number(i)],
  };
  const program = compile(b.finish(), ["out"]);
  // Weights of different cases share names, so each case must not find another's.
  const session = await device.load(renamed(program, c.name), source, options);
  try {
    const [result] = await session.run(values.filter((_, i) => !isWeight(i)));
    return result;
  } finally {
    session.close();
  }
}

type Program = ReturnType<typeof compile>;

function renamed(program: Program, prefix: string): Program {
  return {
    ...program,
    steps: program.steps.map((step) => ({
      ...step,
      operands: step.operands.map((o) =>
        o.kind === "weight" ? { ...o, weight: { ...o.weight, key: `${prefix}/${o.weight.key}` } } : o,
      ),
    })),
  };
}

/** Verifies every case of a folder, one verdict at a time. */
export async function* verifyOps(dir: string, device: Device): AsyncGenerator<Verdict> {
  const { cases, truthOf } = await readOpCases(dir);
  for (const c of cases) {
    const { name } = c;
    const truth = truthOf(c);
    try {
      yield { name, error: relativeError(await runOpCase(c, device), truth, maxAbs(truth)), bound: opBound };
    } catch (error) {
      // A case that cannot be run is a failed one; the others still tell something.
      if (!(error instanceof UserError) || error instanceof DeviceError) throw error;
      yield { name, error: Number.POSITIVE_INFINITY, bound: opBound, reason: error.message };
    }
  }
}
