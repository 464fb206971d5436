/** The worker in which a library reads a file; library.ts is the other end. */
import { parentPort, workerData } from "node:worker_threads";
import { readArrow } from "../formats/arrow.ts";
import { readHdf5 } from "../formats/hdf5.ts";
import { readParquet } from "../formats/parquet.ts";
import type { FeatureRow } from "./array.ts";
import type { FromLibrary, LibraryFormat, LibraryTask, ToLibrary } from "./library.ts";

const port = parentPort;
if (!port) throw new Error("library-worker.ts runs in a worker thread");
const { format } = workerData as LibraryTask;

interface Reader {
  /** The package that it loads when it is first needed. */
  readonly library: string;
  readonly read: (path: string) => AsyncGenerator<FeatureRow>;
}

const readers: Readonly<Record<LibraryFormat, Reader>> = {
  arrow: { library: "apache-arrow", read: readArrow },
  parquet: { library: "hyparquet", read: readParquet },
  hdf5: { library: "h5wasm/node", read: readHdf5 },
};

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** Numbers that go over at once. */
const most = 2 ** 18;

/** What is read, and how far its memory may grow. */
let rows: AsyncGenerator<FeatureRow> | undefined;
let memory = 0;

/** WebAssembly's memory grows as its library asks, to 2 GiB if a file says so. Here it is told that there is no more. */
const { WebAssembly } = globalThis as unknown as {
  WebAssembly: { Memory: { prototype: WasmMemory }; RuntimeError: new () => Error };
};
const { prototype } = WebAssembly.Memory;
const grow = prototype.grow;
prototype.grow = function (this: WasmMemory, pages: number) {
  if (this.buffer.byteLength + 65536 * pages > memory) throw new RangeError("there is no more memory");
  return grow.call(this, pages);
};

async function nextRows(): Promise<FromLibrary> {
  const taken: FeatureRow[] = [];
  for (let numbers = 0; rows && numbers < most; ) {
    const { done, value } = await rows.next();
    if (done) return taken.length > 0 ? { kind: "rows", rows: taken } : { kind: "end" };
    taken.push(value);
    numbers += value.data.length + 16;
  }
  return { kind: "rows", rows: taken };
}

async function answer(question: ToLibrary): Promise<FromLibrary> {
  if (question.kind === "next") return nextRows();
  memory = question.memory;
  const { library, read } = readers[format];
  // Loading it is part of the start, not of the first rows.
  await import(library);
  rows = read(question.path);
  return { kind: "ready" };
}

port.on("message", async (question: ToLibrary) => {
  try {
    port.postMessage(await answer(question));
  } catch (error) {
    // Libraries throw what they like; one throws its trace, over many lines.
    const words = error instanceof Error ? error.message : String(error);
    const reason = words.split("\n")[0].trim().replace(/\.$/, "") || "its library gave up on it";
    const spoiled = error instanceof WebAssembly.RuntimeError || !(error instanceof Error);
    port.postMessage({ kind: "refused", reason, spoiled } satisfies FromLibrary);
  }
});
