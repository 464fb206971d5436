/** Files that are no checkpoint, or not the one that the user means: each is told for what it is. */
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { ownReference } from "../support/reference.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "diagnose-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function refusal(path: string): Promise<string> {
  const error = await openCheckpoint(path).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return `${(error as CheckpointError).message} ${(error as CheckpointError).hint ?? ""}`;
}

const reference = (name: string) => join(ownReference, "checkpoints", name);

describe("a file that is", () => {
  it.each<[string, Buffer | string, RegExp]>([
    ["a web page", "<!DOCTYPE html><html><head><title>Not Found</title>", /is a web page \("Not Found"\)/],
    [
      "an XML error",
      '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'.padEnd(100),
      /is a web page/,
    ],
    [
      "a git-lfs pointer",
      "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
      /git-lfs pointer.*git lfs pull/,
    ],
    ["empty", "", /is empty/],
    ["too short", "abc", /with 3 bytes too short/],
    ["HDF5", Buffer.concat([Buffer.from("894844460d0a1a0a", "hex"), Buffer.alloc(100)]), /HDF5/],
    ["a zip archive", Buffer.concat([Buffer.from("504b0304", "hex"), Buffer.alloc(100)]), /zip archive/],
    [
      "a numpy array",
      Buffer.concat([Buffer.from("934e554d50590100", "hex"), Buffer.alloc(100)]),
      /numpy array/,
    ],
    ["a pickle", Buffer.concat([Buffer.from("80037d71", "hex"), Buffer.alloc(100)]), /Python pickle/],
    [
      "a frozen graph",
      Buffer.concat([Buffer.from("0a2a0a05696e707574", "hex"), Buffer.alloc(100)]),
      /looks like a graph/,
    ],
    [
      "ONNX",
      Buffer.concat([Buffer.from("08071207", "hex"), Buffer.from("pytorch"), Buffer.alloc(100)]),
      /ONNX model/,
    ],
    [
      "TensorFlow Lite",
      Buffer.concat([Buffer.from("1c000000", "hex"), Buffer.from("TFL3"), Buffer.alloc(100)]),
      /TensorFlow Lite model/,
    ],
    ["a graph in text", readFileSync(join(ownReference, "graphs/frozen.pbtxt")), /graph in the form of text/],
    [
      "numbers alone",
      Buffer.from(Float32Array.from({ length: 500 }, (_, i) => Math.sin(i)).buffer),
      /numbers without names/,
    ],
    ["anything else", "x".repeat(500), /is not a TensorFlow checkpoint/],
  ])("%s is called that", async (name, content, words) => {
    const path = join(folder, name.replaceAll(" ", "_"));
    writeFileSync(path, content);
    expect(await refusal(path)).toMatch(words);
  });

  it("a checkpoint cut off is called truncated", async () => {
    const path = join(folder, "cut.ckpt");
    writeFileSync(path, readFileSync(reference("dtypes_v1.ckpt")).subarray(0, 20_000));
    expect(await refusal(path)).toMatch(/is truncated.*download it again/);
  });

  it("a checkpoint under another name is read", async () => {
    const path = join(folder, "renamed.bin");
    copyFileSync(reference("dtypes_v1.ckpt"), path);
    const checkpoint = await openCheckpoint(path);
    expect(checkpoint).toMatchObject({ format: "V1", path });
    await checkpoint.close();
  });
});

describe("a name that", () => {
  it("is of nothing says what may be named", async () => {
    expect(await refusal(join(folder, "nothing.ckpt"))).toMatch(/There is no checkpoint .*nothing\.ckpt/);
  });

  it("is of data without an index says so", async () => {
    const path = join(folder, "lone.ckpt.data-00000-of-00001");
    writeFileSync(path, Buffer.alloc(100));
    expect(await refusal(path)).toMatch(/whose index is missing\. Put lone\.ckpt\.index beside it/);
  });

  it("is of a .meta file means the checkpoint beside it", async () => {
    const path = join(folder, "graph.ckpt");
    copyFileSync(reference("dtypes_v1.ckpt"), path);
    writeFileSync(`${path}.meta`, "a graph");
    const checkpoint = await openCheckpoint(`${path}.meta`);
    expect(checkpoint.format).toBe("V1");
    await checkpoint.close();
    rmSync(path);
    expect(await refusal(`${path}.meta`)).toMatch(/is the graph of a checkpoint that is not there/);
  });

  it("is of a state file that leads nowhere says where", async () => {
    const dir = join(folder, "state");
    mkdirSync(dir);
    writeFileSync(join(dir, "checkpoint"), 'model_checkpoint_path: "gone.ckpt"\n');
    expect(await refusal(dir)).toMatch(/names gone\.ckpt, which is not there/);
    writeFileSync(join(dir, "checkpoint"), "nothing of the kind\n");
    expect(await refusal(dir)).toMatch(/names no checkpoint/);
  });

  it("is of a folder with several checkpoints lists them", async () => {
    const dir = join(folder, "several");
    mkdirSync(dir);
    for (const name of ["a.ckpt", "b.ckpt"]) copyFileSync(reference("dtypes_v1.ckpt"), join(dir, name));
    expect(await refusal(dir)).toMatch(/holds 2 checkpoints: a\.ckpt, b\.ckpt/);
  });

  it("is of a folder without any says so", async () => {
    const dir = join(folder, "none");
    mkdirSync(dir);
    expect(await refusal(dir)).toMatch(/holds no checkpoint/);
  });
});
