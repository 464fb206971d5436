/**
 * Frozen graphs and SavedModels that TensorFlow wrote (scripts/make-graphs.py): alone, in folders and in archives, under any
 * name; and graphs that nobody should write.
 */
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Checkpoint, TensorValue } from "../../src/checkpoint/index.ts";
import { CheckpointError } from "../../src/errors.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { ownReference } from "../support/reference.ts";
import { constant, floats, message, shapeProto, type TarMember, tar, varint } from "./support.ts";

const graphs = join(ownReference, "graphs");

interface Expected {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: readonly (number | string | boolean | readonly number[])[];
}

const reference = JSON.parse(readFileSync(join(graphs, "graphs.json"), "utf8")) as {
  readonly layers: Record<string, Expected>;
  readonly dtypes: Record<string, Expected>;
};

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "graphs-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let count = 0;
const fresh = (name = "") => {
  const path = join(folder, `${count++}`);
  mkdirSync(path);
  return join(path, name);
};

function valueAt({ dtype, data }: TensorValue, i: number) {
  if (Array.isArray(data)) return Buffer.from(data[i]).toString("latin1");
  if (dtype.startsWith("complex")) return [Number(data[2 * i]), Number(data[2 * i + 1])];
  if (dtype === "bool") return data[i] !== 0;
  return /int/.test(dtype) ? String(data[i]) : Number(data[i]);
}

async function expectTensors(path: string, tensors: Record<string, Expected>, scope = ""): Promise<void> {
  const checkpoint = await openCheckpoint(path);
  try {
    expect(checkpoint.variables).toEqual(
      expect.arrayContaining(Object.keys(tensors).map((name) => scope + name)),
    );
    for (const [name, { dtype, shape, values }] of Object.entries(tensors)) {
      expect(checkpoint.entry(scope + name), name).toMatchObject({ dtype, shape });
      const value = await checkpoint.read(scope + name);
      expect(value, name).toMatchObject({ dtype, shape });
      expect(
        values.map((_, i) => valueAt(value, i)),
        name,
      ).toEqual(values);
    }
    expect(await checkpoint.identify()).toMatch(/^[0-9a-f]{64}$/);
  } finally {
    await checkpoint.close();
  }
}

/** The files of a folder as members of an archive. */
const members = (name: string, under: string): TarMember[] =>
  readdirSync(join(graphs, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { name: under + path.slice(join(graphs, name).length + 1), data: readFileSync(path) };
    });

const archive = (list: readonly TarMember[]): string => {
  const path = fresh("a.tar.gz");
  writeFileSync(path, gzipSync(tar(list)));
  return path;
};

/** What TensorFlow wrote, and what stands in front of the names there. */
const forms: readonly (readonly [name: string, scope: string])[] = [
  ["frozen.pb", ""],
  ["frozen_resource.pb", ""],
  ["frozen_scoped.pb", "FeatureExtractor/"],
  ["saved_v1", "module/"],
  ["saved_v2", ""],
  ["saved_frozen", ""],
  ["saved_frozen_v2", ""],
];

describe.each(forms)("%s as TensorFlow wrote it", (name, scope) => {
  const isFolder = !name.endsWith(".pb");

  it("gives every variable by its own name", () =>
    expectTensors(join(graphs, name), reference.layers, scope));

  it("is found in a folder that holds nothing else", async () => {
    const outer = fresh();
    cpSync(join(graphs, name), join(outer, name), { recursive: true });
    writeFileSync(join(outer, "notes.txt"), "notes");
    await expectTensors(outer, reference.layers, scope);
    if (isFolder) await expectTensors(join(outer, name, "saved_model.pb"), reference.layers, scope);
  });

  it("is found in an archive, and can be named there", async () => {
    const list = isFolder
      ? members(name, "./deep/model/")
      : [{ name: "./deep/model/x.pb", data: readFileSync(join(graphs, name)) }];
    const path = archive([...list, { name: "./deep/readme.txt", data: Buffer.from("text") }]);
    await expectTensors(path, reference.layers, scope);
    await expectTensors(`${path}/deep`, reference.layers, scope);
    const inner = `${path}/deep/model/${isFolder ? "saved_model.pb" : "x.pb"}`;
    await expectTensors(inner, reference.layers, scope);
  });
});

