/**
 * What an operation is: one record that holds its shape rule, its cost, a plain reference loop, and the variants that
 * run it on the CPU and on the GPU, each with its idea in a sentence. Kernels are values: a GPU kernel is made from
 * geometry and a plain record of limits, never from a live device, so it can be printed and tested anywhere.
 */
import type { Shape } from "../tensor.ts";
import type { Fn } from "../wasm/code.ts";

/** What a kernel may count on; plain numbers copied from an adapter's limits. */
export interface Caps {
  /** The largest range of a buffer that one storage binding can see, in bytes. */
  readonly maxBindingBytes: number;
  readonly maxWorkgroupSize: number;
  readonly maxWorkgroupsPerDimension: number;
  /** Lanes of every subgroup; 0 where the adapter has no subgroup operations or no one size. */
  readonly subgroupSize: number;
  /**
   * Whether a kernel may round more for speed: Winograd's larger tiles. Not in programs of many residual sums, which
   * hand every error on (see `roundsFreely` in src/engine/variants.ts).
   */
  readonly roundsFreely: boolean;
  /** Whether weights that are laid out for a kernel are kept in half precision; sums stay float32. */
  readonly halfWeights: boolean;
  /**
   * Whether the adapter is a chip of its own, whose lanes read memory together and share workgroup memory. A processor
   * that plays a GPU (llvmpipe, SwiftShader) wants other kernels.
   */
  readonly hardware: boolean;
  /**
   * The kernels for units that multiply small matrices (16x16x16 in half precision, summed in float32), where there are such
   * units. They come as a value, since a page goes without: browsers have these units behind a flag for developers.
   */
  readonly matrices?: MatrixProducts;
  /** Workgroup memory of a workgroup, in bytes. */
  readonly workgroupBytes: number;
  /** Threads that a CPU kernel's tasks are for; it changes no bit. One where left out. */
  readonly threads?: number;
}

export type Activation = "none" | "relu" | "relu6";

/**
 * What is done to a value before it is written: * scale[channel], + bias[channel], + residual, then the activation.
 * Scale, bias and residual are the operands that follow the operation's own, in this order.
 */
export interface Epilogue {
  readonly scale: boolean;
  readonly bias: boolean;
  readonly residual: boolean;
  readonly activation: Activation;
  /** Where the value goes, when it is part of a joint one; left out when it is a value of its own. */
  readonly placement?: Placement;
  /** Where ranges of its channels go that are values of their own, in their order; these say placement and activation then. */
  readonly parts?: readonly Part[];
}

/** A range of a step's channels, in whole vectors of four. */
export interface Part {
  readonly channels: number;
  readonly activation: Activation;
  /** Which of the step's outputs it goes to, and where in that one if it does not fill it. */
  readonly output: number;
  readonly placement?: Placement;
}

/** The channels [channel, channel + own) of a value of `of` channels: a concat that nobody has to copy. */
export interface Placement {
  readonly channel: number;
  readonly of: number;
}

export const plainEpilogue: Epilogue = { scale: false, bias: false, residual: false, activation: "none" };

export interface Cost {
  /** Multiply-adds, counted as the papers do: convolutions and products only. */
  readonly macs: number;
  /** Bytes that must move at least once: operands and result. */
  readonly bytes: number;
}

/** Numbers only, worked out once from shapes and attributes; no kernel ever sees "SAME". */
export interface Geometry {
  readonly out: Shape;
}

/** Texels in a row of a texture that holds weights. */
export const texelsPerRow = 1024;

/** Rows of a texture that every adapter allows. */
const mostTexelRows = 8192;

/** What a texture, or a binding where that is less, holds of float32 weights. */
export const mostTexelBytes = ({ maxBindingBytes }: Caps): number =>
  Math.min(maxBindingBytes, 16 * texelsPerRow * mostTexelRows);

/** How a weight operand is laid out for a kernel. `chunks` keep each piece below the binding limit. */
export interface Packing {
  /** Names the layout, so that equal layouts of one weight are made once. */
  readonly layout: string;
  /** Floats in each chunk. */
  readonly chunks: readonly number[];
  /** Whether the device is to keep what `pack` gives in half precision. */
  readonly half?: boolean;
  /** Whether the device is to keep it as a texture of four numbers a texel, in rows of `texelsPerRow`. */
  readonly texels?: boolean;
  pack(values: Float32Array, chunk: number): Float32Array;
}

/** What a dispatch binds: an operand of the step by its number, or a piece of memory that the kernel asked for. */
export type Place = number | { readonly scratch: number };

