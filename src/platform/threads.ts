/** A platform's threads, as the CPU path uses them. */

/** What a thread is started with: the memory that all share, and which of them it is; the main one is 0. */
export interface ThreadData {
  /** A WebAssembly.Memory, whose type TypeScript has together with a browser's only. */
  readonly memory: { readonly buffer: SharedArrayBuffer };
  readonly thread: number;
  /** How many there are. */
  readonly threads: number;
  /** How many the machine runs at once. */
  readonly cores: number;
}

/** A thread beside the main one that runs what engine/cpu/thread.mjs says. */
export interface Thread {
  /** Resolves once it runs; rejects where it cannot. From then on it does not keep the program from its end. */
  readonly ready: Promise<void>;
  /** Sends it something for `take`. It is there when the next run begins, or a moment later. */
  send(message: object): void;
  end(): Promise<void>;
}

export interface Threads {
  /** How many threads the machine runs at once. */
  count(): number;
  /** The processor's name. */
  processor(): string;
  /** Starts a thread; `failed` is told why it could not go on. */
  start(data: ThreadData, failed: (reason: string) => void): Thread;
  /** Lets whatever else waits for this thread have its turn. */
  nextTurn(): Promise<void>;
}
