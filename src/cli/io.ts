/** Where the command line prints: data to stdout, everything else to stderr. */

export interface Io {
  /** Prints data to stdout and waits until it is taken. Rejects with code EPIPE when nobody reads any more. */
  out(text: string): Promise<void>;
  /** Prints to stderr. */
  err(text: string): void;
  /** Whether stderr is a terminal on which lines can be redrawn. */
  readonly terminal: boolean;
  /** Whether colours are welcome on stderr. */
  readonly colour: boolean;
  readonly columns: number;
}

/** The process's own streams, by the conventions of NO_COLOR, TERM=dumb and CI. */
export function processIo(env: NodeJS.ProcessEnv = process.env): Io {
  const { stdout, stderr } = process;
  // The rejected write tells of it; unheard, the event would end the process with a stack.
  stdout.on("error", () => {});
  stderr.on("error", () => {});
  const terminal = stderr.isTTY === true && env.TERM !== "dumb" && !env.CI;
  return {
    out: (text) =>
      new Promise((resolve, reject) => {
        stdout.write(text, (error) => (error ? reject(error) : resolve()));
      }),
    err: (text) => void stderr.write(text),
    terminal,
    colour: terminal && !env.NO_COLOR,
    columns: stderr.columns ?? 80,
  };
}

/** Whether `error` says that the reader of our output has gone, which is no mistake. */
export function isBrokenPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "EPIPE";
}
