/** The worker in which an HDF5 file is read; hdf5.ts is the other end. */
import { statSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";
import { sizeOf } from "../../tensor.ts";
import { hdf5Library } from "../formats/hdf5.ts";
import type { FeatureRow } from "./array.ts";
import type { FromReader } from "./hdf5.ts";

const port = parentPort;
if (!port) throw new Error("hdf5-worker.ts runs in a worker thread");
const path = workerData as string;

interface Dataset {
  readonly shape: number[] | null;
  readonly value: unknown;
  readonly attrs: Record<string, { readonly value: unknown }>;
  slice(ranges: [number, number][]): unknown;
}

/** Numbers that are read at once. */
const most = 2 ** 18;

/** The memory of WebAssembly, whose library would else take 2 GiB if a file says so: what is needed, and the paths. */
function limitMemory(bytes: number): void {
  const { Memory } = (globalThis as unknown as { WebAssembly: { Memory: { prototype: WasmMemory } } })
    .WebAssembly;
  const grow = Memory.prototype.grow;
  Memory.prototype.grow = function (this: WasmMemory, pages: number) {
    if (this.buffer.byteLength + 65536 * pages > bytes) throw new RangeError("no more memory for HDF5");
    return grow.call(this, pages);
  };
}

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

function datasetOf(entity: unknown, name: string): Dataset {
  if (typeof entity === "object" && entity !== null && "slice" in entity) return entity as unknown as Dataset;
  throw new Error(`it has no dataset ${name}`);
}

async function* rowsOf(): AsyncGenerator<FeatureRow[]> {
  limitMemory(statSync(path).size + 128 * 2 ** 20);
  const { File } = await hdf5Library();
  const sheet = new File(path, "r");
  const features = datasetOf(sheet.get("features"), "features");
  const [rows = 0, ...shape] = features.shape ?? [];
  const width = sizeOf(shape);
  if (features.shape === null || features.shape.length === 0 || width < 1 || width > 2 ** 28)
    throw new Error("its rows hold no numbers");
  const names = datasetOf(sheet.get("paths"), "paths");
  if (names.shape?.length !== 1 || names.shape[0] !== rows) throw new Error("its paths are not one a row");
  const paths = names.value;
  if (!Array.isArray(paths) || paths.length !== rows || paths.some((p) => typeof p !== "string"))
    throw new Error("its paths are not text");
  const scale = features.attrs.scale === undefined ? 1 : Number(features.attrs.scale.value);
  const whole = shape.map((d): [number, number] => [0, d]);
  const each = Math.max(1, Math.floor(most / width));
  for (let first = 0; first < rows; first += each) {
    const last = Math.min(rows, first + each);
    const values = features.slice([[first, last], ...whole]);
    const known =
      values instanceof Float32Array || values instanceof Float64Array || values instanceof Int8Array;
    if (!known) throw new Error("its numbers are of no type that is read");
    if (values.length !== (last - first) * width) throw new Error("its numbers are not all there");
    yield Array.from({ length: last - first }, (_, i) => ({
      path: paths[first + i],
      shape,
      data: Float32Array.from(values.subarray(i * width, (i + 1) * width), (v) => v * scale),
    }));
  }
}

const pieces = rowsOf();
port.on("message", async () => {
  let message: FromReader;
  try {
    const { done, value } = await pieces.next();
    message = done ? { kind: "end" } : { kind: "rows", rows: value };
  } catch (error) {
    // The library throws what it traced, over many lines.
    const words = error instanceof Error ? error.message : String(error);
    message = { kind: "refused", reason: words.split("\n")[0].trim().replace(/\.$/, "") };
  }
  port.postMessage(message);
});
