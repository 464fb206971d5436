/** Draws that are the same each time. */
import { seededUnits } from "../seeded.ts";
import { type BlocksOrRows, blocksOf, type Rows } from "./matrix.ts";

/** `count` numbers from 0 to 1, without 1, of the stream called `name`. */
export const uniform = (name: string, count: number): Float64Array =>
  Float64Array.from(seededUnits(name, count), (unit) => (unit + 1) / 2);

/** The numbers 0 to `count` - 1 in an order drawn by `name`. */
export function seededOrder(name: string, count: number): number[] {
  const drawn = uniform(name, count);
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const k = Math.floor(drawn[i] * (i + 1));
    [order[i], order[k]] = [order[k], order[i]];
  }
  return order;
}

/** At most `most` of `count` numbers, drawn by `name`, in their order. */
export const seededSample = (name: string, count: number, most: number): number[] =>
  count <= most
    ? Array.from({ length: count }, (_, i) => i)
    : seededOrder(name, count)
        .slice(0, most)
        .sort((a, b) => a - b);

/** Some rows, in memory. */
export async function takeRows(given: BlocksOrRows, indices: readonly number[]): Promise<Rows> {
  const rows = blocksOf(given);
  const data = new Float32Array(indices.length * rows.width);
  for (const [at, i] of indices.entries()) data.set(await rows.read(i, i + 1), at * rows.width);
  return { count: indices.length, width: rows.width, data };
}
