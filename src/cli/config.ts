/** Options from a JSON file. What is given on the command line wins, then the environment, then the file. */
import { readFile } from "node:fs/promises";
import type { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { textIn } from "../text.ts";
import { takesOne } from "./repeats.ts";

/** `--batch-size` as SLIMFEATURES_BATCH_SIZE. */
export const environmentName = (option: Option): string =>
  `SLIMFEATURES_${(option.long ?? "").replace(/^--/, "").replaceAll("-", "_").toUpperCase()}`;

/** The keys of the outermost object as they stand there: of two alike, JSON.parse keeps the last. */
function keysIn(json: string): string[] {
  const keys: string[] = [];
  let depth = 0;
  for (const [token, text, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (text === undefined) depth += token === "{" || token === "[" ? 1 : -1;
    else if (depth === 1 && colon !== undefined) keys.push(JSON.parse(text) as string);
  }
  return keys;
}

async function readConfig(path: string): Promise<Record<string, unknown>> {
  let text: string;
  let config: unknown;
  try {
    text = textIn(await readFile(path));
    config = JSON.parse(text);
  } catch (cause) {
    throw new UsageError(
      `The configuration ${path} cannot be read: ${(cause as Error).message}.`,
      undefined,
      { cause },
    );
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new UsageError(
      `The configuration ${path} holds no object.`,
      'It should look like {"model": "inception_v1"}.',
    );
  }
  const keys = keysIn(text);
  const twice = keys.find((key, i) => keys.indexOf(key) < i);
  if (twice !== undefined) {
    throw new UsageError(
      `${twice} stands twice in ${path}.`,
      'Leave one out; an option of several values has them in brackets, such as {"glob": ["*.jpg", "*.png"]}.',
    );
  }
  return config as Record<string, unknown>;
}

/** A value of the file as the command line would have parsed it. */
function parse(option: Option, value: unknown, path: string): unknown {
  const name = (option.long ?? "").replace(/^--/, "");
  if (!option.required) {
    if (typeof value === "boolean") return value;
    throw new UsageError(`${name} in ${path} must be true or false.`);
  }
  const values = Array.isArray(value) ? value : [value];
  if (values.length !== 1 && takesOne(option)) throw new UsageError(`${name} in ${path} takes one value.`);
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
