/** What stands under an image's name and is no file: in every count, with its reason, and never waited for. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.ts";
import {
  listArchive,
  listFolder,
  listNamed,
  listSources,
  openDecodePool,
  readContent,
} from "../../src/node/images/index.ts";

let folder = "";
let jpeg: Buffer;
const server = createServer();
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "special-"));
  jpeg = await sharp({ create: { width: 9, height: 6, channels: 3, background: "#a08060" } })
    .jpeg()
    .toBuffer();
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Status and reason of every input. */
const outcomes = (inputs: Parameters<typeof readContent>[0][]) =>
  Object.fromEntries(
    inputs.map((input) => {
      const outcome = readContent(input);
      if ("bytes" in outcome) return [input.key, "read"];
      return [input.key, `${outcome.status}: ${"reason" in outcome ? outcome.reason : ""}`];
    }),
  );

/** A folder of all that is no file. */
async function specials(): Promise<string> {
  const dir = mkdtempSync(join(folder, "in-"));
  writeFileSync(join(dir, "good.jpg"), jpeg);
  symlinkSync("gone/away.jpg", join(dir, "dangling.jpg"));
  symlinkSync("good.jpg/beneath", join(dir, "beneath.png"));
  symlinkSync(".git/annex/objects/xx/yy/SHA256E-s1--aa.jpg", join(dir, "annexed.jpg"));
  symlinkSync("circle.png", join(dir, "circle.png"));
  symlinkSync("nowhere", join(dir, "current"));
  symlinkSync("good.jpg", join(dir, "link.jpg"));
  symlinkSync("/dev/null", join(dir, "null.png"));
  execFileSync("mkfifo", [join(dir, "pipe.jpg"), join(dir, "control")]);
  symlinkSync("pipe.jpg", join(dir, "to-pipe.webp"));
  await new Promise<void>((resolve) => server.listen(join(dir, "socket.jpg"), resolve));
  return dir;
}

const expected = {
  "annexed.jpg":
    "failed: it is a link to .git/annex/objects/xx/yy/SHA256E-s1--aa.jpg, which is not there; fetch it with: git annex get",
  "beneath.png": "failed: it is a link to good.jpg/beneath, which is not there",
  "circle.png": "failed: it is a link that leads in a circle",
  control: "skipped: it is a pipe (FIFO), not a file",
  current: "skipped: it is a link to nowhere, which is not there",
  "dangling.jpg": "failed: it is a link to gone/away.jpg, which is not there",
  "good.jpg": "read",
  "link.jpg": "read",
  "null.png": "failed: it is a device, not a file",
  "pipe.jpg": "failed: it is a pipe (FIFO), not a file",
  "socket.jpg": "failed: it is a socket, not a file",
  "to-pipe.webp": "failed: it is a pipe (FIFO), not a file",
};

