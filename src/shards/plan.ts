/**
 * A run over many machines, frozen: what is computed, by which settings and weights, and what of it each shard is. A shard is
 * one tar archive as it lies, or so many rows of a table, or a stretch of the sorted list of files. The plan lies where the
 * results will (`OUT/_plan.json`; lists of files in `OUT/_plan/`), and its hash is in every result: shards of two plans cannot
 * be mixed. Written once; a worker reads it, and computes nothing that it does not say.
 */
import { OtherSettingsError, UsageError } from "../errors.ts";
import { keptEndPoints, openFor } from "../extract/plan.ts";
import { settled } from "../extract/request.ts";
import type { ExtractRooms } from "../extract/rooms.ts";
import { jpegMethods } from "../images/options.ts";
import type { Network } from "../network/network.ts";
import { chooseModel } from "../network/weights.ts";
import { toolName, toolVersion } from "../node/package.ts";
import { formatShape } from "../tensor.ts";
import { findInputs, type InputWishes } from "./inputs.ts";
import { layouts } from "./layouts.ts";
import type { LayoutName, ShardPlan, ShardSettings } from "./model.ts";
import { hashOfContent, isCount, isRecord, jsonBytes, locate, type Storage } from "./storage/index.ts";

/** Where a plan lies in the folder of its results. */
export const planName = "_plan.json";

export interface PlanWishes extends InputWishes {
  readonly settings: ShardSettings;
  /** The folder or address of the results. */
  readonly out: Storage;
  readonly layout: LayoutName;
  readonly notice?: (sentence: string) => void;
}

/** The hash of a plan's content, whatever the order of its members. */
export const hashOfPlan = (content: Omit<ShardPlan, "hash">): Promise<string> =>
  hashOfContent(Buffer.from(JSON.stringify(sortedMembers(content))));

const sortedMembers = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sortedMembers);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sortedMembers(v)]),
  );
};

/** What tells weights from others. */
export const weightsOf = ({ weights }: Pick<Network, "weights">): string =>
  weights.kind === "seeded"
    ? "seeded"
    : `sha256 ${weights.sha256}${weights.scope ? ` under ${weights.scope}` : ""}${weights.ema ? ", moving averages" : ""}`;

/** Settings that would make the features of a shard depend on what else is in it. @throws UsageError */
function checkSettings(
  { dtype, layers, pcaFile }: ShardSettings,
  shape: readonly number[],
  layout: LayoutName,
): void {
  if (dtype === "int8") {
    throw new UsageError(
      "Numbers of 8 bits have a scale for each shard, and shards of different scales are no one table.",
      "Plan with --dtype f16, and merge or convert with --dtype i8.",
    );
  }
  if ((layers?.length ?? 0) > 1) {
    throw new UsageError(
      "A plan is of one layer, and several are named.",
      "Make a plan for each, into its own folder.",
    );
  }
  if (!pcaFile && shape.length > 1 && layouts[layout].flat) {
    throw new UsageError(
      `The layout ${layout} is of vectors, and the feature is ${formatShape(shape)}.`,
      "Make a vector of it with --pool, or choose --layout parquet.",
    );
  }
}

/** The hashes of the files that settings name, but for the weights, whose content is hashed as they are opened. */
async function hashFiles({ labels, pcaFile }: ShardSettings): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const path of [labels, pcaFile]) if (path !== undefined) hashes[path] = await hashOfFile(path);
  return hashes;
}

export async function hashOfFile(path: string): Promise<string> {
  const { storage, name } = await locate(path);
  const hash = await storage.hashOf(name);
  if (hash === undefined) throw new UsageError(`There is no file ${path}.`);
  return hash;
}

/**
 * Makes a plan and puts it where its results will be. The network is opened once, so that what no worker could compute is
 * told now. The same wishes again find their plan and change nothing.
 * @throws UsageError; CheckpointError; OtherSettingsError where there is another plan; NothingToDoError where there are no inputs
 */
