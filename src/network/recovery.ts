/**
 * A network on a device, and what is done when the device fails: the work is tried again on a new device, then in
 * smaller batches, then, where the device was left to us ("auto"), on the CPU. Each step is told.
 */
import type { Device, Session } from "../engine/device.ts";
import type { DeviceName, OpenDevice } from "../engine/devices.ts";
import { firstNotFinite } from "../engine/finite.ts";
import type { Program } from "../engine/program.ts";
import type { WeightSource } from "../engine/weights.ts";
import { DeviceError } from "../errors.ts";

/** The results of a run, and what computed them. */
export interface Computed {
  /** One array an end point, the images' values back to back. */
  readonly outputs: Float32Array[];
  /** The one device that computed all of them; see `labelOf`. */
  readonly device: string;
}

/** A device in a word and its name, such as "webgpu llvmpipe": equal labels give equal bits. */
export const labelOf = ({ backend, adapter }: Pick<Device, "backend" | "adapter">): string =>
  `${backend} ${adapter}`;

export interface Runner {
  /** The network compiled for one image. */
  readonly program: Program;
  /** Why the first device was chosen, as a clause. */
  readonly choice: string;
  /** The device that computes now. */
  readonly device: Pick<Device, "backend" | "adapter" | "software" | "caps">;
  /** Runs images as one batch, as far as the device allows. @throws DeviceError when nothing more can be tried. */
  run(images: readonly Float32Array[]): Promise<Computed>;
  /** Where an image's result stops being numbers, in words. */
  explain(image: Float32Array): Promise<string>;
  close(): Promise<void>;
}

export interface RunnerOptions {
  readonly device: DeviceName;
  readonly openDevice: OpenDevice;
  readonly source: WeightSource;
  /** The network compiled for a batch size. */
  readonly programOf: (batch: number) => Program;
  readonly notice: (sentence: string) => void;
  /** Threads of the CPU; one a core when left out. */
  readonly threads?: number;
  /** See NetworkOptions. */
  readonly keepTo?: string;
  readonly batchFor?: (device: BatchLimits) => number;
  readonly halfWeights?: boolean;
}

/** A device with one session a batch size; they share its weights. The last batch of a run is often a smaller one. */
interface Place {
  readonly device: Device;
  readonly sessions: Map<number, Promise<Session>>;
}

/** Images at once beyond which the devices that were tried gain nothing; a processor's caches and memory fill up instead. */
export const usualBatch = { software: 8, hardware: 32 } as const;

/** What says how many images are computed at once. */
export interface BatchLimits {
  /** See `largestBatch`. */
  readonly largestBatch: number;
  /** See Device. */
  readonly software: boolean;
}

/** How many images are computed at once: `auto` takes what suits the device, within its limits. */
export const batchSizeFor = (
  { batchSize }: { readonly batchSize: number | "auto" },
  { largestBatch, software }: BatchLimits,
): number =>
  batchSize === "auto" ? Math.min(usualBatch[software ? "software" : "hardware"], largestBatch) : batchSize;

/** The most images that a device's limits allow in one run of the network whose program for one image is `single`. */
export function largestBatch({ inputs, steps, sizes }: Program, { maxBindingBytes }: Device["caps"]): number {
  const values = [...inputs.map((i) => i.value), ...steps.map((s) => s.output)];
  const largest = Math.max(...values.map((value) => sizes.get(value) ?? 0));
  return Math.max(1, Math.floor(maxBindingBytes / (4 * largest)));
}