describe("what is no file", () => {
  it("is failed with its reason where its name is an image's, and counted as skipped where it is not", async () => {
    const dir = await specials();
    const inputs = await listFolder(dir);
    expect(outcomes(inputs)).toEqual(expected);
    // The workers say the same, and do not wait for who may write into a pipe.
    const pool = openDecodePool(1, {
      decode: { exif: "auto" },
      preprocess: { family: "inception", mode: "slim", size: 8, channels: 3 },
    });
    const statuses = await Promise.all(inputs.map((input) => pool.read(input, () => true)));
    await pool.close();
    expect(statuses.filter(({ status }) => status === "ok")).toHaveLength(2);
    expect(statuses.filter(({ status }) => status === "failed")).toHaveLength(8);
    expect(statuses.filter(({ status }) => status === "skipped")).toHaveLength(2);

    const listed = listNamed(Buffer.from(`${Object.keys(expected).join("\n")}\n`), dir).inputs;
    expect(outcomes(listed)).toEqual(expected);
    mkdirSync(join(dir, "album.jpg"));
    expect(outcomes(listNamed(Buffer.from("good.jpg\nalbum.jpg\n"), dir).inputs)).toEqual({
      "album.jpg": "failed: it is a folder, not a file",
      "good.jpg": "read",
    });
  });

  it("in an archive is failed too; links to its members are these", async () => {
    const dir = join(folder, "packed");
    mkdirSync(join(dir, "sub"), { recursive: true });
    const long = `${"deep".repeat(24)}/${"name".repeat(24)}.jpg`;
    mkdirSync(join(dir, "deep".repeat(24)));
    writeFileSync(join(dir, "a.jpg"), jpeg);
    writeFileSync(join(dir, long), jpeg);
    execFileSync("ln", [join(dir, "a.jpg"), join(dir, "sub/hard.jpg")]);
    execFileSync("ln", [join(dir, long), join(dir, "z-long.jpg")]);
    symlinkSync("../a.jpg", join(dir, "sub/soft.jpg"));
    symlinkSync(long, join(dir, "soft-long.jpg"));
    symlinkSync("soft-long.jpg", join(dir, "twice.jpg"));
    symlinkSync("../../out.jpg", join(dir, "sub/out.jpg"));
    symlinkSync("/etc/hostname", join(dir, "absolute.jpg"));
    symlinkSync("circle.jpg", join(dir, "circle.jpg"));
    symlinkSync("sub", join(dir, "latest"));
    execFileSync("mkfifo", [join(dir, "pipe.jpg")]);
    for (const format of ["gnu", "pax"]) {
      const tar = join(folder, `packed-${format}.tar`);
      execFileSync("tar", ["-cf", tar, `--format=${format}`, "--sort=name", "-C", dir, "."]);
      const inputs = await listArchive(tar);
      expect(outcomes(inputs), format).toEqual({
        "a.jpg": "read",
        "absolute.jpg": "failed: it is a link to /etc/hostname, which is no file of the archive",
        "circle.jpg": "failed: it is a link that leads in a circle",
        [long]: "read",
        latest: "skipped: it is a link to sub, which is no file of the archive",
        "pipe.jpg": "failed: it is a pipe (FIFO), not a file",
        "soft-long.jpg": "read",
        "sub/hard.jpg": "read",
        "sub/out.jpg": "failed: it is a link to ../out.jpg, which is no file of the archive",
        "sub/soft.jpg": "read",
        "twice.jpg": "read",
        "z-long.jpg": "read",
      });
      for (const input of inputs) {
        const content = readContent(input);
        if ("bytes" in content) expect(content.bytes.equals(jpeg), input.key).toBe(true);
      }
    }
  });

  it("such as a folder that may not be listed is failed", async () => {
    const dir = mkdtempSync(join(folder, "closed-"));
    mkdirSync(join(dir, "closed"));
    writeFileSync(join(dir, "good.jpg"), jpeg);
    for (const [path, mode] of [
      [folder, 0o755],
      [dir, 0o755],
      [join(dir, "closed"), 0],
    ] as const)
      chmodSync(path, mode);
    // Nothing is closed to root.
    const root = process.geteuid?.() === 0;
    if (root) process.seteuid?.(65_534);
    try {
      expect(outcomes(await listFolder(dir))).toEqual({
        "closed/": "failed: it is a folder that cannot be listed (EACCES)",
        "good.jpg": "read",
      });
      expect(await listFolder(dir, { globs: ["*.png"], excludes: ["closed/**"] })).toEqual([]);
      await expect(listFolder(join(dir, "closed"))).rejects.toThrow(UsageError);
    } finally {
      if (root) process.seteuid?.(0);
    }
    chmodSync(join(dir, "closed"), 0o700);
  });

  it("is not waited for where it has the name of an archive", async () => {
    const dir = join(folder, "shards");
    mkdirSync(dir);
    execFileSync("mkfifo", [join(dir, "a.tar")]);
    await expect(listArchive(join(dir, "a.tar"))).rejects.toThrow(/a\.tar is no file/);
    await expect(listSources([{ kind: "path", path: dir }])).rejects.toThrow(/a\.tar is no file/);
    writeFileSync(join(dir, "good.jpg"), jpeg);
    const { inputs } = await listSources([{ kind: "path", path: dir }]);
    expect(outcomes(inputs)).toEqual({
      "a.tar": "skipped: it is a pipe (FIFO), not a file",
      "good.jpg": "read",
    });
  });

  it("such as a folder that is gone is refused in a sentence", async () => {
    await expect(listFolder(join(folder, "gone"))).rejects.toThrow(/gone cannot be listed \(ENOENT\)/);
  });
});
