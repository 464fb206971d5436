/** Two checkpoints tensor by tensor. */
import type { Checkpoint, TensorData } from "../checkpoint/index.ts";
import { formatShape, sameShape } from "../tensor.ts";

export interface TensorDifference {
  readonly name: string;
  /** "-" only in the first, "+" only in the second, "~" in both and not the same. */
  readonly sign: "-" | "+" | "~";
  readonly what: string;
}

/** The tensors in which two checkpoints differ, values included, sorted by name. One tensor of each is held at a time. */
export async function compareCheckpoints(first: Checkpoint, second: Checkpoint): Promise<TensorDifference[]> {
  const names = [...new Set([...first.names, ...second.names])].sort();
  const differences: TensorDifference[] = [];
  for (const name of names) {
    const [a, b] = [first.entry(name), second.entry(name)];
    if (!a) differences.push({ name, sign: "+", what: `is only in ${second.path}` });
    else if (!b) differences.push({ name, sign: "-", what: `is only in ${first.path}` });
    else if (a.dtype !== b.dtype) differences.push({ name, sign: "~", what: `is ${a.dtype} and ${b.dtype}` });
    else if (!sameShape(a.shape, b.shape)) {
      differences.push({ name, sign: "~", what: `is ${formatShape(a.shape)} and ${formatShape(b.shape)}` });
    } else {
      const what = differenceOf((await first.read(name)).data, (await second.read(name)).data);
      if (what) differences.push({ name, sign: "~", what });
    }
  }
  return differences;
}

function differenceOf(a: TensorData, b: TensorData): string | undefined {
  let [count, largest] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    const same = x instanceof Uint8Array ? Buffer.from(x).equals(y as Uint8Array) : Object.is(x, y);
    if (same) continue;
    count++;
    if (!(x instanceof Uint8Array)) largest = Math.max(largest, Math.abs(Number(x) - Number(y)));
  }
  if (count === 0) return undefined;
  return `differs in ${count} of ${a.length} values${largest > 0 ? `, at most by ${largest.toPrecision(3)}` : ""}`;
}
