/** Which checkpoint is meant: by state files of other machines, in folders and archives with several, by parts of one. */
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { needsCases, ownReference, sharedCases } from "../support/reference.ts";
import { floats, type TarMember, tar, writeBundle } from "./support.ts";

let root = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "choose-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let count = 0;
function fresh(...inside: string[]): string {
  const path = join(root, `${count++}`, ...inside);
  mkdirSync(path, { recursive: true });
  return path;
}

/** A checkpoint whose one tensor is `value`. */
function write(prefix: string, value: number): void {
  const data = floats(value);
  writeBundle(prefix, [{ name: "w", shape: [] }], data);
}

/** The same as members of an archive. */
function members(name: string, value: number): TarMember[] {
  const at = join(fresh(), "m");
  write(at, value);
  return ["index", "data-00000-of-00001"].map((end) => ({
    name: `${name}.${end}`,
    data: readFileSync(`${at}.${end}`),
  }));
}

function archive(...list: TarMember[]): string {
  const path = join(fresh(), "logs.tar.gz");
  writeFileSync(path, gzipSync(tar(list)));
  return path;
}

const state = (path: string) =>
  Buffer.from(`model_checkpoint_path: ${path}\nall_model_checkpoint_paths: "x"\n`);

/** The value of the one tensor, and the whole name of what it was in. */
async function opened(path: string): Promise<{ value: number; name: string }> {
  const checkpoint = await openCheckpoint(path);
  try {
    return { value: (await checkpoint.readFloat32("w"))[0], name: checkpoint.name };
  } finally {
    await checkpoint.close();
  }
}

async function refusal(path: string): Promise<string> {
  const error = await opened(path).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return `${(error as CheckpointError).message} ${(error as CheckpointError).hint ?? ""}`;
}

/** What training wrote into its state file, in whatever way it was run. */
const statements = [
  ["the name beside it", '"model.ckpt-2000"'],
  ["a path of another machine", '"/home/somebody/train_logs/model.ckpt-2000"'],
  ["a path from the folder that training ran in", '"train_logs/run1/model.ckpt-2000"'],
  ["a path of Windows", String.raw`"C:\\train\\logs\\model.ckpt-2000"`],
  ["a path of Windows without escapes", String.raw`"C:\train\new\model.ckpt-2000"`],
  ["a share of Windows", String.raw`"\\\\server\\logs\\model.ckpt-2000"`],
  ["a path up and down", '"../other/logs/model.ckpt-2000"'],
  ["single quotes", "'model.ckpt-2000'"],
] as const;

describe("a state file with", () => {
  it.each(statements)("%s is obeyed in a folder", async (_, path) => {
    const dir = fresh();
    write(join(dir, "model.ckpt-100"), 100);
    write(join(dir, "model.ckpt-2000"), 2000);
    writeFileSync(join(dir, "checkpoint"), state(path));
    const found = { value: 2000, name: join(dir, "model.ckpt-2000") };
    expect(await opened(dir)).toEqual(found);
    expect(await opened(join(dir, "checkpoint"))).toEqual(found);
  });

  it.each(statements)("%s is obeyed in an archive", async (_, path) => {
    const file = archive(...members("logs/model.ckpt-100", 100), ...members("logs/model.ckpt-2000", 2000), {
      name: "logs/checkpoint",
      data: state(path),
    });
    expect(await opened(file)).toEqual({ value: 2000, name: `${file}/logs/model.ckpt-2000` });
  });

  it("letters that are not ASCII is obeyed", async () => {
    const dir = fresh();
    write(join(dir, "modèle-5"), 5);
    write(join(dir, "other"), 6);
    for (const name of [String.raw`"mod\303\250le-5"`, '"modèle-5"']) {
      writeFileSync(join(dir, "checkpoint"), state(name));
      expect((await opened(dir)).value).toBe(5);
    }
  });

  it("a byte order mark, in UTF-8 or UTF-16, is obeyed", async () => {
    const dir = fresh();
    write(join(dir, "modèle-5"), 5);
    write(join(dir, "other"), 6);
    const marked = `\ufeff${state('"modèle-5"')}`;
    for (const bytes of [Buffer.from(marked), Buffer.from(marked, "utf16le")]) {
      writeFileSync(join(dir, "checkpoint"), bytes);
      expect((await opened(dir)).value).toBe(5);
    }
  });

  it("a path that is there is followed, as TensorFlow does", async () => {
    const dir = fresh("logs");
    write(join(dir, "../model.ckpt-7"), 7);
    write(join(dir, "model.ckpt-8"), 8);
    writeFileSync(join(dir, "checkpoint"), state('"../model.ckpt-7"'));
    expect((await opened(dir)).value).toBe(7);
  });

  it("a path out of its archive leads nowhere, however the state file is named", async () => {
    const outside = join(fresh(), "secret");
    write(outside, 1);
    for (const path of [outside, "../../../../../../../..".concat(outside), ".."]) {
      const file = archive(...members("logs/m", 2), { name: "logs/checkpoint", data: state(`"${path}"`) });
      for (const name of [file, `${file}/logs`, `${file}/logs/checkpoint`])
        expect(await refusal(name)).toMatch(
          /which is not there\. Name the checkpoint itself, as in .*logs\.tar\.gz\/logs\/m\./,
        );
    }
  });

  it("what is not there lists what is", async () => {
    const dir = fresh();
    for (const step of [1, 2]) write(join(dir, `m.ckpt-${step}`), step);
    writeFileSync(join(dir, "checkpoint"), state('"gone"'));
    const words = await refusal(dir);
    expect(words).toContain(
      `names gone, which is not there. Name the checkpoint itself, as in ${join(dir, "m.ckpt-1")}`,
    );
    expect(words).toContain("there are m.ckpt-1, m.ckpt-2");
  });
});

