/** Memory that is kept from image to image: what was in it before is never seen, and it does not grow for ever. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { preprocess } from "../../src/images/index.ts";
import { readJpegHeader } from "../../src/images/jpeg-header.ts";
import { machine, place, withRoom } from "../../src/images/machine.ts";
import { decodeContent, decodeImage, type ReadRecipe, readContent } from "../../src/node/images/index.ts";
import { fastJpeg } from "../../src/node/images/jpeg.ts";
import { giveBackContent } from "../../src/node/images/read.ts";
import type { Room } from "../../src/platform/decoder.ts";
import { ownReference } from "../support/reference.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kept-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const recipe: ReadRecipe = {
  decode: { exif: "auto", jpeg: "fast" },
  preprocess: { family: "inception", mode: "slim", size: 32, channels: 3 },
};

const read = (bytes: Buffer) =>
  decodeContent({ bytes, hash: "" }, recipe, new Float32Array(3 * recipe.preprocess.size ** 2));

const stored = (name: string) => readFileSync(join(ownReference, "jpeg", name));
const plain = (width: number, height: number, background: string) =>
  sharp({ create: { width, height, channels: 3, background } });

/** By the fast decoder alone. */
function tryFast(bytes: Buffer, room: Room) {
  const header = readJpegHeader(bytes);
  return header && fastJpeg?.(bytes, header, room);
}

/** One byte changed, so that libjpeg warns and libvips is asked while others may come. */
async function doubtful(): Promise<Buffer> {
  const whole = stored("baseline_422.jpg");
  for (let at = whole.length >> 1; at < whole.length - 2; at++) {
    const changed = Buffer.from(whole);
    changed[at] ^= 16;
    const both = await Promise.all([read(changed), decodeImage(changed, recipe.decode).catch(() => {})]);
    if (both[0].status === "ok" && both[1]?.jpeg === "fast") return changed;
  }
  throw new Error("no byte does it");
}

describe("memory that is kept", () => {
  it("gives what memory of its own gives, in any order and at once", async () => {
    const files = [
      ...["baseline_420.jpg", "progressive.jpg", "grey.jpg", "baseline_444.jpg"].map(stored),
      await doubtful(),
      await plain(300, 200, "#ffffff").jpeg().toBuffer(),
      await plain(41, 33, "#123456").png().toBuffer(),
      await plain(37, 53, "#654321").jpeg().withMetadata({ orientation: 6 }).toBuffer(),
    ];
    const alone = await Promise.all(
      files.map(async (file) => preprocess(await decodeImage(file, recipe.decode), recipe.preprocess)),
    );
    const order = [0, 5, 1, 4, 4, 5, 2, 6, 3, 7, 0, 4, 6, 5];
    const one = [];
    for (const i of order) one.push(await read(files[i]));
    for (const outcomes of [one, await Promise.all(order.map((i) => read(files[i])))]) {
      for (const [at, outcome] of outcomes.entries()) {
        expect(outcome.status === "ok" && outcome.input, `${at}`).toEqual(alone[order[at]]);
      }
    }
  });

  it("does not take an earlier image's pixels for those of a file at which libjpeg stops", async () => {
    const broken = stored("progressive.jpg");
    // The table of a later scan under a number that no table has: nothing is decoded.
    const table = broken.lastIndexOf(Buffer.from([0xff, 0xc4]));
    expect(table).toBeGreaterThan(broken.indexOf(Buffer.from([0xff, 0xda])));
    broken[table + 4] = 0x0f;
    for (const before of [0, 128, 255]) {
      const filled: Room = (bytes) => new Uint8Array(bytes).fill(before);
      expect(tryFast(broken, filled), `${before}`).toBeUndefined();
    }
    expect(await read(broken)).toMatchObject({ status: "failed" });
  });

  it("is lent to one at a time, and gives way to what is too large", async () => {
    const lent = (room: Room, bytes: number) => room(bytes).buffer === machine().memory.buffer;
    await withRoom(async (room) => {
      expect(lent(room, 1024)).toBe(true);
      await withRoom(async (other) => expect(lent(other, 1024)).toBe(false));
      expect(place([8])).toEqual([1024]);
    });
    await withRoom(async (room) => expect(lent(room, 2 ** 26 + 1)).toBe(false));
    expect(place([8])).toEqual([0]);
  });

  it("is given back when it has grown too large", async () => {
    const { memory } = machine();
    await withRoom(async () => {});
    expect(machine().memory).toBe(memory);
    await withRoom(async () => void place([2 ** 27 + 1]));
    expect(machine().memory).not.toBe(memory);
    expect(machine().memory.buffer.byteLength).toBeLessThan(2 ** 17);
  });

  it("holds a file as long as it is used, and no other's bytes", () => {
    const content = (name: string, text: string) => {
      const path = join(folder, name);
      writeFileSync(path, text);
      const read = readContent({ key: name, path: Buffer.from(path) });
      if (!("bytes" in read)) throw new Error(read.status);
      return read;
    };
    const long = content("long.jpg", "long ".repeat(20_000));
    const beside = content("beside.jpg", "beside");
    expect(beside.bytes.buffer).not.toBe(long.bytes.buffer);
    giveBackContent(long);
    const short = content("short.jpg", "short");
    expect(short.bytes.buffer).toBe(long.bytes.buffer);
    expect(short.bytes.toString()).toBe("short");
    expect(beside.bytes.toString()).toBe("beside");
    giveBackContent(short);
    const empty = content("empty.jpg", "");
    expect(empty.bytes.length).toBe(0);
    const longer = content("longer.jpg", "longer ".repeat(50_000));
    expect(longer.bytes.toString()).toBe("longer ".repeat(50_000));
  });
});
