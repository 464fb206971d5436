/** The command line without a process: what it printed and the code it ended with. */
import type { Io } from "../../src/cli/io.ts";
import { main } from "../../src/cli/program.ts";

export interface Captured {
  readonly io: Io;
  out(): string;
  err(): string;
}

export function capture(change: Partial<Io> = {}): Captured {
  let out = "";
  let err = "";
  const io: Io = {
    out: async (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    terminal: false,
    colour: false,
    columns: 100,
    ...change,
  };
  return { io, out: () => out, err: () => err };
}

export async function runMain(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const captured = capture();
  const code = await main(args, captured.io);
  return { code, out: captured.out(), err: captured.err() };
}
