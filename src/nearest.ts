/** "Did you mean": the names that are most like a wrong one. */

/** Insertions, deletions, replacements and swaps of neighbours between two words (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + Number(a[i - 1] !== b[j - 1]);
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, replaced);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        next[j] = Math.min(next[j], before[j - 2] + 1);
      }
    }
    before = row;
    row = next;
  }
  return row[b.length];
}

/**
 * Up to `count` of `names` that are like `name`, the likest first. A name that holds the other as a part counts as
 * close; what shares less than half of its letters is left out.
 */
export function nearest(name: string, names: Iterable<string>, count = 3): string[] {
  const wanted = name.toLowerCase();
  const scored: { name: string; score: number }[] = [];
  for (const candidate of names) {
    const other = candidate.toLowerCase();
    const longest = Math.max(wanted.length, other.length);
    const shortest = Math.min(wanted.length, other.length);
    const part = shortest >= 2 && (other.includes(wanted) || wanted.includes(other));
    // The length alone decides for most names, at no cost.
    if (!part && longest - shortest > longest / 2) continue;
    const edits = distance(wanted, other) / longest;
    const score = part ? Math.min(edits, 0.3) + edits / 100 : edits;
    if (score < 0.5) scored.push({ name: candidate, score });
  }
  return scored
    .sort((a, b) => a.score - b.score)
    .slice(0, count)
    .map((s) => s.name);
}

/** `Did you mean a or b?`, or nothing where no name is near. */
export function didYouMean(name: string, names: Iterable<string>): string | undefined {
  const near = nearest(name, names);
  if (near.length === 0) return undefined;
  const last = near.at(-1) as string;
  return `Did you mean ${near.length === 1 ? last : `${near.slice(0, -1).join(", ")} or ${last}`}?`;
}
