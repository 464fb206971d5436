/** What a tensor looks like, in a few numbers. */
import type { TensorValue } from "../checkpoint/index.ts";

const shownValues = 8;

/** Statistics of a tensor by name; only the element count of one without numbers. */
export function statisticsOf({ data, dtype }: TensorValue): Record<string, string> {
  if (Array.isArray(data)) {
    const texts = data
      .slice(0, shownValues)
      .map((bytes) => JSON.stringify(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)));
    return { elements: `${data.length}`, first: texts.join(" ") };
  }
  const exact = data instanceof BigInt64Array || data instanceof BigUint64Array;
  let [count, sum, squares, min, max, zeros, bad] = [
    0,
    0,
    0,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
    0,
    0,
  ];
  for (const element of data) {
    const v = Number(element);
    if (!Number.isFinite(v)) {
      bad++;
      continue;
    }
    count++;
    sum += v;
    squares += v * v;
    if (v === 0) zeros++;
    if (v < min) min = v;
    if (v > max) max = v;
  }
  const mean = sum / count;
  const show = (x: number) => (exact ? `${x}` : `${Number(x.toPrecision(7))}`);
  const first = Array.from<number | bigint, string>(data.subarray(0, shownValues), (v) => show(Number(v)));
  return {
    elements: `${data.length}${dtype.startsWith("complex") ? " (pairs)" : ""}`,
    ...(count > 0 && {
      min: show(min),
      max: show(max),
      mean: `${Number(mean.toPrecision(7))}`,
      "standard deviation": `${Number(Math.sqrt(Math.max(0, squares / count - mean * mean)).toPrecision(7))}`,
      zeros: `${zeros}`,
    }),
    "not finite": `${bad}`,
    first: `${first.join(" ")}${data.length > shownValues ? " ..." : ""}`,
  };
}
