/** The one interface behind which programs run. */
import type { Caps } from "../kernels/op.ts";
import type { Program, Step } from "./program.ts";
import type { WeightSource } from "./weights.ts";

/** How long a step took. */
export interface StepTiming {
  readonly step: Step;
  readonly variant: string;
  readonly milliseconds: number;
}

/** A program with its weights on a device, ready to run many times. */
export interface Session {
  /** Values of the outputs, in the program's order. `inputs` are in the program's order too. */
  run(inputs: readonly Float32Array[]): Promise<Float32Array[]>;
  /** Runs once and times every step on its own. */
  time(inputs: readonly Float32Array[]): Promise<StepTiming[]>;
  /** Bytes that activations occupy. */
  readonly activationBytes: number;
  /** Frees the session's memory; weights stay with the device. */
  close(): void;
}

export interface Device {
  readonly backend: "webgpu" | "cpu";
  /** The adapter's or processor's own name. */
  readonly adapter: string;
  /** Where step timings come from. */
  readonly clock: string;
  readonly caps: Caps;
  /** Bytes of the weights kept by this device. */
  readonly weightBytes: number;
  /**
   * Compiles kernels and loads weights, one tensor at a time; a weight that an earlier program loaded in the same
   * layout is shared. `variant` forces the variant of that name wherever an operation has it.
   * @throws DeviceError
   */
  load(program: Program, weights: WeightSource, options?: { readonly variant?: string }): Promise<Session>;
  close(): Promise<void>;
}