export async function makePlan(wishes: PlanWishes, rooms: ExtractRooms): Promise<ShardPlan> {
  const { settings, out, layout, notice } = wishes;
  const model = await chooseModel(settings, rooms.identifyCheckpoint);
  const request = settled({ ...settings, model: model.name, inputs: "planned", batchSize: 1 });
  // On the processor, whatever the workers have: only names, shapes and weights are looked at.
  const looked = { ...request, device: "cpu" as const, precision: "f32" as const };
  const network = await openFor(looked, rooms, { model, inputs: [{ key: "", path: Buffer.alloc(0) }] });
  let featureShape: readonly number[];
  let weights: string;
  try {
    featureShape = keptEndPoints(network, settings.pool ?? "none")[0].shape;
    weights = weightsOf(network);
  } finally {
    await network.close();
  }
  checkSettings(settings, featureShape, layout);
  const { shards, tables, captions, lists } = await findInputs(wishes);
  const content = {
    version: 1,
    tool: `${toolName} ${toolVersion}`,
    settings: { ...settings, model: model.name },
    weights,
    files: await hashFiles(settings),
    featureShape,
    layout,
    captions,
    source: [...wishes.inputs, ...wishes.lists],
    tables,
    shards,
  } as const;
  const made: ShardPlan = { ...content, hash: await hashOfPlan(content) };
  const there = await out.read(planName);
  if (there) {
    const { hash } = await parsePlan(there, out.place);
    if (hash === made.hash) notice?.("This was planned before; nothing is changed.");
    else throw otherPlan(out);
    return made;
  }
  // Nobody knows of the lists before the plan is there.
  for (const [name, bytes] of lists) await out.put(name, bytes, { ifAbsent: false });
  if (!(await out.put(planName, jsonBytes(made), { ifAbsent: true }))) return makePlan(wishes, rooms);
  return made;
}

function otherPlan(out: Storage): OtherSettingsError {
  return new OtherSettingsError(
    `In ${out.place} there is another plan: of other inputs or settings.`,
    `Choose another --out, or remove what is there.`,
  );
}

/** Reads a plan. @throws UsageError where there is none, or it is damaged, or another version's */
export async function readPlan(
  address: string,
): Promise<{ readonly plan: ShardPlan; readonly out: Storage }> {
  const named = address.endsWith(".json") ? address : `${address.replace(/\/$/, "")}/${planName}`;
  const { storage, name } = await locate(named);
  const bytes = await storage.read(name);
  if (!bytes)
    throw new UsageError(`There is no plan ${named}.`, "Make one with: npm run plan -- --out FOLDER INPUTS");
  return { plan: await parsePlan(bytes, named), out: storage };
}

async function parsePlan(bytes: Buffer, where: string): Promise<ShardPlan> {
  const damaged = (cause?: unknown) =>
    new UsageError(
      `The plan ${where} is damaged, or was changed by hand.`,
      "Plan again, into another folder.",
      { cause },
    );
  let plan: ShardPlan;
  try {
    plan = JSON.parse(bytes.toString("utf8")) as ShardPlan;
  } catch (cause) {
    throw damaged(cause);
  }
  const { hash, ...content } = plan ?? {};
  if (content.version !== 1) {
    throw new UsageError(
      `The plan ${where} is of another version of ${toolName}.`,
      "Use that version for its shards.",
    );
  }
  if (!isContent(content) || (await hashOfPlan(content)) !== hash) throw damaged();
  return plan;
}

const isText = (value: unknown): value is string => typeof value === "string";
const isTexts = (value: unknown): value is string[] => Array.isArray(value) && value.every(isText);
const isMaybe = (value: unknown, is: (value: unknown) => boolean): boolean =>
  value === undefined || is(value);

/** What each kind of shard must say. */
const shardParts: Readonly<Record<string, (shard: Record<string, unknown>, tables: number) => boolean>> = {
  tar: ({ place, prefix, bytes }) => isText(place) && isText(prefix) && isMaybe(bytes, isCount),
  files: ({ list, sha256, count }) =>
    isText(list) && /^_plan\/\d{5,}\.jsonl$/.test(list) && isText(sha256) && isCount(count),
  rows: ({ table, first, count, from, to }, tables) =>
    isCount(table) &&
    table < tables &&
    [first, count].every(isCount) &&
    [from, to].every((at) => isMaybe(at, isCount)),
};

/** Whether a plan has what is read of it. Its hash tells a slip, and nothing of who made it. */
function isContent(content: object): boolean {
  const { settings, weights, files, featureShape, layout, source, tables, shards } = content as Record<
    string,
    unknown
  >;
  return (
    isRecord(settings) &&
    isText(settings.model) &&
    ["cpu", "webgpu"].includes(settings.device as string) &&
    jpegMethods.some((method) => method === settings.jpeg) &&
    isText(weights) &&
    isRecord(files) &&
    Object.values(files).every(isText) &&
    Array.isArray(featureShape) &&
    featureShape.every(isCount) &&
    isText(layout) &&
    Object.hasOwn(layouts, layout) &&
    isTexts(source) &&
    Array.isArray(tables) &&
    tables.every((table) => isRecord(table) && isText(table.place) && isText(table.url)) &&
    Array.isArray(shards) &&
    shards.every(
      (shard) =>
        isRecord(shard) &&
        isText(shard.kind) &&
        Object.hasOwn(shardParts, shard.kind) &&
        shardParts[shard.kind](shard, tables.length),
    )
  );
}
