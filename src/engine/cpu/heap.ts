/**
 * The memory that all threads share: weights, activations, and what the threads agree by. Blocks are taken from the
 * first gap that holds them, and the memory grows when there is none.
 */
import { DeviceError } from "../../errors.ts";
import { firstFree } from "../../kernels/cpu/params.ts";
import { mostPages, pageBytes } from "../../wasm/module.ts";

/** Blocks start at lines of the cache, and no two threads' counters share one. */
const alignment = 64;

export interface Block {
  readonly address: number;
  readonly bytes: number;
}

export interface Heap {
  readonly memory: WebAssembly.Memory;
  /** @throws DeviceError when the memory would pass what 32-bit addresses reach, or the system has no more. */
  take(bytes: number, what: string): Block;
  give(block: Block): void;
  floats(block: Block, count?: number): Float32Array<SharedArrayBuffer>;
  words(block: Block): Int32Array<SharedArrayBuffer>;
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(2)} GiB`;

function openMemory(): WebAssembly.Memory {
  try {
    return new WebAssembly.Memory({ initial: 1, maximum: mostPages, shared: true });
  } catch (cause) {
    throw new DeviceError(
      "The system gives no address space for the CPU's memory (4 GiB, most of it never used).",
      "Raise the limit of virtual memory (ulimit -v), or close other sessions.",
      { cause },
    );
  }
}

/** A heap of up to 4 GiB; `limit` makes it smaller, for tests. */
export function createHeap(limit = mostPages * pageBytes): Heap {
  const memory = openMemory();
  // A browser's own types do not tell that it is shared.
  const buffer = () => memory.buffer as unknown as SharedArrayBuffer;
  /** Gaps between blocks, by address. */
  const gaps: { address: number; bytes: number }[] = [{ address: firstFree, bytes: pageBytes - firstFree }];
  let taken = 0;

  function grow(bytes: number, what: string): void {
    const end = buffer().byteLength;
    const last = gaps.at(-1);
    const spare = last && last.address + last.bytes === end ? last.bytes : 0;
    const pages = Math.ceil((bytes - spare) / pageBytes);
    if (end + pages * pageBytes > limit) {
      throw new DeviceError(
        `The network does not fit into the ${gib(limit)} that the CPU path can address: ${gib(taken)} are taken, ${what} takes ${gib(bytes)} more.`,
        "Use a smaller --batch-size or --image-size, or --device webgpu.",
      );
    }
    try {
      memory.grow(pages);
    } catch (cause) {
      throw new DeviceError(
        `The system has no memory for ${what} (${gib(bytes)}; ${gib(taken)} are taken).`,
        "Use a smaller --batch-size, or close other programs.",
        { cause },
      );
    }
    free({ address: end, bytes: pages * pageBytes });
  }

  function free({ address, bytes }: Block): void {
    const after = gaps.findIndex((g) => g.address > address);
    const at = after < 0 ? gaps.length : after;
    gaps.splice(at, 0, { address, bytes });
    for (const i of [at + 1, at]) {
      const [before, gap] = [gaps[i - 1], gaps[i]];
      if (!before || !gap || before.address + before.bytes !== gap.address) continue;
      before.bytes += gap.bytes;
      gaps.splice(i, 1);
    }
  }

  return {
    memory,
    take(wanted, what) {
      const bytes = Math.max(alignment, Math.ceil(wanted / alignment) * alignment);
      if (!gaps.some((g) => g.bytes >= bytes)) grow(bytes, what);
      const at = gaps.findIndex((g) => g.bytes >= bytes);
      const gap = gaps[at];
      const block = { address: gap.address, bytes };
      gap.address += bytes;
      gap.bytes -= bytes;
      if (gap.bytes === 0) gaps.splice(at, 1);
      taken += bytes;
      return block;
    },
    give(block) {
      taken -= block.bytes;
      free(block);
    },
    floats: ({ address, bytes }, count = bytes / 4) => new Float32Array(buffer(), address, count),
    words: ({ address, bytes }) => new Int32Array(buffer(), address, bytes / 4),
  };
}
