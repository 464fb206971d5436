/** The rows that stand for a cluster best. */
import { distanceOf } from "./distances.ts";
import type { Clusters } from "./kmeans.ts";
import { type BlocksOrRows, blocksOf, evenBlocks } from "./matrix.ts";

/** Of each cluster up to `count` rows, those nearest to its centre; the nearest first, of equal ones the lower index. */
export async function typicalRows(
  given: BlocksOrRows,
  { labels, centres, k }: Pick<Clusters, "labels" | "centres" | "k">,
  count: number,
): Promise<number[][]> {
  const rows = blocksOf(given);
  const { width } = rows;
  const distances = new Float64Array(rows.count);
  for (const { from, to } of evenBlocks(rows.count, rows.blockRows)) {
    const block = await rows.read(from, to);
    for (let row = from; row < to; row++) {
      const centre = labels[row] * width;
      distances[row] = distanceOf.euclidean(block, (row - from) * width, centres.data, centre, width);
    }
  }
  const members: number[][] = Array.from({ length: k }, () => []);
  for (const [row, label] of labels.entries()) members[label].push(row);
  return members.map((own) => own.sort((a, b) => distances[a] - distances[b] || a - b).slice(0, count));
}