/** @throws DeviceError, and what the weights' source throws. */
export async function openRunner(options: RunnerOptions): Promise<Runner> {
  const { openDevice, programOf, source, notice, threads, keepTo, halfWeights, batchFor } = options;
  const single = programOf(1);
  let choice = "";
  const chosen = (why: string) => {
    choice = why;
  };
  const wishes = { notice, threads, keepTo, halfWeights };
  /** Faults since the last success. */
  let faults = 0;
  /** Images at once; it only falls. */
  let most = Number.POSITIVE_INFINITY;
  /** Set when nothing more can be tried. */
  let given: DeviceError | undefined;
  let climbing: Promise<void> | undefined;
  let place: Place = { device: await openDevice(options.device, { ...wishes, chosen }), sessions: new Map() };

  async function sessionOf({ device, sessions }: Place, batch: number): Promise<Session> {
    let session = sessions.get(batch);
    if (!session) {
      session = device.load(batch === 1 ? single : programOf(batch), source);
      sessions.set(batch, session);
      session.catch(() => sessions.delete(batch));
    }
    return session;
  }

  async function leave({ device, sessions }: Place): Promise<void> {
    for (const session of await Promise.allSettled(sessions.values())) {
      if (session.status === "fulfilled") session.value.close();
    }
    sessions.clear();
    await device.close();
  }

  /** The last thing to try. */
  async function goToCpu(error: DeviceError): Promise<void> {
    if (options.device !== "auto") {
      given = new DeviceError(
        `The GPU failed, and trying again did not help. ${error.message}`,
        "What a run into a file computed is kept: do the same again to go on, or with --device auto to have the CPU compute what the GPU cannot.",
        { cause: error },
      );
      throw given;
    }
    notice(
      `${error.message} Going on on the CPU: its numbers differ from the GPU's in their last bits, and the manifest tells which rows are whose.`,
    );
    most = Math.min(most, usualBatch.software);
    place = { device: await openDevice("cpu", wishes), sessions: new Map() };
    await sessionOf(place, 1);
  }

  /** Leaves the device that failed with `first` on a batch of `size` images, and finds another way. */
  async function climb(first: DeviceError, size: number): Promise<void> {
    let error = first;
    let batch = size;
    while (place.device.backend === "webgpu") {
      await leave(place);
      faults++;
      if (faults > 1 && batch === 1) return goToCpu(error);
      if (faults > 1) most = batch = Math.ceil(batch / 2);
      const smaller = faults > 1 ? `, with ${batch === 1 ? "one image" : `${batch} images`} at once` : "";
      notice(`${error.message} Trying again on a new device${smaller}.`);
      let device: Device;
      try {
        device = await openDevice("webgpu", wishes);
      } catch (cause) {
        if (!(cause instanceof DeviceError)) throw cause;
        return goToCpu(cause);
      }
      place = { device, sessions: new Map() };
      try {
        await sessionOf(place, 1);
        return;
      } catch (cause) {
        if (!(cause instanceof DeviceError)) throw cause;
        error = cause;
      }
    }
    throw error;
  }

  /** What `work` gives on the device; where that fails, on what takes its place. Several may be under way at once. */
  async function attempt<T>(size: number, work: (at: Place) => Promise<T>): Promise<T> {
    for (;;) {
      if (given) throw given;
      await climbing;
      const at = place;
      try {
        const result = await work(at);
        if (at === place) faults = 0;
        return result;
      } catch (error) {
        if (!(error instanceof DeviceError) || at.device.backend === "cpu") throw error;
        // Another run may have met the same fault, and found another way already.
        if (at !== place) continue;
        climbing ??= climb(error, Math.min(size, most)).finally(() => {
          climbing = undefined;
        });
        await climbing;
      }
    }
  }

  /** Whether the user knows that batches are split. */
  let told = false;

  function batchOn({ device }: Place, count: number): number {
    const allowed = largestBatch(single, device.caps);
    if (count > allowed && !told) {
      told = true;
      notice(`The device's limits allow batches of ${allowed}, not of ${count}; larger ones are divided.`);
    }
    return Math.min(count, allowed, most);
  }

  /**
   * The batch in which `count` images are computed. On a GPU the last ones of a run go into a larger batch that is loaded
   * already: to fill it up costs a part of a run, to load another many of them.
   */
  function sizeFor({ device, sessions }: Place, count: number): number {
    if (device.software) return count;
    const loaded = [...sessions.keys()].filter((size) => size >= count && size <= 2 * count && size <= most);
    return loaded.length > 0 ? Math.min(...loaded) : count;
  }

  /** Images in as many runs as the device needs for them. */
  async function compute(at: Place, images: readonly Float32Array[]): Promise<Computed> {
    const batch = batchOn(at, images.length);
    const runs: Float32Array[][] = [];
    for (let first = 0; first < images.length; first += batch) {
      const some = images.slice(first, first + batch);
      const size = sizeFor(at, some.length);
      const session = await sessionOf(at, size);
      const filled = Array.from({ length: size }, (_, i) => some[i] ?? some[0]);
      const outputs = await session.run([filled]);
      runs.push(outputs.map((values) => values.subarray(0, (values.length / size) * some.length)));
    }
    const outputs = runs.length === 1 ? runs[0] : single.outputs.map((_, i) => joined(runs.map((r) => r[i])));
    return { outputs, device: labelOf(at.device) };
  }

  try {
    const { caps, software } = place.device;
    const usual = batchFor?.({ largestBatch: largestBatch(single, caps), software }) ?? 1;
    await attempt(usual, (at) => sessionOf(at, batchOn(at, usual)));
  } catch (error) {
    await leave(place);
    throw error;
  }

  return {
    program: single,
    choice,
    get device() {
      return place.device;
    },
    run: (images) => attempt(images.length, (at) => compute(at, images)),
    async explain(image) {
      const first = await attempt(1, (at) => firstNotFinite(at.device, single, source, [image]));
      if (!first)
        return `${place.device.adapter} gave other numbers when it was asked again; do not trust it`;
      return `${first.step.scope} (${first.step.op}) gives ${first.found}`;
    },
    async close() {
      await climbing?.catch(() => {});
      await leave(place);
    },
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
