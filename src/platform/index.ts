/**
 * What a platform has to give so that networks run on it: types only. A value of `Platform` is handed on from whoever opens
 * a device or a network; nothing below asks for it, and nothing of it is global.
 */
import type { Files } from "./files.ts";
import type { Folder } from "./folder.ts";
import type { Gpu, Tuning } from "./gpu.ts";
import type { Threads } from "./threads.ts";

export type { Files } from "./files.ts";
export type { Folder } from "./folder.ts";
export type { AdapterWishes, Among, Gpu, Tuning } from "./gpu.ts";
export type { Thread, ThreadData, Threads } from "./threads.ts";

/** The folders that come with the project. */
export interface OwnFolders {
  /** Statistics of untrained networks, see nets/seeded-weights.ts. */
  readonly statistics: Folder;
  /** Lists of classes' names, see nets/imagenet.ts. */
  readonly names: Folder;
  /** Trained weights, see `included` in nets/registry.ts. */
  readonly weights: Folder;
}

export interface Platform {
  /** Absent where there is no WebGPU to be asked for. */
  readonly gpu?: Gpu;
  readonly threads: Threads;
  readonly own: OwnFolders;
  /** The user's files. */
  readonly files: Files;
  /**
   * Copies all of `from` to the start of `to`, either of which may be memory that threads share.
   * @throws RangeError where `to` is shorter.
   */
  copy(from: Float32Array, to: Float32Array): void;
  /** What was measured on an adapter of this name and kept, if anything was. */
  tuningOf?(adapter: string): Promise<Tuning | undefined>;
}
