/** The arguments of the library's functions, held against tables: what is wrong is said by the argument's name. */
import { UsageError } from "./errors.ts";
import { didYouMean } from "./nearest.ts";

/** What an argument has to be. */
export interface Rule {
  /** As it stands behind "must be". */
  readonly must: string;
  readonly fits: (value: unknown) => boolean;
}

/** One for each argument of an object of them. */
export type Rules<T> = { readonly [K in keyof Required<T>]: Rule };

const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

export const text: Rule = { must: "a text", fits: isText };
export const flag: Rule = { must: "true or false", fits: (value) => typeof value === "boolean" };
export const callback: Rule = { must: "a function", fits: (value) => typeof value === "function" };
export const signal: Rule = { must: "an AbortSignal", fits: (value) => value instanceof AbortSignal };
export const bytes: Rule = { must: "bytes (a Uint8Array)", fits: (value) => value instanceof Uint8Array };
export const texts: Rule = {
  must: "an array of texts",
  fits: (value) => Array.isArray(value) && value.every(isText),
};
export const textOrTexts: Rule = {
  must: "a text, or an array of texts",
  fits: (value) => text.fits(value) || (texts.fits(value) && (value as unknown[]).length > 0),
};
export const colour: Rule = {
  must: "three numbers from 0 to 255, such as [255, 255, 255]",
  fits: (value) =>
    Array.isArray(value) &&
    value.length === 3 &&
    value.every((v) => Number.isInteger(v) && v >= 0 && v <= 255),
};
export const positive: Rule = {
  must: "a number above 0",
  fits: (value) => typeof value === "number" && value > 0 && Number.isFinite(value),
};

export const wholeNumber = (most: number): Rule => ({
  must: `a whole number from 1 to ${most}`,
  fits: (value) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most,
});

export const oneOf = (...choices: readonly (string | number)[]): Rule => ({
  must: `one of ${choices.map(shown).join(", ")}`,
  fits: (value) => choices.includes(value as string),
});

/** What fits one rule or the other. */
export const either = (one: Rule, other: Rule): Rule => ({
  must: `${one.must}, or ${other.must}`,
  fits: (value) => one.fits(value) || other.fits(value),
});

/** A value as it stands in a sentence, shortly. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const name = Object.getPrototypeOf(value)?.constructor?.name ?? "Object";
  return name === "Object" ? "an object" : `an object of ${name}`;
}

/**
 * Holds the arguments that `who` was given against their rules; what is left out, or undefined, fits where it is not `needed`.
 * @throws UsageError that names the first argument that does not, or one that there is no rule for.
 */
export function checkArguments<T>(
  who: string,
  given: unknown,
  rules: Rules<T>,
  ...needed: readonly (keyof T & string)[]
): void {
  if (given !== undefined && (typeof given !== "object" || given === null || Array.isArray(given))) {
    throw new UsageError(`${who}: its arguments must be one object with names, not ${shown(given)}.`);
  }
  const names = Object.keys(rules);
  for (const [name, value] of Object.entries(given ?? {})) {
    const rule: Rule | undefined = Object.hasOwn(rules, name) ? rules[name as keyof T] : undefined;
    if (!rule) {
      const hint = didYouMean(name, names) ?? `There are: ${names.join(", ")}.`;
      throw new UsageError(`${who}: there is no argument \`${name}\`.`, hint);
    }
    if (value !== undefined && !rule.fits(value)) throw wrongArgument(who, name, rule.must, value);
  }
  const lacking = needed.find((name) => (given as Partial<T> | undefined)?.[name] === undefined);
  if (lacking !== undefined) throw wrongArgument(who, lacking, rules[lacking].must, undefined);
}

export const wrongArgument = (who: string, name: string, must: string, value: unknown): UsageError =>
  new UsageError(`${who}: \`${name}\` must be ${must}, not ${shown(value)}.`);
