/**
 * The host's side of a session's memory: buffers that are kept and go round. A driver makes new pages for each write of
 * a queue, and for each buffer that is made; that takes several times as long as filling pages that are there. So inputs are
 * copied into buffers that stay, mapped while the device does not read them, and results are read from others, while the
 * device goes on with the next run.
 */
import { DeviceError } from "../../errors.ts";
import type { Guard } from "./guard.ts";
import type { Mapping } from "./mapping.ts";

/** A buffer for each value that goes in, or piece of one, or that comes out. */
type Buffers = readonly GPUBuffer[];

interface Kept {
  /** Bytes of all buffers that were made. */
  readonly bytes: number;
  destroy(): void;
}

export interface Uploads extends Kept {
  /** Whether there are no buffers to take now. */
  readonly allUnderWay: boolean;
  /** Resolves when some come back. @throws DeviceError */
  comeBack(): Promise<void>;
  /** Mapped buffers, to be filled and unmapped. */
  take(): Buffers;
  /** Has buffers come back when the device has read them. What reads them was submitted before. */
  sent(buffers: Buffers): void;
}

export interface Downloads extends Kept {
  /** Buffers to copy results to. */
  take(): Buffers;
  /** What is in them when the device has done what was submitted; they may be taken again then. @throws DeviceError */
  read(buffers: Buffers): Promise<Float32Array[]>;
}

export interface RingOptions {
  readonly gpu: GPUDevice;
  readonly guard: Guard;
  readonly mapping: Mapping;
  /** Bytes of each buffer of a set. */
  readonly sizes: readonly number[];
  /** Waits for the GPU, which is expected to be done after so many milliseconds; see Gpu. */
  readonly wait: <T>(promise: Promise<T>, expected?: number) => Promise<T>;
}

/** Runs whose inputs are on their way at once: one is computed, one waits for it, and one is written. */
const deep = 3;

function makeKept(
  { gpu, guard, mapping, wait, sizes }: RingOptions,
  label: string,
  usage: GPUBufferUsageFlags,
  mapped: boolean,
) {
  const made: GPUBuffer[] = [];
  let ended = false;
  const make = (): Buffers =>
    sizes.map((size) => {
      const buffer = gpu.createBuffer({ label, size, usage, mappedAtCreation: mapped });
      made.push(buffer);
      return buffer;
    });
  return {
    make,
    get bytes() {
      return made.reduce((sum, { size }) => sum + size, 0);
    },
    destroy() {
      ended = true;
      for (const buffer of made) mapping.destroy(buffer);
    },
    /** Maps buffers, which is expected to take so many milliseconds. @throws DeviceError, also where they are gone then */
    async map(buffers: Buffers, mode: GPUMapModeFlags, expected?: number): Promise<void> {
      const mapped = Promise.all(buffers.map((buffer) => mapping.map(buffer, mode)));
      await guard.unlessLost(wait(mapped, expected));
      if (ended) throw new DeviceError("The session was closed before its results were there.");
    },
  };
}

/**
 * A ring of inputs. One set is made at once, and others when they are first needed: the calls of `createUploads` and
 * `take` belong inside a guard.
 */
export function createUploads(options: RingOptions): Uploads {
  const { guard } = options;
  const kept = makeKept(options, "input", GPUBufferUsage.MAP_WRITE | GPUBufferUsage.COPY_SRC, true);
  const ready: Buffers[] = [kept.make()];
  const underWay: Promise<void>[] = [];
  let sets = 1;

  return {
    get bytes() {
      return kept.bytes;
    },
    destroy: kept.destroy,
    get allUnderWay() {
      return ready.length === 0 && sets === deep;
    },
    comeBack: () => guard.unlessLost(Promise.race(underWay)),
    take() {
      const buffers = ready.pop();
      if (buffers) return buffers;
      sets++;
      return kept.make();
    },
    sent(buffers) {
      const back = kept.map(buffers, GPUMapMode.WRITE).then(() => {
        ready.push(buffers);
        underWay.splice(underWay.indexOf(back), 1);
      });
      // A loss, or the end of the session, is told to whoever waits.
      back.catch(() => {});
      underWay.push(back);
    },
  };
}

/** Buffers for results: as many sets as there are runs under way. The calls of this and of `take` belong inside a guard. */
export function createDownloads(options: RingOptions): Downloads {
  const kept = makeKept(options, "results", GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST, false);
  const idle: Buffers[] = [kept.make()];
  /** Milliseconds that the last results took: the next ones will take about as long. */
  let lately: number | undefined;

  return {
    get bytes() {
      return kept.bytes;
    },
    destroy: kept.destroy,
    take: () => idle.pop() ?? kept.make(),
    async read(buffers) {
      const began = performance.now();
      await kept.map(buffers, GPUMapMode.READ, lately);
      lately = performance.now() - began;
      const values = buffers.map((buffer) => {
        const copy = new Float32Array(buffer.getMappedRange().slice(0));
        buffer.unmap();
        return copy;
      });
      idle.push(buffers);
      return values;
    },
  };
}
