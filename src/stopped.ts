/** Thrown when the user stopped the work before its end, by an AbortSignal. */
export class Stopped extends Error {
  /** What stopped it, such as "SIGINT"; "abort" where the signal's reason has no name. */
  readonly signal: string;
  /** What this run computed of how many images; what `extract` computed is kept. */
  readonly progress: { readonly done: number; readonly total: number | undefined } | undefined;

  constructor(reason: unknown, progress?: Stopped["progress"]) {
    const signal = typeof reason === "string" ? reason : "abort";
    super(signal === "abort" ? "Stopped: the signal was aborted." : `Stopped by ${signal}.`, {
      cause: reason,
    });
    // By this name, programs tell that they stopped the work themselves.
    this.name = "AbortError";
    this.signal = signal;
    this.progress = progress;
  }
}

/** @throws Stopped when `signal` has fired. */
export function throwIfStopped(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new Stopped(signal.reason);
}
