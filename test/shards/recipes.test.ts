/** The recipes of deploy/: what they type is what the program takes, and those that can be run here are run. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { beforeAll, describe, expect, it } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { permanentCodes } from "../../src/shards/run.ts";
import { capture } from "../cli/helpers.ts";
import { temporaryFolder } from "../support/features.ts";
import { drawFolder, root } from "../support/runs.ts";
import { planSmall, resultsIn } from "../support/shards.ts";

const deploy = join(root, "deploy");
const tool = `${process.execPath} ${join(root, "bin/slimfeatures.mjs")}`;

/** The commands in a text, as words: behind the tool's name, or as a list of arguments. */
function commandsIn(text: string): string[][] {
  const joined = text.replace(/\\\n\s*/g, " ");
  const lines = [
    ...joined.matchAll(
      /(?:slimfeatures(?::gpu)?|\$slimfeatures) ((?:plan|shards?|work|extract) [^|\n`);]*)/g,
    ),
  ];
  const lists = [...joined.matchAll(/(?:args|command)"?: \[("?(?:shard|work)"?,[^\]]*)\]/g)];
  const python = [...joined.matchAll(/\["slimfeatures", ([^\]]*)\]/g)];
  return [
    ...lines.map(([, words]) => words.split(/\s+/)),
    ...[...lists, ...python].map(([, words]) =>
      words.split(/,\s*/).map((word) => word.replace(/^f?"|"$/g, "")),
    ),
  ].map((words) => words.filter((word) => word !== "" && !word.startsWith("#")));
}

describe("the recipes", () => {
  const files = readdirSync(deploy);

  it.each(files)("of %s type what the program takes", (file) => {
    const program = makeProgram(capture().io, () => {});
    for (const words of commandsIn(readFileSync(join(deploy, file), "utf8"))) {
      let command: Command = program;
      for (const word of words) command = command.commands.find((c) => c.name() === word) ?? command;
      expect(command, words.join(" ")).not.toBe(program);
      const known = command.options.flatMap((o) => o.long ?? []);
      for (const word of words) {
        const option = /^"?(--[a-z-]+)/.exec(word)?.[1];
        if (option) expect(known, `${file}: ${words.join(" ")}`).toContain(option);
      }
    }
  });

  it("name every command at least once", () => {
    const all = files.flatMap((file) =>
      commandsIn(readFileSync(join(deploy, file), "utf8")).map(([first]) => first),
    );
    expect([...new Set(all)].sort()).toEqual(["extract", "plan", "shard", "shards", "work"]);
    expect(all.length).toBeGreaterThan(15);
  });

  it("are what the program says of its exit codes", () => {
    const given = permanentCodes.join(", ");
    const text = (file: string) => readFileSync(join(deploy, file), "utf8");
    expect(text("kubernetes.yaml")).toContain(`operator: In, values: [${given}]`);
    expect(text("ray_shards.py")).toContain(`PERMANENT = {${given}}`);
    expect(text("README.md")).toMatch(new RegExp(`^\\| ${given} +\\|.*give up`, "m"));
    const batch = JSON.parse(text("aws-batch.json"));
    const exits = batch.retryStrategy.evaluateOnExit.filter((e: { action: string }) => e.action === "EXIT");
    expect(exits.map((e: { onExitCode: string }) => e.onExitCode).join(", ")).toBe(given);
  });
});

describe("run for real", () => {
  let folder = "";
  let images = "";
  beforeAll(async () => {
    folder = temporaryFolder();
    images = join(folder, "images");
    await drawFolder(images, 20);
  });

  const run = (command: string, args: readonly string[], env: NodeJS.ProcessEnv) =>
    spawnSync(command, args, { encoding: "utf8", env: { ...process.env, SLIMFEATURES: tool, ...env } });

  /** What shards are, without the notes of how they were made. */
  const features = (out: string) =>
    Object.fromEntries(
      Object.entries(resultsIn(out)).filter(([name]) => /^(features|_manifest|_stats)\//.test(name)),
    );

  it("the array of Slurm does the plan by parts, as Kubernetes' and Batch's indices do", async () => {
    const outs = [];
    const engines: readonly (readonly [string, (index: string) => NodeJS.ProcessEnv])[] = [
      ["slurm", (index) => ({ SLURM_ARRAY_TASK_ID: index, SLURM_CPUS_PER_TASK: "1", OF: "2", USER: "me" })],
      ["kubernetes", (index) => ({ JOB_COMPLETION_INDEX: index })],
      ["batch", (index) => ({ AWS_BATCH_JOB_ARRAY_INDEX: index })],
    ];
    for (const [engine, env] of engines) {
      const out = join(folder, engine);
      await planSmall(out, { inputs: [images], perShard: 7 });
      for (const index of ["0", "1"]) {
        const shard = ["shard", "--plan", out, "--index-from-env", "--of", "2", "--scratch", folder];
        const { status, stderr } =
          engine === "slurm"
            ? run("bash", [join(deploy, "slurm.sh"), out], { ...env(index), TMPDIR: folder })
            : run(process.execPath, [join(root, "bin/slimfeatures.mjs"), ...shard], env(index));
        expect(status, stderr).toBe(0);
      }
      outs.push(features(out));
    }
    expect(Object.keys(outs[0])).toHaveLength(12);
    expect(outs[1]).toEqual(outs[0]);
    expect(outs[2]).toEqual(outs[0]);
  });

  const parallel =
    spawnSync("parallel", ["--version"], { encoding: "utf8" }).stdout?.includes("GNU parallel") ?? false;
  const why = parallel || process.env.CI === "true" ? "" : " (skipped: there is no GNU parallel here)";
  it.skipIf(why !== "")(`GNU parallel does all that is missing, and nothing twice${why}`, async () => {
    const out = join(folder, "parallel");
    await planSmall(out, { inputs: [images], perShard: 5 });
    const log = join(folder, "jobs.log");
    const env = { JOBLOG: log, TMPDIR: folder };
    const first = run("bash", [join(deploy, "parallel.sh"), out], env);
    expect(first.status, first.stderr).toBe(0);
    expect(readFileSync(log, "utf8").trim().split("\n")).toHaveLength(1 + 5);
    expect(readdirSync(join(out, "features"))).toHaveLength(5);
    const again = run("bash", [join(deploy, "parallel.sh"), out], env);
    expect(again.status, again.stderr).toBe(0);
    expect(readFileSync(log, "utf8").trim().split("\n")).toHaveLength(1);
  });
});
