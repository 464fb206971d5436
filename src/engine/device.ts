/** The one interface behind which programs run. */
import type { Caps } from "../kernels/op.ts";
import type { Tuning } from "../platform/index.ts";
import type { Program, Step } from "./program.ts";
import type { Values } from "./values.ts";
import type { WeightSource } from "./weights.ts";

/** The clock of a device that tells GPU time itself. */
export const gpuClock = "GPU timestamps";

/** How long a step took. */
export interface StepTiming {
  readonly step: Step;
  readonly variant: string;
  /** The kernel's tile, where it names one. */
  readonly tile?: string;
  /** Multiply-adds that the kernel really does, where they are not those that the step counts. */
  readonly macs?: number;
  /** Tasks that the CPU cuts it into. */
  readonly tasks?: number;
  /** On the CPU, its place in the order in which threads take steps, and the places of those that it waits for. */
  readonly order?: { readonly place: number; readonly after: readonly number[] };
  readonly milliseconds: number;
}

export interface LoadOptions {
  /** The variant of this name is taken wherever an operation has it. */
  readonly variant?: string;
  /** The tile of this name is taken wherever a variant has it. */
  readonly tile?: string;
  /**
   * For tests: memory is filled with NaN before each run and has guards behind each value that must survive it, so
   * that a value which is not written, or a write past the end, cannot go unseen.
   */
  readonly sentinels?: boolean;
}

/** A program with its weights on a device, ready to run many times. */
export interface Session {
  /** Values of the outputs, in the program's order. `inputs` are in the program's order too. */
  run(inputs: readonly Values[]): Promise<Float32Array[]>;
  /** Runs once and times every step on its own, on what lies in the device's memory where no inputs are given. */
  time(inputs?: readonly Values[]): Promise<StepTiming[]>;
  /** Bytes that activations occupy. */
  readonly activationBytes: number;
  /** Bytes of the device's other buffers: parameters of kernels, inputs on their way from the host, and results to it. */
  readonly stagingBytes: number;
  /** Frees the session's memory; weights stay with the device. */
  close(): void;
}

export interface Device {
  readonly backend: "webgpu" | "cpu";
  /** The adapter's or processor's own name. */
  readonly adapter: string;
  /** Whether processors compute, as themselves or as an adapter in software. */
  readonly software: boolean;
  /** Where step timings come from. */
  readonly clock: string;
  readonly caps: Caps;
  /** What was measured on it, where it goes by that. */
  readonly tuning?: Tuning;
  /** Bytes of the weights kept by this device. */
  readonly weightBytes: number;
  /**
   * Compiles kernels and loads weights, one tensor at a time; a weight that an earlier program loaded in the same
   * layout is shared.
   * @throws DeviceError
   */
  load(program: Program, weights: WeightSource, options?: LoadOptions): Promise<Session>;
  close(): Promise<void>;
}
