/** The exit codes and what each tells a script: the text of `--help`. */
import { ExitCode } from "../errors.ts";

/** Of a program that a signal stopped: 128 and the number of the signal. */
export const signalExitCode: Readonly<Record<string, number>> = { SIGINT: 130, SIGTERM: 143 };

const meanings: readonly (readonly [code: number, meaning: string])[] = [
  [ExitCode.ok, "everything was done"],
  [
    ExitCode.unexpected,
    "an unexpected error, a failed download, or a features file that is damaged or does not do for this",
  ],
  [ExitCode.usage, "wrong options or arguments"],
  [ExitCode.someImagesFailed, "done, but some images could not be read; each is named on stderr"],
  [ExitCode.nothingToDo, "no images, or none that could be read"],
  [ExitCode.model, "no checkpoint, or one that is damaged or does not fit the network"],
  [ExitCode.device, "the device asked for cannot be used"],
  [ExitCode.output, "the output file cannot be written"],
  [ExitCode.busy, "another process does this now: try again later"],
  [ExitCode.otherSettings, "it was done by other settings before, or has other bytes; nothing was changed"],
  [signalExitCode.SIGINT, "stopped by Ctrl-C"],
  [signalExitCode.SIGTERM, "stopped by SIGTERM"],
];

export function exitCodeHelp(): string {
  const lines = meanings.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`);
  return ["", "Exit codes:", ...lines].join("\n");
}

/** The same as Markdown, for docs/cli.md. */
export function exitCodeTable(): string {
  const lines = meanings.map(([code, meaning]) => `| ${code} | ${meaning} |`);
  return ["| code | means |", "| ---: | --- |", ...lines].join("\n");
}
