/** Checkpoints inside archives, as they are published and as nobody should publish them. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CheckpointError } from "../../src/errors.ts";
import { openCheckpoint } from "../../src/node/checkpoint.ts";
import { ownReference } from "../support/reference.ts";
import { type TarMember, tar } from "./support.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "archives-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const v1 = readFileSync(join(ownReference, "checkpoints/dtypes_v1.ckpt"));
const v2 = ["index", "data-00000-of-00001"].map((end) => ({
  name: `./m.ckpt.${end}`,
  data: readFileSync(join(ownReference, `checkpoints/dtypes_v2.ckpt.${end}`)),
}));

let count = 0;
function archive(bytes: Buffer): string {
  const path = join(folder, `archive-${count++}.tar.gz`);
  writeFileSync(path, bytes);
  return path;
}

/** The folders that archives are unpacked to. */
const unpacked = () => readdirSync(tmpdir()).filter((f) => /^checkpoint-/.test(f));

async function scalarOf(path: string): Promise<number> {
  const checkpoint = await openCheckpoint(path);
  try {
    return (await checkpoint.readFloat32("scalar"))[0];
  } finally {
    await checkpoint.close();
  }
}

async function refusal(path: string): Promise<string> {
  const before = unpacked().length;
  const error = await openCheckpoint(path).then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  expect(unpacked().length).toBe(before);
  return (error as CheckpointError).message;
}

