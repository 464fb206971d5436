/** Checkpoints among the files that a page was given: by nothing but what browsers have, and as from this machine's disk. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { givenFiles } from "../../src/browser/files.ts";
import { sha256 } from "../../src/browser/sha256.ts";
import { openCheckpoint } from "../../src/checkpoint/index.ts";
import { CheckpointError } from "../../src/errors.ts";
import { nodeFiles } from "../../src/node/files.ts";
import type { Files } from "../../src/platform/files.ts";
import { seededUnits } from "../../src/seeded.ts";
import { tar } from "../checkpoint/support.ts";
import { ownReference } from "../support/reference.ts";

const given = (files: Readonly<Record<string, Uint8Array<ArrayBuffer>>>) =>
  givenFiles(Object.entries(files).map(([path, bytes]) => ({ path, blob: new Blob([bytes]) })));

const stored = (folder: string) =>
  Object.fromEntries(
    (readdirSync(join(ownReference, folder), { recursive: true }) as string[])
      .filter((name) => /\.(ckpt|index|pb)$|\.data-|^[^.]*checkpoint$/.test(name))
      .map((name) => [name, new Uint8Array(readFileSync(join(ownReference, folder, name)))]),
  );
const checkpoints = stored("checkpoints");

/** Everything that is told of a checkpoint. */
async function contentOf(path: string, files: Files) {
  const checkpoint = await openCheckpoint(path, files);
  try {
    const values = [];
    for (const name of checkpoint.variables)
      values.push(await checkpoint.read(name).catch((error: Error) => error.constructor));
    const { format, names, variables } = checkpoint;
    return { format, names, variables, values, hash: await checkpoint.identify() };
  } finally {
    await checkpoint.close();
  }
}

async function refusal(path: string, files: Files): Promise<string> {
  const error = await openCheckpoint(path, files).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return (error as CheckpointError).message;
}

describe("files that a page was given", () => {
  it.each([
    "mobilenet_v1_025_v1.ckpt",
    "mobilenet_v1_025_v2.ckpt",
    "dtypes_v1.ckpt",
    "dtypes_v2.ckpt.index",
    "object_v2.ckpt",
    "sharded_v2.ckpt.data-00001-of-00003",
  ])("hold the checkpoint %s as a disk does", async (name) => {
    const there = await contentOf(join(ownReference, "checkpoints", name), nodeFiles);
    expect(await contentOf(name, given(checkpoints))).toEqual(there);
  });

  it("hold SavedModels and graphs in folders", async () => {
    const graphs = given(stored("graphs"));
    for (const name of ["saved_v2", "saved_frozen", "frozen.pb"]) {
      const there = await contentOf(join(ownReference, "graphs", name), nodeFiles);
      expect(await contentOf(name, graphs)).toEqual(there);
    }
    expect(await refusal("saved_v1/assets", graphs)).toBe("There is no checkpoint saved_v1/assets.");
    expect(await refusal(".", given(checkpoints))).toMatch(/^The folder \. holds 4 checkpoints/);
  });

  it("hold archives, of which a part may be named", async () => {
    const members = ["index", "data-00000-of-00001"].map((end) => ({
      name: `./logs/m.ckpt.${end}`,
      data: Buffer.from(checkpoints[`dtypes_v2.ckpt.${end}`]),
    }));
    const files = given({ "run.tar.gz": new Uint8Array(gzipSync(tar(members))) });
    const there = await contentOf(join(ownReference, "checkpoints/dtypes_v2.ckpt"), nodeFiles);
    for (const path of ["run.tar.gz", "run.tar.gz/logs/m.ckpt", "run.tar.gz/logs/../logs/"])
      expect(await contentOf(path, files)).toEqual(there);
    const without = given({ "run.tar.gz": new Uint8Array(gzipSync(tar(members.slice(1)))) });
    expect(await refusal("run.tar.gz", without)).toBe(
      "The archive run.tar.gz holds the data of a checkpoint (m.ckpt.data-00000-of-00001) without its index.",
    );
  });

  it("are missing by name", async () => {
    const { "sharded_v2.ckpt.data-00001-of-00003": _, ...rest } = checkpoints;
    const checkpoint = await openCheckpoint("sharded_v2.ckpt", given(rest));
    const faults = await Promise.all(
      checkpoint.names.map((name) => checkpoint.read(name).then(() => "", String)),
    );
    expect(faults.find((fault) => fault !== "")).toMatch(
      /sharded_v2\.ckpt\.data-00001-of-00003 is missing\./,
    );
    await checkpoint.close();
  });
});

describe("an archive that cannot be unpacked", () => {
  // What compresses badly, so that a cut is noticed late.
  const noise = Buffer.from(seededUnits("noise", 2 ** 16).buffer);
  const whole = gzipSync(tar([{ name: "m.ckpt", data: noise }]));
  const cut = "run.tgz is truncated: its compressed data ends too early.";

  it("is told of when it was cut off", async () => {
    for (const length of [30, whole.length >> 1, whole.length - 1]) {
      const files = given({ "run.tgz": new Uint8Array(whole.subarray(0, length)) });
      expect(await refusal("run.tgz", files), `${length}`).toBe(cut);
    }
  });

  it("is told of when it is damaged", async () => {
    const bytes = new Uint8Array(whole);
    bytes[bytes.length >> 1] ^= 0xff;
    expect(await refusal("run.tgz", given({ "run.tgz": bytes }))).toMatch(/^run\.tgz is damaged: .*[^.]\.$/);
  });

  it.each([
    ["Compressed input was truncated.", cut],
    ["The input is ended without reaching the stream end", cut],
    [
      "The compressed data was not valid: incorrect data check.",
      "run.tgz is damaged: The compressed data was not valid: incorrect data check.",
    ],
    [
      "Junk found after end of compressed data.",
      "run.tgz is damaged: Junk found after end of compressed data.",
    ],
  ])("is told of where a browser says: %s", async (says, sentence) => {
    const files: Files = {
      ...given({ "run.tgz": new Uint8Array(whole) }),
      async *gunzip(stream) {
        for await (const _ of stream) throw new TypeError(says);
        yield new Uint8Array(0);
      },
    };
    expect(await refusal("run.tgz", files)).toBe(sentence);
  });
});

describe("a hash of pieces", () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => (i * i) % 251);

  it("is that of the whole, however long", () => {
    for (let length = 0; length <= bytes.length; length++) {
      const part = bytes.subarray(0, length);
      const hash = sha256();
      hash.update(part);
      expect(hash.digest()).toBe(createHash("sha256").update(part).digest("hex"));
    }
  });

  it("is the same wherever they are cut", () => {
    const whole = createHash("sha256").update(bytes).digest("hex");
    for (let a = 0; a <= 130; a += 13) {
      for (let b = a; b <= bytes.length; b += 31) {
        const hash = sha256();
        for (const [from, to] of [
          [0, a],
          [a, b],
          [b, bytes.length],
        ])
          hash.update(bytes.subarray(from, to));
        expect(hash.digest()).toBe(whole);
      }
    }
  });
});