/** One dispatch: its uniform bytes, its grid, and what it binds. */
export interface Dispatch {
  readonly params: ArrayBuffer;
  readonly grid: readonly [number, number, number];
  /** What is read, in binding order; all operands when left out. */
  readonly reads?: readonly Place[];
  /** What is written; the step's outputs when left out. */
  readonly writes?: { readonly scratch: number };
  /** Which chunk of the packed operands is bound. */
  readonly chunk?: number;
}

/** Dispatches of one shader. */
export interface GpuStage {
  /** The whole WGSL module. Bindings: 0 the parameters, then what is read, last all that is written. Entry point `main`. */
  readonly code: string;
  readonly dispatches: readonly Dispatch[];
}

export interface GpuKernel {
  readonly label: string;
  /** What a lane or a workgroup computes, in a few signs, where the kernel has a choice. For the bench. */
  readonly tile?: string;
  /** Run in this order. */
  readonly stages: readonly GpuStage[];
  /** Floats of each piece of memory that the kernel needs while it runs. */
  readonly scratch?: readonly number[];
  /** Layouts of weight operands, by operand index. */
  readonly packing?: Readonly<Record<number, Packing>>;
}

/**
 * A kernel for the processor: code that any number of threads call side by side, each for tasks of its own. What a task
 * writes depends on nothing but its number, and no two tasks write the same place.
 */
export interface CpuKernel {
  /** What the inner loop computes at once, in a few signs, where the kernel has a choice. For the bench. */
  readonly tile?: string;
  /** (params, task, scratch): `params` is the address of the record that src/kernels/cpu/params.ts describes. */
  readonly code: Fn;
  /** The kernel's own numbers, behind the addresses of the output and the operands. */
  readonly numbers: readonly number[];
  readonly tasks: number;
  /** Bytes that a task may write at `scratch`, for itself. */
  readonly scratchBytes: number;
  /** Multiply-adds that it really does, where they are not those that the operation counts. For the bench. */
  readonly macs?: number;
  /** Layouts of weight operands, by operand index; of one chunk. */
  readonly packing?: Readonly<Record<number, Packing>>;
}

/**
 * A way to run an operation. Of those that fit, the one of least estimated work is taken, or the first where none says
 * its work; every one is tested on the same cases.
 */
export interface Variant<G, K> {
  readonly name: string;
  /** The idea in a sentence, and what it is good for. */
  readonly idea: string;
  fits(geometry: G, caps: Caps): boolean;
  /**
   * Estimated work, comparable between the variants of one operation that fit an adapter: instructions where a processor
   * plays a GPU, nanoseconds of a chip.
   */
  work?(geometry: G, caps: Caps): number;
  /** Whether it writes the parts of an epilogue. */
  readonly writesParts?: boolean;
  /**
   * Names of the ways to cut it up that `build` can be asked for, the one it takes by itself first. None changes a bit;
   * the epilogue, plain where left out, may change their order.
   */
  tiles?(geometry: G, caps: Caps, epilogue?: Epilogue): readonly string[];
  /** `tile` is one of `tiles`; an unknown one counts as none. */
  build(geometry: G, epilogue: Epilogue, caps: Caps, tile?: string): K;
}

/** What conv-matrix.ts makes, for the geometry of windows; see Variant. */
export interface MatrixProducts {
  fits(geometry: Geometry, caps: Caps): boolean;
  work(geometry: Geometry, caps: Caps): number;
  tiles(geometry: Geometry, caps: Caps, epilogue?: Epilogue): readonly string[];
  build(label: string, geometry: Geometry, epilogue: Epilogue, caps: Caps, tile?: string): GpuKernel;
}

export interface Op<A, G extends Geometry> {
  readonly name: string;
  /** Operands from this index on are weights: known at load and laid out as the kernel wants. */
  readonly weightsFrom: number;
  /** Whether the kernels apply an epilogue; only then are bias, residual and activation fused in. */
  readonly fusesEpilogue: boolean;
  /** Whether the kernels can write into a joint value, in whole vectors of four channels; see Placement. */
  readonly placesOutput?: boolean;
  /** The shape rule and its guard. @throws ShapeError naming the operation and both numbers. */
  infer(inputs: readonly Shape[], attrs: A): G;
  cost(geometry: G): Cost;
  /** The obviously right loop, in float64 where sums are taken; it ignores the epilogue. */
  reference(geometry: G, inputs: readonly Float32Array[], out: Float32Array): void;
  readonly cpu: readonly Variant<G, CpuKernel>[];
  readonly gpu: readonly Variant<G, GpuKernel>[];
}

/** Bytes of float32 tensors, for `cost`. */
export function float32Bytes(...sizes: number[]): number {
  return 4 * sizes.reduce((a, b) => a + b, 0);
}
