/** Which part of a plan is this process's, as arrays of jobs number their tasks. */
import { UsageError } from "../errors.ts";

/** What engines set, and which they are. */
const variables = {
  JOB_COMPLETION_INDEX: "Kubernetes",
  SLURM_ARRAY_TASK_ID: "Slurm",
  AWS_BATCH_JOB_ARRAY_INDEX: "AWS Batch",
  BATCH_TASK_INDEX: "Google Cloud Batch",
} as const;

/** The index that an engine gave this process. @throws UsageError where there is none, or several that differ */
export function indexFromEnvironment(env: NodeJS.ProcessEnv): number {
  const found = Object.entries(variables).flatMap(([name, engine]) => {
    const value = env[name];
    return value === undefined || value === "" ? [] : [{ name, engine, value }];
  });
  const names = Object.entries(variables).map(([name, engine]) => `${name} (${engine})`);
  if (found.length === 0) {
    throw new UsageError(
      "No engine has numbered this process: the environment has no index.",
      `Looked for ${names.join(", ")}. Without an engine name it: --shard i/n.`,
    );
  }
  const wrong = found.find(({ value }) => !/^\d+$/.test(value) || value !== found[0].value);
  if (!wrong) return Number(found[0].value);
  throw new UsageError(
    found.length > 1
      ? `${found.map(({ name, value }) => `${name} is ${value}`).join(", ")}: which one counts is not sure.`
      : `${wrong.name} is ${wrong.value}, which is no index.`,
    "Name it: --shard i/n.",
  );
}

/**
 * The shards of part `index` of `parts`: every `parts`-th from there on, so that an array of fewer tasks than shards does all.
 * @throws UsageError where there is no such part
 */
export function shardsOfPart(index: number, parts: number, shards: number): number[] {
  if (index >= parts) throw new UsageError(`There is no part ${index} of ${parts}: they count from 0.`);
  return Array.from(
    { length: Math.max(0, Math.ceil((shards - index) / parts)) },
    (_, i) => index + i * parts,
  );
}
