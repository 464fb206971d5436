/** Numbers on the command line. */
import { InvalidArgumentError, Option } from "commander";
import { pickleProtocols } from "../tables/formats/pkl.ts";

/** The parser of an option that is a whole number from `least` to `most`. */
export function wholeNumber(most: number, least = 1): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`);
  };
}

/** `--threads`, of every command that computes. More than 256 only take memory. */
export const threadsOption = (): Option =>
  new Option(
    "--threads <n>",
    "threads that compute on the CPU (default: one a core); change no result",
  ).argParser(wholeNumber(256));

/** `--pickle-protocol`, of every command that writes features. */
export const pickleProtocolOption = (): Option =>
  new Option("--pickle-protocol <n>", "of the format pkl: 3, or 2 for Python 2 (default: 3)").argParser(
    (text) => {
      const protocol = pickleProtocols.find((known) => String(known) === text);
      if (protocol !== undefined) return protocol;
      throw new InvalidArgumentError(`It must be ${pickleProtocols.join(" or ")}.`);
    },
  );
