/** The worker in which a library reads a file; library.ts is the other end. */
import { parentPort, workerData } from "node:worker_threads";
import { readArrow } from "../formats/arrow.ts";
import { readHdf5 } from "../formats/hdf5.ts";
import { readParquet } from "../formats/parquet.ts";
import type { FeatureRow } from "./array.ts";
import type { FromLibrary, LibraryFormat, LibraryTask } from "./library.ts";

const port = parentPort;
if (!port) throw new Error("library-worker.ts runs in a worker thread");
const { path, format, memory } = workerData as LibraryTask;

const readers: Readonly<Record<LibraryFormat, (path: string) => AsyncGenerator<FeatureRow>>> = {
  arrow: readArrow,
  parquet: readParquet,
  hdf5: readHdf5,
};

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** WebAssembly's memory grows as its library asks, to 2 GiB if a file says so. Here it is told that there is no more. */
function limitMemory(bytes: number): void {
  const { WebAssembly } = globalThis as unknown as { WebAssembly: { Memory: { prototype: WasmMemory } } };
  const { prototype } = WebAssembly.Memory;
  const grow = prototype.grow;
  prototype.grow = function (this: WasmMemory, pages: number) {
    if (this.buffer.byteLength + 65536 * pages > bytes) throw new RangeError("there is no more memory");
    return grow.call(this, pages);
  };
}

/** Numbers that go over at once. */
const most = 2 ** 18;

const rows = readers[format](path);

async function nextRows(): Promise<FromLibrary> {
  const taken: FeatureRow[] = [];
  for (let numbers = 0; numbers < most; ) {
    const { done, value } = await rows.next();
    if (done) return taken.length > 0 ? { kind: "rows", rows: taken } : { kind: "end" };
    taken.push(value);
    numbers += value.data.length + 16;
  }
  return { kind: "rows", rows: taken };
}

limitMemory(memory);
port.on("message", async (question: "start" | "next") => {
  if (question === "start") {
    port.postMessage({ kind: "ready" } satisfies FromLibrary);
    return;
  }
  try {
    port.postMessage(await nextRows());
  } catch (error) {
    // Libraries throw what they like; one throws its trace, over many lines.
    const words = error instanceof Error ? error.message : String(error);
    const reason = words.split("\n")[0].trim().replace(/\.$/, "") || "its library gave up on it";
    port.postMessage({ kind: "refused", reason } satisfies FromLibrary);
  }
});
