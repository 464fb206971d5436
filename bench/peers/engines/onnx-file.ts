/** Writes a network of ours as an ONNX file. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import protobuf from "protobufjs";
import { lower } from "../lower.ts";
import { onnxModel } from "../onnx-model.ts";
import type { Workload } from "../workload.ts";

/** The bytes of the workload's ONNX model. */
export async function encodeOnnx(work: Workload): Promise<Uint8Array> {
  const schema = await protobuf.load(join(import.meta.dirname, "onnx.proto"));
  const type = schema.lookupType("onnx.ModelProto");
  const model = onnxModel(work.model, await lower(work.graph, work.endPoint, work.weights));
  const fault = type.verify(model);
  if (fault) throw new Error(`The ONNX model of ${work.model} does not fit the schema: ${fault}`);
  return type.encode(model).finish();
}

/** Runs `body` on a file with the workload's ONNX model, which is removed afterwards. */
export async function withOnnxFile<T>(work: Workload, body: (path: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "bench-peers-"));
  try {
    const path = join(dir, `${work.model}.onnx`);
    await writeFile(path, await encodeOnnx(work));
    return await body(path);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
