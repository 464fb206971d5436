/** Ranges in names, as shells and webdataset write them: `{00000..09999}` and `{train,val}`. */
import { UsageError } from "../errors.ts";

/** More names than that are a slip. */
const most = 10_000_000;

/** A range's numbers with the zeros that one of its ends has; undefined for what is no range. */
function rangeOf(text: string): string[] | undefined {
  const [, first, last] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  if (first === undefined) return undefined;
  const [a, b] = [Number(first), Number(last)];
  const width = first.startsWith("0") || last.startsWith("0") ? Math.max(first.length, last.length) : 0;
  const step = a <= b ? 1 : -1;
  if (Math.abs(b - a) >= most) throw new UsageError(`{${text}} are more than ${most} names.`);
  return Array.from({ length: Math.abs(b - a) + 1 }, (_, i) => String(a + step * i).padStart(width, "0"));
}

/** Every name that `text` stands for, in order; itself where it holds no braces that mean something. @throws UsageError */
export function expandBraces(text: string): string[] {
  const found = /\{([^{}]*)\}/.exec(text);
  if (!found) return [text];
  const [whole, inside] = found;
  const choices = rangeOf(inside) ?? (inside.includes(",") ? inside.split(",") : [whole]);
  const before = text.slice(0, found.index);
  const rests = expandBraces(text.slice(found.index + whole.length));
  if (choices.length * rests.length > most) throw new UsageError(`${text} are more than ${most} names.`);
  return choices.flatMap((choice) => rests.map((rest) => `${before}${choice}${rest}`));
}
