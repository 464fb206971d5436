/** Thrown when the user stopped the work before its end. */
export class Stopped extends Error {
  /** What stopped it, such as "SIGINT". */
  readonly signal: string;
  /** What this run computed, which is kept, of how many images. */
  readonly progress: { readonly done: number; readonly total: number } | undefined;

  constructor(reason: unknown, progress?: Stopped["progress"]) {
    const signal = typeof reason === "string" ? reason : "SIGINT";
    super(`Stopped by ${signal}.`);
    this.name = "Stopped";
    this.signal = signal;
    this.progress = progress;
  }
}

/** @throws Stopped when `signal` has fired. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Stopped(signal.reason);
}
