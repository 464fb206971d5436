/**
 * Frozen graphs and SavedModels that TensorFlow wrote, and their graph in every place that one may have. Graphs have no
 * checksums: what is promised of a changed one is a typed error or values that are well formed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../src/errors.ts";
import { explain } from "../../src/network/explain.ts";
import { shapesOf } from "../../src/network/network.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { message } from "../../test/checkpoint/support.ts";
import { ownReference } from "../../test/support/reference.ts";
import { cut, damage } from "../damage.ts";
import type { Dice } from "../dice.ts";
import { damageMessage } from "../protos.ts";
import type { Files, Reading, Seed, Target } from "../target.ts";
import { readCheckpoint } from "./checkpoint.ts";

const dir = join(ownReference, "graphs");
const graph = (name: string) => readFileSync(join(dir, name));
const text = (words: string) => Buffer.from(words);

const meta = (inner: Buffer) =>
  message([1, message([1, text("v")], [4, text("serve")])], [2, inner], [4, message([1, text("k")])]);

/** The places of a graph in files. */
const places: Readonly<Record<string, (inner: Buffer) => Files>> = {
  alone: (inner) => new Map([["frozen.pb", inner]]),
  "in a graph for training": (inner) => new Map([["frozen.pb", meta(inner)]]),
  "in a SavedModel": (inner) => new Map([["saved_model.pb", message([1, 1], [2, meta(inner)])]]),
  "in the second graph of two": (inner) =>
    new Map([["saved_model.pb", message([1, 1], [2, message([2, graph("unfrozen.pb")])], [2, meta(inner)])]]),
};

/** The nodes of a graph as those of a function that it has. */
function inFunction(inner: Buffer): Buffer {
  const nodes: (readonly [number, Buffer])[] = [];
  for (let at = 0; at < inner.length; ) {
    let length = 0;
    let from = at + 1;
    for (let scale = 1; ; scale *= 128) {
      const byte = inner[from++];
      length += (byte & 127) * scale;
      if (byte < 128) break;
    }
    if (inner[at] === 0x0a) nodes.push([3, inner.subarray(from, from + length)]);
    at = from + length;
  }
  const node = message([1, text("images")], [2, text("Placeholder")]);
  return message([1, node], [2, message([1, message([1, message([1, text("pruned")])], ...nodes)])]);
}

const graphs: Readonly<Record<string, Buffer>> = {
  frozen: graph("frozen.pb"),
  resource: graph("frozen_resource.pb"),
  scoped: graph("frozen_scoped.pb"),
  dtypes: graph("dtypes.pb"),
  function: inFunction(graph("frozen.pb")),
};

const folderOf = (name: string): Files =>
  new Map(
    (readdirSync(join(dir, name), { recursive: true, encoding: "utf8" }) as string[])
      .filter((file) => /\.pb$|variables\./.test(file))
      .map((file) => [file, graph(join(name, file))]),
  );

const opens = (files: Files) => (files.has("frozen.pb") ? "frozen.pb" : "");

const made = Object.keys(graphs).flatMap((name) =>
  Object.entries(places).map(([place, put]) => ({ name: `${name} ${place}`, files: put(graphs[name]) })),
);
const saved = ["saved_v1", "saved_v2", "saved_frozen", "saved_frozen_v2"].map((name) => ({
  name,
  files: folderOf(name),
}));
const stated: { name: string; files: Files } = {
  name: "state",
  files: new Map([
    [
      "checkpoint",
      text('model_checkpoint_path: "C:\\\\train\\\\variables"\nall_model_checkpoint_paths: "x"\n'),
    ],
    ...[...folderOf("saved_v1")].flatMap(([name, bytes]) =>
      name.includes("variables.") ? [[name.split("/")[1], bytes] as const] : [],
    ),
  ]),
};

const seeds: readonly Seed[] = [...made, ...saved, stated].map((seed) => ({
  ...seed,
  open: opens(seed.files),
}));

/** Words that mean something to the reader. */
const tokens = ["Const", "value", "/read", "VarHandleOp", "serve", "MobilenetV1_1/", "../../"].map(text);

function mutateGraph(seed: Seed, dice: Dice): { files: Files; how: string } {
  const [name] = Object.keys(graphs).filter((g) => seed.name.startsWith(`${g} `));
  const place = seed.name.slice(name.length + 1);
  let inner = graphs[name];
  for (let times = dice.chance(0.7) ? 1 : 2 + dice.below(4); times > 0; times--)
    inner = damageMessage(inner, dice, { tokens });
  return { files: places[place](inner), how: "message" };
}

export const frozen: Target = {
  name: "graph",
  seeds: async () => seeds,
  mutate(seed, dice, all) {
    if (made.some((m) => m.name === seed.name) && dice.chance(0.6))
      return { ...mutateGraph(seed, dice), open: seed.open, promise: "any" };
    const [name, bytes] = dice.pick([...seed.files]);
    const put = (harmed: Buffer) => new Map([...seed.files, [name, harmed]]);
    if (dice.chance(0.15))
      return { files: put(cut(bytes, dice)), how: `${name} cut`, open: seed.open, promise: "any" };
    const donor = dice.pick([...dice.pick(all).files.values()]);
    const { bytes: harmed, how } = damage(bytes, dice, { donor, tokens });
    const kept = dice.chance(0.03) ? new Map([...seed.files].filter(([n]) => n !== name)) : put(harmed);
    return { files: kept, how: `${name}: ${how}`, open: seed.open, promise: "any" };
  },
  async read(path): Promise<Reading> {
    const reading = await readCheckpoint(path);
    try {
      const checkpoint = await openCheckpoint(path);
      try {
        explain(path, shapesOf(checkpoint), { caveat: checkpoint.caveat });
      } finally {
        await checkpoint.close();
      }
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
    }
    return reading;
  },
};
