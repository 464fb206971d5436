/** Reads JSON lines of features. */
import { UserError } from "../../errors.ts";
import { isShape, sizeOf } from "../../tensor.ts";
import { textIn } from "../../text.ts";
import type { FeatureRow } from "./array.ts";
import type { ByteReader } from "./bytes.ts";

interface Line {
  readonly path: string;
  readonly feature: readonly (number | null)[];
  readonly shape?: readonly number[];
}

/** @throws UserError that names the line which is none of ours. */
export function* readJsonl(path: string, bytes: ByteReader): Generator<FeatureRow> {
  for (let number = 1; ; number++) {
    const line = bytes.line();
    if (line === undefined) return;
    if (line.length === 0) continue;
    const row = parse(number === 1 ? textIn(line) : line.toString());
    if (!row) {
      throw new UserError(
        `${path} is no features file: line ${number} is no object {"path": ..., "feature": [...]}.`,
      );
    }
    yield {
      path: row.path,
      shape: row.shape ?? [row.feature.length],
      data: Float32Array.from(row.feature, (x) => x ?? Number.NaN),
    };
  }
}

/** A line with as many numbers as its shape says; undefined for any other. */
function parse(text: string): Line | undefined {
  let line: Partial<Record<keyof Line, unknown>> | null;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { path, feature, shape } = line ?? {};
  const sound =
    typeof path === "string" &&
    Array.isArray(feature) &&
    feature.every((x) => x === null || typeof x === "number") &&
    (shape === undefined || (isShape(shape) && sizeOf(shape) === feature.length));
  return sound ? (line as Line) : undefined;
}
