/** A platform's way to its GPU. */

/** Which adapters are looked for: all, or only those that are no software; then, nothing is printed by others. */
export type Among = "all" | "hardware";

export interface AdapterWishes {
  readonly among: Among;
  /** Whether weights shall be kept in half precision, for which some platforms have to be asked by name. */
  readonly halfWeights: boolean;
}

export interface Gpu {
  /**
   * The system's preferred adapter, a GPUAdapter, which is not called so here: programs that use the library's types need not
   * have WebGPU's. Nothing where there is none. What WebGPU names by globals (GPUBufferUsage and its like)
   * is there afterwards, as in a browser.
   * @throws DeviceError where WebGPU itself cannot be had.
   */
  adapter(wishes: AdapterWishes): Promise<object | undefined>;
  /**
   * What `promise`, which the GPU settles, gives, looked for every `pause` milliseconds where somebody has to look; and all the time
   * around the time after which it is `expected`, where that is known.
   */
  waitFor<T>(promise: Promise<T>, pause: number, expected?: number): Promise<T>;
  /**
   * The kernels for units that multiply small matrices, a MatrixProducts of kernels/op.ts, where such units may be had:
   * browsers have them behind a flag for developers, so a page does without their kernels.
   */
  readonly matrices?: object;
  /** Resolves when all that is to be told by now was told. */
  nextTurn(): Promise<void>;
}

/** Kernels that were measured on an adapter, see engine/tuning.ts. */
export interface Tuning {
  /** The name of the adapter, with its driver's version. */
  readonly adapter: string;
  /** Variants by `algorithmKey`. */
  readonly variants: Readonly<Record<string, string>>;
  /** Tiles by `layerKey`. */
  readonly tiles: Readonly<Record<string, string>>;
}
