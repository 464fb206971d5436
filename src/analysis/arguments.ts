/** What the functions of the analysis are given, held against rules: what is wrong is said by its name. */
import { type Rule, wrongArgument } from "../arguments.ts";
import { UsageError } from "../errors.ts";

export const device: Rule = {
  must: "a device, as openDevice gives it",
  fits: (value) => typeof (value as { load?: unknown } | null)?.load === "function",
};

const rowsInWords = "rows, as readVectors gives them: { count, width, data }";

/** Of rows, which are held against `checkRows` where they are used. */
export const someRows: Rule = { must: rowsInWords, fits: isObject };

export const distance: Rule = {
  must: "a distance, 0 or more",
  fits: (value) => typeof value === "number" && value >= 0,
};

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

const isCount = (value: unknown, least: number): boolean =>
  Number.isSafeInteger(value) && (value as number) >= least;

/** @throws UsageError where `rows` are none, or have not as many numbers as they say */
export function checkRows(who: string, rows: unknown, name = "rows"): void {
  if (!isObject(rows) || !isCount(rows.count, 0) || !isCount(rows.width, rows.count === 0 ? 0 : 1))
    throw wrongArgument(who, name, rowsInWords, rows);
  const { count, width, data } = rows as { count: number; width: number; data: unknown };
  if (typeof rows.read === "function" && isCount(rows.blockRows, 1)) return;
  const wanted = `a Float32Array of ${count * width} numbers, ${count} rows of ${width}`;
  if (!(data instanceof Float32Array)) throw wrongArgument(who, `${name}.data`, wanted, data);
  if (data.length !== count * width)
    throw new UsageError(`${who}: \`${name}.data\` must be ${wanted}, not of ${data.length}.`);
}

/** @throws UsageError where there is not one label, or undefined, for each row */
export function checkLabels(who: string, labels: unknown, count: number): void {
  const one = (label: unknown) => label === undefined || typeof label === "string";
  if (Array.isArray(labels) && labels.length === count && labels.every(one)) return;
  throw wrongArgument(who, "labels", `an array of ${count} texts, one a row, or undefined for none`, labels);
}

/** How many rows, clusters or folds. */
export const atLeast = (least: number): Rule => ({
  must: `a whole number from ${least} on`,
  fits: (value) => isCount(value, least),
});

export { callback, checkArguments, oneOf, positive, type Rules, wrongArgument } from "../arguments.ts";