describe("an archive", () => {
  it.each<[string, () => Buffer]>([
    ["of a V1 file", () => gzipSync(tar([{ name: "m.ckpt", data: v1 }]))],
    ["that is not compressed", () => tar([{ name: "m.ckpt", data: v1 }])],
    ["without the blocks at its end", () => gzipSync(tar([{ name: "m.ckpt", data: v1 }], false))],
    ["of V2 files under ./ with a folder entry", () => gzipSync(tar([{ name: "./", type: "5" }, ...v2]))],
    [
      "with other files beside",
      () =>
        gzipSync(
          tar([
            { name: "eval.graph", data: Buffer.alloc(700) },
            { name: "m.ckpt", data: v1 },
            { name: "info.txt" },
          ]),
        ),
    ],
    ["with its size in base 256", () => gzipSync(tar([{ name: "m.ckpt", data: v1, base256: true }]))],
    [
      "in two gzip members",
      () => {
        const bytes = tar([{ name: "m.ckpt", data: v1 }]);
        return Buffer.concat([gzipSync(bytes.subarray(0, 9000)), gzipSync(bytes.subarray(9000))]);
      },
    ],
    [
      "with a GNU long name",
      () =>
        gzipSync(
          tar([
            { name: "././@LongLink", type: "L", data: Buffer.from(`${"d/".repeat(80)}m.ckpt\0`) },
            { name: "cut", data: v1 },
          ]),
        ),
    ],
    [
      "with a pax name",
      () =>
        gzipSync(
          tar([
            { name: "pax", type: "x", data: Buffer.from("20 path=deep/m.ckpt\n") },
            { name: "cut", data: v1 },
          ]),
        ),
    ],
  ])("%s is read, and closing removes what was unpacked", async (_, bytes) => {
    const before = unpacked().length;
    expect(await scalarOf(archive(bytes()))).toBe(3.25);
    expect(unpacked().length).toBe(before);
  });

  it("cut off anywhere is called truncated", async () => {
    const bytes = gzipSync(tar([{ name: "m.ckpt", data: v1 }]));
    for (let length = 20; length < bytes.length; length += 331) {
      expect(await refusal(archive(bytes.subarray(0, length))), `${length}`).toMatch(/truncated/);
    }
    expect(await refusal(archive(bytes.subarray(0, bytes.length - 1)))).toMatch(/truncated/);
  });

  it("that is not compressed, cut off anywhere inside a member, is refused", async () => {
    const bytes = tar([{ name: "m.ckpt", data: v1 }], false);
    const content = 512 + v1.length;
    for (let length = 300; length < content; length += 997) {
      expect(await refusal(archive(bytes.subarray(0, length))), `${length}`).toMatch(/truncated/);
    }
  });

  it("with a flipped bit is called damaged", async () => {
    const bytes = gzipSync(tar([{ name: "m.ckpt", data: v1 }]));
    bytes[bytes.length - 6] ^= 1;
    expect(await refusal(archive(bytes))).toMatch(/damaged/);
  });

  it.each(["../m.ckpt", "/etc/m.ckpt", "a/../../m.ckpt"])("that names %s is refused", async (name) => {
    expect(await refusal(archive(gzipSync(tar([{ name, data: v1 }]))))).toMatch(/leads out of the archive/);
    expect(existsSync("/etc/m.ckpt")).toBe(false);
  });

  it("of links and devices holds no checkpoint", async () => {
    const links = ["1", "2", "3", "4", "5", "6"].map((type) => ({ name: "m.ckpt", type }));
    expect(await refusal(archive(gzipSync(tar(links))))).toMatch(/holds no checkpoint/);
  });

  it("with a link before the file of its name writes the file, not through the link", async () => {
    const members = [
      { name: "m.ckpt", type: "2" },
      { name: "m.ckpt", data: v1 },
    ];
    expect(await scalarOf(archive(gzipSync(tar(members))))).toBe(3.25);
  });

  it.each<[string, TarMember[]]>([
    ["GNU's old kind", [{ name: "m.ckpt", type: "S", data: v1 }]],
    [
      "the kind of pax",
      [
        { name: "pax", type: "x", data: Buffer.from("22 GNU.sparse.major=1\n") },
        { name: "m.ckpt", data: v1 },
      ],
    ],
  ])("with a sparse file of %s is refused with what to do", async (_, members) => {
    expect(await refusal(archive(gzipSync(tar(members))))).toMatch(/holds m\.ckpt as a sparse file/);
  });

  it.each(["m.ckpt", "other.txt"])("that unpacks %s a thousandfold is refused", async (name) => {
    const bomb = gzipSync(tar([{ name, data: Buffer.alloc(80 * 2 ** 20) }]), { level: 9 });
    expect(bomb.length).toBeLessThan(2 ** 17);
    expect(await refusal(archive(bomb))).toMatch(/unpacks to more than 100 times its size/);
  });

  it("inside another is refused", async () => {
    const inner = gzipSync(tar([{ name: "m.ckpt", data: v1 }]));
    expect(await refusal(archive(gzipSync(tar([{ name: "m.ckpt", data: inner }]))))).toMatch(
      /another archive/,
    );
    expect(await refusal(archive(gzipSync(inner)))).toMatch(/damaged/);
  });

  it.each(["15 path=m.ckpt\nrest", "x", "0 path=m.ckpt\n", "-5 a=b\n", "1e9 a=b\n"])(
    "with the pax records %j is refused, and reading them ends",
    async (records) => {
      const members = [
        { name: "pax", type: "x", data: Buffer.from(records) },
        { name: "m.ckpt", data: v1 },
      ];
      expect(await refusal(archive(gzipSync(tar(members))))).toMatch(/extended header .* cannot be read/);
    },
  );

  it.each([
    ["a zero", "a\0b.ckpt"],
    ["three hundred letters", `${"x".repeat(300)}.ckpt`],
  ])("with a name of %s is refused", async (_, name) => {
    const record = ` path=${name}\n`;
    const length = record.length + String(record.length + 3).length;
    const members = [
      { name: "pax", type: "x", data: Buffer.from(`${length}${record}`) },
      { name: "m.ckpt", data: v1 },
    ];
    expect(await refusal(archive(gzipSync(tar(members))))).toMatch(/a name that no file can have/);
  });

  it("with two files of one whole name is refused", async () => {
    const twice = ["a/m.ckpt", "./a//m.ckpt"].map((name) => ({ name, data: v1 }));
    expect(await refusal(archive(gzipSync(tar(twice))))).toMatch(/two files called a\/m\.ckpt/);
  });

  it.each([
    ["in one folder", ["a.ckpt", "b.ckpt"]],
    ["of one name in different folders", ["a/m.ckpt", "b/m.ckpt"]],
  ])("of two checkpoints %s lists them, and each can be named", async (_, names) => {
    const path = archive(gzipSync(tar(names.map((name) => ({ name, data: v1 })))));
    expect(await refusal(path)).toContain(`The archive ${path} holds 2 checkpoints: ${names.join(", ")}.`);
    for (const name of names) {
      const checkpoint = await openCheckpoint(`${path}/${name}`);
      expect(checkpoint.name).toBe(`${path}/${name}`);
      await checkpoint.close();
    }
    expect(await scalarOf(`${path}/${names[1]}`)).toBe(3.25);
  });

  it("that has nowhere to be unpacked to is told of with what to do", async () => {
    const path = archive(gzipSync(tar([{ name: "m.ckpt", data: v1 }])));
    vi.stubEnv("TMPDIR", join(folder, "gone"));
    const error = await openCheckpoint(path).catch((e: unknown) => e);
    vi.unstubAllEnvs();
    expect(error).toBeInstanceOf(CheckpointError);
    expect(error).toMatchObject({
      message: `${path} cannot be unpacked (ENOENT).`,
      hint: "Set TMPDIR to a folder that can be written.",
    });
  });

  it("of nothing but gzip is no archive", async () => {
    expect(await refusal(archive(gzipSync(v1)))).toMatch(/damaged/);
  });
});
