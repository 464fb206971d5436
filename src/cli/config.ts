/** Options from a JSON file. What is given on the command line wins, then the environment, then the file. */
import { readFile } from "node:fs/promises";
import type { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { textIn } from "../text.ts";

/** `--batch-size` as SLIMFEATURES_BATCH_SIZE. */
export const environmentName = (option: Option): string =>
  `SLIMFEATURES_${(option.long ?? "").replace(/^--/, "").replaceAll("-", "_").toUpperCase()}`;

async function readConfig(path: string): Promise<Record<string, unknown>> {
  try {
    const config: unknown = JSON.parse(textIn(await readFile(path)));
    if (typeof config === "object" && config !== null && !Array.isArray(config))
      return config as Record<string, unknown>;
  } catch (cause) {
    throw new UsageError(
      `The configuration ${path} cannot be read: ${(cause as Error).message}.`,
      undefined,
      { cause },
    );
  }
  throw new UsageError(
    `The configuration ${path} holds no object.`,
    'It should look like {"model": "inception_v1"}.',
  );
}

/** A value of the file as the command line would have parsed it. */
function parse(option: Option, value: unknown, path: string): unknown {
  const name = (option.long ?? "").replace(/^--/, "");
  if (!option.required) {
    if (typeof value === "boolean") return value;
    throw new UsageError(`${name} in ${path} must be true or false.`);
  }
  const values = Array.isArray(value) ? value : [value];
  let parsed: unknown;
  for (const each of values) {
    if (typeof each !== "string" && typeof each !== "number") {
      throw new UsageError(`${name} in ${path} must be a text or a number.`);
    }
    if (!option.parseArg) parsed = each;
    else {
      try {
        parsed = option.parseArg(String(each), parsed as never);
      } catch (error) {
        throw new UsageError(`${name} in ${path}: ${(error as Error).message}`);
      }
    }
  }
  return parsed;
}

/** The options of a command, those of its --config file included. @throws UsageError for what the file says wrong. */
export async function applyConfig<T extends { readonly config?: string }>(command: Command): Promise<T> {
  const flags = command.opts<T>();
  if (flags.config === undefined) return flags;
  const config = await readConfig(flags.config);
  for (const [name, value] of Object.entries(config)) {
    const option = command.options.find((o) => o.long === `--${name}`);
    if (!option || name === "config") {
      const names = command.options.filter((o) => !o.hidden).map((o) => (o.long ?? "").slice(2));
      throw new UsageError(`There is no option ${name} (in ${flags.config}).`, didYouMean(name, names));
    }
    const source = command.getOptionValueSource(option.attributeName());
    if (source === "cli" || source === "env") continue;
    command.setOptionValueWithSource(option.attributeName(), parse(option, value, flags.config), "config");
  }
  return command.opts<T>();
}