describe("a graph", () => {
  const frozen = readFileSync(join(graphs, "frozen.pb"));

  it("holds values of every type in every form that a TensorProto has, as TensorFlow reads them", () =>
    expectTensors(join(graphs, "dtypes.pb"), reference.dtypes));

  it.each(["weights.bin", "model", "frozen.ckpt"])("called %s is told by its content", async (name) => {
    const path = fresh(name);
    writeFileSync(path, frozen);
    await expectTensors(path, reference.layers);
    await expectTensors(join(path, ".."), reference.layers);
    await expectTensors(archive([{ name, data: frozen }]), reference.layers);
  });

  it("in a MetaGraphDef is read, too", async () => {
    const path = fresh("x.pb");
    writeFileSync(path, message([1, message([1, Buffer.from("v")])], [2, frozen]));
    await expectTensors(path, reference.layers);
  });

  it("for serving is taken of several", async () => {
    const path = fresh("saved_model.pb");
    const tagged = (tag: string, graph: Buffer) => message([1, message([4, Buffer.from(tag)])], [2, graph]);
    const other = message([1, message([1, Buffer.from("w")], [2, Buffer.from("NoOp")])]);
    writeFileSync(path, message([1, 1], [2, tagged("train", other)], [2, tagged("serve", frozen)]));
    await expectTensors(path, reference.layers);
  });

  it("whose constants stand where variables were read gives them by the variables' names", async () => {
    const path = fresh("x.pb");
    writeFileSync(path, message([1, constant("a/weights/read", [2], message([5, floats(1, 2)]))]));
    const checkpoint = await openCheckpoint(path);
    expect(checkpoint.variables).toEqual(["a/weights"]);
    expect(await checkpoint.readFloat32("a/weights")).toEqual(Float32Array.of(1, 2));
    await checkpoint.close();
  });

  it("in the folder of a checkpoint leaves the checkpoint the one that is meant", async () => {
    const dir = fresh();
    cpSync(join(ownReference, "checkpoints/dtypes_v1.ckpt"), join(dir, "m.ckpt"));
    writeFileSync(join(dir, "m_frozen.pb"), frozen);
    const checkpoint = await openCheckpoint(dir);
    expect(checkpoint).toMatchObject({ format: "V1", name: join(dir, "m.ckpt") });
    await checkpoint.close();
  });

  it.each([
    ["folded", /Batch norms were folded .*Conv2D_bn_offset/],
    ["unfrozen", /not frozen: it has 15 variables without their values .*MobilenetV1\/Conv2d_0\/weights/],
    ["frozen_v2", /named after the operations that read them/],
  ])("that is %s says why its constants are not the variables", async (name, words) => {
    const checkpoint = await openCheckpoint(join(graphs, `${name}.pb`));
    expect(checkpoint.caveat?.sentence).toMatch(words);
    await checkpoint.close();
  });

  it("that is quantized says so", async () => {
    const path = fresh("x.pb");
    const quant = message([1, Buffer.from("a/act_quant")], [2, Buffer.from("FakeQuantWithMinMaxVars")]);
    writeFileSync(path, Buffer.concat([frozen, message([1, quant])]));
    const checkpoint = await openCheckpoint(path);
    expect(checkpoint.caveat).toMatchObject({
      always: true,
      sentence: expect.stringMatching(/is quantized/),
    });
    await checkpoint.close();
  });
});

describe("an object-based checkpoint", () => {
  it("whose variables have no names gives them by their paths", async () => {
    await expectTensors(join(graphs, "objects.ckpt"), reference.layers, "net/");
    const checkpoint = await openCheckpoint(join(graphs, "objects.ckpt"));
    expect(checkpoint.aliases.get("net/MobilenetV1/Conv2d_0/weights")).toBe(
      "net/MobilenetV1.SConv2d_0.Sweights/.ATTRIBUTES/VARIABLE_VALUE",
    );
    expect(checkpoint.variables).toHaveLength(Object.keys(reference.layers).length);
    await checkpoint.close();
  });
});

describe("a module of TF-Hub", () => {
  const module = () => {
    const dir = fresh();
    cpSync(join(graphs, "saved_v1/variables"), join(dir, "variables"), { recursive: true });
    writeFileSync(join(dir, "tfhub_module.pb"), Buffer.from([8, 3]));
    return dir;
  };

  it("is read by its folder, by its file, and in an archive", async () => {
    const dir = module();
    await expectTensors(dir, reference.layers, "module/");
    await expectTensors(join(dir, "tfhub_module.pb"), reference.layers, "module/");
    const list = members("saved_v1", "./").filter((m) => m.name !== "./saved_model.pb");
    const path = archive([...list, { name: "./tfhub_module.pb", data: Buffer.from([8, 3]) }]);
    await expectTensors(path, reference.layers, "module/");
  });

  it("tells where its variables are", async () => {
    const dir = module();
    const checkpoint = await openCheckpoint(dir);
    expect(checkpoint.name).toBe(join(dir, "variables/variables"));
    await checkpoint.close();
  });

  it("without its index says what lacks", async () => {
    const dir = module();
    rmSync(join(dir, "variables/variables.index"));
    await expect(openCheckpoint(dir)).rejects.toThrow(/lacks the index of its variables/);
  });
});

