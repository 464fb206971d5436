/** Images that are there more than once: by their content, by their pixels, or nearly. */
import * as rule from "./arguments.ts";
import { distanceOf, metrics } from "./distances.ts";
import { type BlocksOrRows, blocksOf } from "./matrix.ts";
import { groupsOf, type PairsOptions, pairsRules, pairsWithin, typicalDistance } from "./pairs.ts";

/** What is known of the image of a row besides its features. */
export interface DuplicateFacts {
  /** A hash of the file. */
  readonly content?: string;
  readonly width?: number;
  readonly height?: number;
}

/** `content`: the same file; `pixels`: other bytes, the same pixels; `near`: by the distance of the features. */
export type Sameness = "content" | "pixels" | "near";

export interface DuplicateGroup {
  /** The row to keep: of the most pixels, of equal ones the first. */
  readonly keep: number;
  readonly others: readonly {
    readonly row: number;
    /** What makes it a duplicate of the one to keep. */
    readonly same: Sameness;
    /** From the one to keep. In a chain of near images it may be more than the threshold. */
    readonly distance: number;
  }[];
}

export interface DuplicateOptions extends PairsOptions {
  /** Distances up to this one are near; by `nearThreshold` when left out. */
  readonly threshold?: number;
  /** What is known of each row, by its number. */
  readonly facts?: readonly (DuplicateFacts | undefined)[];
  /** A hash of an image's pixels, asked of those alone that are near to another; undefined where they cannot be had. */
  readonly pixelsOf?: (row: number) => Promise<string | undefined>;
}

const duplicateRules: rule.Rules<DuplicateOptions> = {
  ...pairsRules,
  threshold: rule.distance,
  facts: {
    must: "an array of what is known of each row, by its number",
    fits: (value) => Array.isArray(value),
  },
  pixelsOf: rule.callback,
};

/**
 * A cosine distance below this part of what is usual between two images is near. Of photographs with features of
 * mobilenet_v1, copies at half the size, of JPEG quality 60, cut by a twentieth, brighter or mirrored mostly lie within it
 * (0.04 where two images are 0.68 apart), and other photographs of one scene (0.08) do not.
 */
const nearPart = 0.06;

/** The distance up to which two rows are near, relative to the median distance of two rows of these. */
export async function nearThreshold(rows: BlocksOrRows, metric: PairsOptions["metric"]): Promise<number> {
  rule.checkRows("nearThreshold", rows);
  rule.checkArguments("nearThreshold", { metric }, { metric: rule.oneOf(...metrics) }, "metric");
  const typical = await typicalDistance(rows, metric);
  // The square of a Euclidean distance is to a cosine distance as the length's square is.
  return metric === "cosine" ? nearPart * typical : Math.sqrt(nearPart) * typical;
}

/**
 * Groups of rows that are the same or nearly, each connected by pairs that are. Groups stand in the order of their first rows.
 * @throws UsageError for wrong arguments, by their names; UserError for rows that are not all numbers; DeviceError
 */
export async function duplicates(
  rows: BlocksOrRows,
  given: DuplicateOptions,
): Promise<{ readonly threshold: number; readonly groups: DuplicateGroup[] }> {
  rule.checkRows("duplicates", rows);
  rule.checkArguments("duplicates", given, duplicateRules, "metric");
  const { threshold, facts = [], pixelsOf, ...options } = given;
  if (facts.length > rows.count)
    throw rule.wrongArgument("duplicates", "facts", `of at most ${rows.count} rows`, facts);
  const most = threshold ?? (await nearThreshold(rows, options.metric));
  const groups = groupsOf(rows.count);
  const first = new Map<string, number>();
  for (const [row, fact] of facts.entries()) {
    if (fact?.content === undefined) continue;
    const known = first.get(fact.content);
    if (known === undefined) first.set(fact.content, row);
    else groups.join(known, row);
  }
  await pairsWithin(rows, most, groups.join, options, groups.together);
  const found: DuplicateGroup[] = [];
  for (const members of groups.list())
    found.push(await groupOf(members, { rows, facts, pixelsOf, ...options }));
  return { threshold: most, groups: found };
}

async function groupOf(
  members: readonly number[],
  {
    rows,
    facts = [],
    pixelsOf = async () => undefined,
    metric,
  }: DuplicateOptions & { readonly rows: BlocksOrRows },
): Promise<DuplicateGroup> {
  const area = (row: number) => (facts[row]?.width ?? 0) * (facts[row]?.height ?? 0);
  const keep = members.reduce((best, row) => (area(row) > area(best) ? row : best));
  const source = blocksOf(rows);
  const kept = await source.read(keep, keep + 1);
  const pixels = await pixelsOf(keep);
  const others = [];
  for (const row of members) {
    if (row === keep) continue;
    const sameContent = facts[row]?.content !== undefined && facts[row]?.content === facts[keep]?.content;
    const samePixels = !sameContent && pixels !== undefined && (await pixelsOf(row)) === pixels;
    const same: Sameness = sameContent ? "content" : samePixels ? "pixels" : "near";
    const distance = distanceOf[metric](kept, 0, await source.read(row, row + 1), 0, source.width);
    others.push({ row, same, distance });
  }
  return { keep, others };
}
