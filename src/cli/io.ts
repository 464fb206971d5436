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
  /** The width of stdout, where that is a terminal. */
  readonly outColumns?: number;
}

/** What this program draws with. */
const drawn = ["\r\x1b[K", "\x1b[K", "\x1b[32m", "\x1b[39m", "\x1b[1;31m", "\x1b[0m", "\r\n", "\n", "\t"];

/**
 * Text with other control characters made visible: names out of files would otherwise command the terminal, to clear it, to
 * retitle it, or to show another name.
 */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (c, at: number) =>
    drawn.some((own) => text.startsWith(own, at)) ? c : `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
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
        stdout.write(stdout.isTTY ? visible(text) : text, (error) => (error ? reject(error) : resolve()));
      }),
    err: (text) => void stderr.write(visible(text)),
    terminal,
    colour: terminal && !env.NO_COLOR,
    columns: stderr.columns ?? 80,
    outColumns: stdout.isTTY ? stdout.columns : undefined,
  };
}

/** Whether `error` says that the reader of our output has gone, which is no mistake. */
export function isBrokenPipe(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === "EPIPE";
}