describe("a graph of a stranger's", () => {
  async function fault(...nodes: Buffer[]): Promise<string> {
    const path = fresh("x.pb");
    writeFileSync(path, message(...nodes.map((node) => [1, node] as const)));
    let checkpoint: Checkpoint | undefined;
    try {
      checkpoint = await openCheckpoint(path);
      for (const name of checkpoint.names) await checkpoint.read(name);
    } catch (error) {
      expect(error).toBeInstanceOf(CheckpointError);
      return (error as Error).message;
    } finally {
      await checkpoint?.close();
    }
    return "no fault";
  }

  it.each<[string, readonly Buffer[], RegExp]>([
    [
      "two nodes of one name",
      [0, 1].map(() => constant("w", [1], message([5, floats(1)]))),
      /two of its nodes are called w/,
    ],
    [
      "a constant without a value",
      [message([1, Buffer.from("w")], [2, Buffer.from("Const")])],
      /has no value/,
    ],
    [
      "more values than its shape",
      [constant("w", [1], message([5, floats(1, 2)]))],
      /2 values are stored where 1 belong/,
    ],
    [
      "content of another size",
      [constant("w", [3], message([4, floats(1, 2)]))],
      /8 bytes are stored for 3 values/,
    ],
    ["half a value", [constant("w", [2], message([5, Buffer.alloc(6)]))], /1.5 values/],
    [
      "one value repeated to gigabytes",
      [constant("w", [2 ** 30], message([5, floats(1)]))],
      /too few to be repeated/,
    ],
    ["no value for gigabytes", [constant("w", [2 ** 40], Buffer.alloc(0))], /too few to be repeated/],
    ["a shape of any size", [constant("w", [2 ** 40, 2 ** 40], message([5, floats(1)]))], /a tensor is/],
    [
      "a type that is none",
      [constant("w", [1], message([5, floats(1)]), 99)],
      /of a type that cannot be read/,
    ],
    ["a type told twice", [constant("w", [1], message([5, floats(1)], [1, 3]))], /told twice/],
  ])("with %s is refused", async (_, nodes, words) => {
    expect(await fault(...nodes)).toMatch(words);
  });

  it("cut off anywhere gives values of its own or an error", async () => {
    const whole = readFileSync(join(graphs, "frozen.pb"));
    for (let length = 0; length < whole.length; length += 211) {
      const path = fresh("x.pb");
      writeFileSync(path, whole.subarray(0, length));
      const checkpoint = await openCheckpoint(path).catch((error: unknown) => {
        expect(error).toBeInstanceOf(CheckpointError);
        return undefined;
      });
      for (const name of checkpoint?.names ?? []) {
        const value = (await checkpoint?.read(name)) as TensorValue;
        expect(Array.from(value.data as Float32Array)).toEqual(reference.layers[name].values);
      }
      await checkpoint?.close();
    }
  });

  it("of two gigabytes is indexed and read by ranges", async () => {
    const path = fresh("large.pb");
    const content = 2 ** 30;
    // The head of a node whose content is a hole in the file.
    const field = (number: number, length: number) => Buffer.concat([varint(8 * number + 2), varint(length)]);
    const nest = (parts: readonly Buffer[], inner: number) => {
      const head = Buffer.concat(parts);
      return { head, size: head.length + inner };
    };
    const tensor = nest([message([1, 1], [2, shapeProto([content / 4])]), field(4, content)], content);
    const value = nest([field(8, tensor.size), tensor.head], content);
    const attribute = nest([message([1, Buffer.from("value")]), field(2, value.size), value.head], content);
    const hole = (name: string) => {
      const node = nest(
        [
          message([1, Buffer.from(name)], [2, Buffer.from("Const")]),
          field(5, attribute.size),
          attribute.head,
        ],
        content,
      );
      return Buffer.concat([field(1, node.size), node.head]);
    };
    const file = openSync(path, "w");
    let at = 0;
    for (const name of ["a", "b"]) {
      const head = hole(name);
      writeSync(file, head, 0, head.length, at);
      at += head.length + content;
    }
    const last = message([1, constant("c", [2], message([4, floats(3, 4)]))]);
    writeSync(file, last, 0, last.length, at);
    const before = process.memoryUsage().rss;
    const checkpoint = await openCheckpoint(path);
    expect(checkpoint.names).toEqual(["a", "b", "c"]);
    expect(checkpoint.entry("b")).toMatchObject({ shape: [content / 4], bytes: content });
    expect(await checkpoint.readFloat32("c")).toEqual(Float32Array.of(3, 4));
    expect(process.memoryUsage().rss - before).toBeLessThan(content / 8);
    await checkpoint.close();
    rmSync(path);
  });
});
