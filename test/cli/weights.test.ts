/** Weights in the forms in which people have them, on the command line: what is told, and what the metadata keep. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { tar } from "../checkpoint/support.ts";
import { temporaryFolder } from "../support/features.ts";
import { needsCases, ownReference, sharedCases } from "../support/reference.ts";
import { seededVariables, type Variable, writeVariables } from "../support/small-checkpoint.ts";
import { runMain } from "./helpers.ts";

const graphs = join(ownReference, "graphs");

let folder = "";
let variables: Variable[] = [];
let plain = "";
let scoped = "";
beforeAll(async () => {
  folder = temporaryFolder();
  variables = await seededVariables("lenet", { classes: 5 });
  const write = (name: string, scope: string) =>
    writeVariables(
      join(folder, name),
      variables.map((v) => ({ ...v, name: scope + v.name })),
    );
  [plain, scoped] = [await write("plain", ""), await write("scoped", "tower_0/")];
});

const both = async () =>
  writeVariables(
    join(folder, "both"),
    ["a/", "b/"].flatMap((scope) => variables.map((v) => ({ ...v, name: scope + v.name }))),
  );

describe("checkpoint", () => {
  it("why tells the scope", async () => {
    const { code, out } = await runMain("checkpoint", "why", scoped);
    expect(code).toBe(0);
    expect(out).toContain(`${scoped} holds lenet under the scope tower_0/.`);
    expect(out).toContain("Its logits have 5 classes");
  });

  it("diff compares without the scope, and says so", async () => {
    const same = await runMain("checkpoint", "diff", scoped, plain);
    expect(same).toMatchObject({ code: 0, out: "" });
    expect(same.err).toBe(`The names of ${scoped} are compared without its scope tower_0/.\nno difference\n`);
    const [first, ...rest] = variables;
    const changed = await writeVariables(join(folder, "changed"), [
      { ...first, data: first.data.map((v, i) => (i === 0 ? v + 0.5 : v)) },
      ...rest,
    ]);
    const other = await runMain("checkpoint", "diff", scoped, changed);
    expect(other.out).toBe(`~ ${first.name} differs in 1 of ${first.data.length} values, at most by 0.500\n`);
    const network = await runMain("checkpoint", "diff", scoped, "lenet");
    expect(network.out).toBe(
      ["biases is 5, the network wants 10", "weights is 1024x5, the network wants 1024x10"]
        .reverse()
        .map((what) => `- tower_0/LeNet/fc4/${what}\n`)
        .join(""),
    );
  });

  it("takes the scope by hand where two would fit", async () => {
    const path = await both();
    const refused = await runMain("checkpoint", "why", path);
    expect(refused.code).toBe(5);
    expect(refused.err).toMatch(/holds lenet 2 times: under a\/, b\/\.[\s\S]*--scope a\//);
    for (const [command, ...rest] of [["why"], ["why", "lenet"]]) {
      const told = await runMain("checkpoint", command, path, ...rest, "--scope", "b/");
      expect(told.code).toBe(0);
      expect(told.out).toContain("holds lenet under the scope b/.");
    }
    expect((await runMain("checkpoint", "diff", path, "lenet", "--scope", "b")).out).toContain("b/LeNet/fc4");
  });

  it("ls lists graphs, and the variables of objects beside their keys", async () => {
    const graph = await runMain("checkpoint", "ls", join(graphs, "frozen.pb"));
    expect(graph.out).toMatch(/^MobilenetV1\/Conv2d_0\/weights +float32 +3x3x3x8 +864$/m);
    expect(graph.err).toBe("frozen graph, 15 tensors, 2.2 kB\n");
    const folded = await runMain("checkpoint", "ls", join(graphs, "folded.pb"));
    expect(folded.err).toContain("Batch norms were folded");
    const objects = await runMain("checkpoint", "ls", join(graphs, "saved_v2"));
    expect(objects.out).toMatch(
      /^kept\/0\/\.ATTRIBUTES\/VARIABLE_VALUE +float32 +3x3x3x8 +864 +MobilenetV1\/Conv2d_0\/weights$/m,
    );
    expect(objects.err).toContain(`The checkpoint is ${join(graphs, "saved_v2/variables/variables")}.`);
    expect(
      (await runMain("checkpoint", "show", join(graphs, "saved_v2"), "MobilenetV1/Conv2d_0/weights")).code,
    ).toBe(0);
  });

  it("diff finds no difference between a graph, a SavedModel and objects of the same numbers", async () => {
    for (const name of ["frozen_scoped.pb", "saved_v1", "saved_v2", "saved_frozen"]) {
      const { code, out } = await runMain(
        "checkpoint",
        "diff",
        join(graphs, "frozen.pb"),
        join(graphs, name),
      );
      expect([name, code, out]).toEqual([name, 0, ""]);
    }
  });

  it("why says of a graph what was done to it", async () => {
    const { code, out } = await runMain("checkpoint", "why", join(graphs, "folded.pb"), "mobilenet_v1_025");
    expect(code).toBe(5);
    expect(out).toMatch(/Batch norms were folded[\s\S]*cannot be extracted: 135 of 135 variables do not fit/);
  });
});

describe("extract", () => {
  const options = ["--device", "cpu", "--format", "npy", "--image-size", "28"];

  async function extract(...args: string[]) {
    const out = join(temporaryFolder(), "x.npy");
    const run = await runMain("extract", "--out", out, ...options, ...args);
    const metadata = run.code === 0 ? JSON.parse(readFileSync(`${out}.json`, "utf8")) : undefined;
    return { ...run, metadata, bytes: run.code === 0 ? readFileSync(out) : undefined };
  }

  it("takes the step of the state file in an archive, tells it, and keeps it", async () => {
    const files = (step: number, from: string) =>
      ["index", "data-00000-of-00001"].map((end) => ({
        name: `logs/model.ckpt-${step}.${end}`,
        data: readFileSync(`${from}.${end}`),
      }));
    const state = {
      name: "logs/checkpoint",
      data: Buffer.from('model_checkpoint_path: "/gone/model.ckpt-2000"\n'),
    };
    const archive = join(folder, "logs.tar.gz");
    writeFileSync(
      archive,
      gzipSync(tar([...files(100, plain), ...files(2000, scoped), state]), { level: 1 }),
    );
    const { err, metadata, bytes } = await extract("--model", "auto", "--checkpoint", archive);
    const checkpoint = `${archive}/logs/model.ckpt-2000`;
    expect(metadata.weights).toMatchObject({ path: archive, checkpoint, scope: "tower_0/", format: "V2" });
    expect(err).toContain(`The checkpoint is ${checkpoint}.`);
    expect(err).toContain("under the scope tower_0/");
    expect(err).toMatch(/weights: +\S+logs\/model\.ckpt-2000 \(lenet under tower_0\/\)/);
    const named = await extract("--model", "lenet", "--checkpoint", `${archive}/logs/model.ckpt-100`);
    expect(named.metadata.weights).toMatchObject({ checkpoint: `${archive}/logs/model.ckpt-100` });
    expect(named.metadata.weights.scope).toBeUndefined();
    expect(named.bytes).toEqual(bytes);
  });

  it("goes on with a run only under the same scope", async () => {
    const path = await both();
    const out = join(temporaryFolder(), "x.npy");
    const run = (scope: string) =>
      runMain(
        "extract",
        "--model",
        "lenet",
        "--checkpoint",
        path,
        "--scope",
        scope,
        "--out",
        out,
        ...options,
      );
    expect((await run("a/")).code).toBe(0);
    const other = await run("b/");
    expect(other.code).toBe(9);
    expect(other.err).toMatch(/weights/);
    expect((await run("a/")).code).toBe(0);
  });

  it("prepares images by the rules that are asked for, and refuses them for grey inputs", async () => {
    const args = ["--model", "cifarnet", "--weights", "seeded"];
    const { metadata } = await extract(...args, "--preprocess", "vgg");
    expect(metadata.preprocess).toMatchObject({ mode: "vgg", description: expect.stringMatching(/^vgg: /) });
    const grey = await extract("--model", "lenet", "--weights", "seeded", "--preprocess", "inception");
    expect(grey.code).toBe(2);
    expect(grey.err).toContain("is for colours");
  });
});

describe("models", () => {
  it("says which preprocessing is the default, and why, where TF-Slim's own parts disagree", async () => {
    const { err } = await runMain("models");
    expect(err).toMatch(/resnet_v2 .*inception's preprocessing at 299.*--preprocess vgg --image-size 224/);
    expect((await runMain("models", "--help")).out).toContain("resnet_v2");
  });
});

describe.skipIf(!sharedCases)(`files that users brought${needsCases}`, () => {
  const reference = join(ownReference, "checkpoints/mobilenet_v1_025_v2.ckpt");

  it.each(["scope-prefix", "tf2-object"])("%s: why and diff are as for the plain file", async (name) => {
    const path = join(sharedCases as string, name);
    expect((await runMain("checkpoint", "why", path)).out).toContain("holds mobilenet_v1_025");
    const { out } = await runMain("checkpoint", "diff", path, reference);
    expect(out).not.toMatch(/MobilenetV1\/Conv2d/);
  });
});