describe("several checkpoints", () => {
  it("in a folder are listed, with how to name one", async () => {
    const dir = fresh();
    for (const step of [1, 2]) write(join(dir, `m.ckpt-${step}`), step);
    expect(await refusal(dir)).toBe(
      `The folder ${dir} holds 2 checkpoints: m.ckpt-1, m.ckpt-2. Name one of them, as in ${join(dir, "m.ckpt-1")}.`,
    );
  });

  it("in an archive are listed, with how to name one, and each of the names that it may go by", async () => {
    const file = archive(...members("./logs/m.ckpt-1", 1), ...members("./logs/m.ckpt-2", 2));
    expect(await refusal(file)).toBe(
      `The archive ${file} holds 2 checkpoints: logs/m.ckpt-1, logs/m.ckpt-2. Name one of them, as in ${file}/logs/m.ckpt-1.`,
    );
    for (const end of ["", ".index", ".data-00000-of-00001"])
      expect(await opened(`${file}/logs/m.ckpt-2${end}`)).toEqual({
        value: 2,
        name: `${file}/logs/m.ckpt-2`,
      });
    expect(await refusal(`${file}/logs/m.ckpt-3`)).toMatch(/no checkpoint logs\/m\.ckpt-3 in the archive/);
  });

  it("of one name in different folders of an archive are two, not damage", async () => {
    const file = archive(...members("run1/m", 1), ...members("run2/m", 2));
    expect(await refusal(file)).toContain("holds 2 checkpoints: run1/m, run2/m.");
    expect(await opened(`${file}/run2`)).toEqual({ value: 2, name: `${file}/run2/m` });
    expect(await opened(`${file}/run1/m`)).toEqual({ value: 1, name: `${file}/run1/m` });
  });

  it("of several state files in an archive are listed", async () => {
    const file = archive(
      ...["a", "b"].flatMap((run, i) => [
        ...members(`${run}/m`, i),
        { name: `${run}/checkpoint`, data: state('"m"') },
      ]),
    );
    expect(await refusal(file)).toContain("holds 2 checkpoints: a/m, b/m.");
    expect((await opened(`${file}/b`)).value).toBe(1);
  });

  it("in folders below are looked for where the folder itself has none", async () => {
    const dir = fresh();
    mkdirSync(join(dir, "run"));
    write(join(dir, "run/m"), 3);
    expect(await opened(dir)).toEqual({ value: 3, name: join(dir, "run/m") });
    write(join(dir, "top"), 4);
    expect((await opened(dir)).value).toBe(4);
  });
});

describe("a part of a checkpoint", () => {
  it("that is only its data says what lacks, by its file and by its folder", async () => {
    const dir = fresh();
    write(join(dir, "m"), 1);
    rmSync(join(dir, "m.index"));
    const words = /index.*Put m\.index beside it/;
    expect(await refusal(join(dir, "m.data-00000-of-00001"))).toMatch(words);
    expect(await refusal(dir)).toMatch(words);
    expect(await refusal(archive({ name: "m.data-00000-of-00001", data: floats(1) }))).toMatch(words);
  });

  it.each(["m", "m.data", "weights.bin", "m.data-00000-of-00001 (1)"])(
    "that is its data under the name %s is found beside the index, by its size and checksums",
    async (name) => {
      const dir = fresh();
      write(join(dir, "m"), 5);
      copyFileSync(join(dir, "m.data-00000-of-00001"), join(dir, `${name}`));
      rmSync(join(dir, "m.data-00000-of-00001"));
      writeFileSync(join(dir, "other"), "another");
      expect((await opened(dir)).value).toBe(5);
      // Other numbers of that size are not taken for it.
      writeFileSync(join(dir, name), floats(6));
      expect(await refusal(dir)).toMatch(/checksum is wrong/);
    },
  );

  it("that is its data under another name, alone, says what lacks", async () => {
    const path = join(fresh(), "model.ckpt");
    copyFileSync(join(ownReference, "checkpoints/mobilenet_v1_025_v2.ckpt.data-00000-of-00001"), path);
    expect(await refusal(path)).toMatch(/numbers without names, as the \.data file .*Put the \.index file/);
  });
});

describe.skipIf(!sharedCases)(`files that users brought${needsCases}`, () => {
  const cases = sharedCases as string;

  it("two steps and a state file in one archive", async () => {
    const file = join(cases, "archive-two-steps/several.tar.gz");
    const checkpoint = await openCheckpoint(file);
    expect(checkpoint.name).toBe(`${file}/logs/model.ckpt-2000`);
    await checkpoint.close();
  });

  it("a state file relative to the folder that training ran in", async () => {
    const dir = fresh();
    cpSync(join(cases, "state-relative/checkpoint"), join(dir, "checkpoint"));
    write(join(dir, "model.ckpt-100"), 9);
    expect((await opened(dir)).value).toBe(9);
  });
});
