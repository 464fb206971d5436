/** A run over many machines: planned, computed by shards, checked, merged. */
export { indexFromEnvironment, shardsOfPart } from "./array.ts";
export { type Checked, checkShards, markSuccess, requeue, type Status, statusOf } from "./check.ts";
export { keepNetwork } from "./kept.ts";
export { layouts } from "./layouts.ts";
export { mergeShards } from "./merge.ts";
export type { LayoutName, ShardPlan, ShardSettings } from "./model.ts";
export { ranges, shardName } from "./names.ts";
export { makePlan, type PlanWishes, planName, readPlan } from "./plan.ts";
export { fillQueue, type WorkOptions, workQueue } from "./queue.ts";
export { isPermanent, type RunShardOptions, runShard, type ShardReport } from "./run.ts";
export { openStorage } from "./storage/index.ts";
