/** What a command's module gives. */
import type { Command } from "commander";
import type { Io } from "./io.ts";

/** Adds a command to the program. What it prints goes through `io`; the number it ends with goes to `exit`. */
export type AddCommand = (program: Command, io: Io, exit: (code: number) => void) => void;
