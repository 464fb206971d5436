/** A shard's number as it stands in names: as img2dataset writes them. */
export const shardName = (shard: number): string => String(shard).padStart(5, "0");

/** Whether a name is one that shards publish under: what stands in a file of results names nothing else. */
export const isPublishedName = (name: string): boolean =>
  /^(?:features|img_emb|metadata|_manifest|_predictions)\/[\w-]+\.(?:parquet|npy|jsonl?)$/.test(name);

/** The numbers of shards among names such as `_stats/00012_stats.json`. */
export const shardIn = (name: string): number => Number(/(\d{5,})[^/]*$/.exec(name)?.[1] ?? Number.NaN);

/** Numbers as arrays of jobs take them: `3,17-19`. */
export function ranges(numbers: readonly number[]): string {
  const sorted = [...numbers].sort((a, b) => a - b);
  const parts: string[] = [];
  for (let i = 0; i < sorted.length; ) {
    let last = i;
    while (sorted[last + 1] === sorted[last] + 1) last++;
    parts.push(last === i ? String(sorted[i]) : `${sorted[i]}-${sorted[last]}`);
    i = last + 1;
  }
  return parts.join(",");
}
