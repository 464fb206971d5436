/** The project's own fast decoder of JPEG against TensorFlow's bytes, and against the native one that Node uses. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import turbo from "@julusian/jpeg-turbo";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { decodeFastJpeg } from "../../src/images/jpeg-decode.ts";
import { readJpegHeader } from "../../src/images/jpeg-header.ts";
import { fastJpeg } from "../../src/node/images/jpeg.ts";
import { seededUnits } from "../../src/seeded.ts";
import { ownReference } from "../support/reference.ts";

const root = resolve(import.meta.dirname, "../..");
const folder = join(ownReference, "jpeg");
const { images } = JSON.parse(readFileSync(join(folder, "jpeg.json"), "utf8")) as {
  images: Record<string, { fast: string }>;
};
const room = (bytes: number) => new Uint8Array(bytes).fill(77);
const sha256 = (data?: Uint8Array) =>
  createHash("sha256")
    .update(data ?? "")
    .digest("hex");

/** How our pixels differ from those of the native decoder: not at all, or where. */
function difference(bytes: Uint8Array): string {
  const header = readJpegHeader(bytes);
  if (!header) return "it has no header";
  const native = fastJpeg?.(bytes, header, room);
  const ours = decodeFastJpeg(bytes, room);
  if (!native || !ours) return `given by ${native ? "the native one" : "ours"} alone`;
  const at = native.data.findIndex((value, i) => value !== ours.data[i]);
  if (at >= 0) return `${ours.data[at]}, not ${native.data[at]}, at ${at}`;
  return native.doubtful === ours.doubtful ? "" : "of another doubt";
}

/** Numbers from 0 up to `most`, by a name. */
const numbers = (name: string, count: number, most: number): number[] =>
  Array.from(seededUnits(name, count), (u) => Math.min(most - 1, Math.floor(((u + 1) / 2) * most)));

/** Noise, which takes every value to its bounds, a hard picture of black and white, or a soft one. */
function pixelsOf(i: number, width: number, height: number): Buffer {
  const kind = i % 3;
  const noise = numbers(`pixels ${i}`, 3 * width * height, 256);
  const soft = (k: number) => 127 + 120 * Math.sin(k / 50 + i) * Math.cos(k / (9 * width));
  return Buffer.from(
    noise.map((value, k) => (kind === 0 ? value : kind === 1 ? (value & 1) * 255 : soft(k))),
  );
}

const samplings = {
  "4:4:4": turbo.SAMP_444,
  "4:2:2": turbo.SAMP_422,
  "4:2:0": turbo.SAMP_420,
  "4:4:0": turbo.SAMP_440,
  grey: turbo.SAMP_GRAY,
} as const;
type Sampling = keyof typeof samplings;

const compressed = (data: Buffer, width: number, height: number, sampling: Sampling, quality: number) =>
  Buffer.from(
    turbo.compressSync(data, {
      format: turbo.FORMAT_RGB,
      width,
      height,
      subsampling: samplings[sampling],
      quality,
    }),
  );

const frameOf = (bytes: Buffer) => bytes.indexOf(Buffer.of(0xff, 0xc0));
const scanOf = (bytes: Buffer) => bytes.indexOf(Buffer.of(0xff, 0xda));
const dataOf = (bytes: Buffer) => scanOf(bytes) + 2 + bytes.readUInt16BE(scanOf(bytes) + 2);

/** A file of strips, each a row of units, with a restart between them. */
function withRestarts(i: number, width: number, strips: number, sampling: Sampling): Buffer {
  const high = ["4:2:0", "4:4:0"].includes(sampling) ? 16 : 8;
  const wide = ["4:2:0", "4:2:2"].includes(sampling) ? 16 : 8;
  const parts = Array.from({ length: strips }, (_, k) =>
    compressed(pixelsOf(i + 3 * k, width, high), width, high, sampling, 80),
  );
  const [first] = parts;
  first.writeUInt16BE(strips * high, frameOf(first) + 5);
  const interval = Buffer.of(0xff, 0xdd, 0, 4, 0, Math.ceil(width / wide));
  const data = parts.flatMap((part, k) => [
    part.subarray(dataOf(part), part.length - 2),
    Buffer.of(0xff, k === strips - 1 ? 0xd9 : 0xd0 + (k & 7)),
  ]);
  return Buffer.concat([
    first.subarray(0, scanOf(first)),
    interval,
    first.subarray(scanOf(first), dataOf(first)),
    ...data,
  ]);
}

/** A file with a scan for each component, made of three grey ones. */
function withScans(i: number, width: number, height: number, sampling: number): Buffer {
  const [across, down] = [sampling >> 4, sampling & 15];
  const parts = [0, 1, 2].map((k) => {
    const [w, h] = k ? [Math.ceil(width / across), Math.ceil(height / down)] : [width, height];
    return compressed(pixelsOf(i + k, w, h), w, h, "grey", 70);
  });
  const [first] = parts;
  const frame = Buffer.from([0xff, 0xc0, 0, 17, 8, 0, height, 0, width, 3]);
  const components = [0, 1, 2].flatMap((k) => [k + 1, k ? 0x11 : sampling, 0]);
  const scans = parts.flatMap((part, k) => {
    const scan = part.subarray(scanOf(part), part.length - 2);
    scan[5] = k + 1;
    return scan;
  });
  return Buffer.concat([
    first.subarray(0, frameOf(first)),
    frame,
    Buffer.from(components),
    first.subarray(frameOf(first) + 13, scanOf(first)),
    ...scans,
    Buffer.of(0xff, 0xd9),
  ]);
}

describe("the project's own fast decoder of JPEG", () => {
  it.each(Object.keys(images))("gives TensorFlow's own bytes of %s", (name) => {
    expect(sha256(decodeFastJpeg(readFileSync(join(folder, name)), room)?.data)).toBe(images[name].fast);
  });

  it.skipIf(!fastJpeg)("gives the native one's bytes of all samples", () => {
    const names = (readdirSync(join(root, "samples"), { recursive: true }) as string[]).filter((name) =>
      /\.jpe?g$/.test(name),
    );
    expect(names.length).toBeGreaterThan(7);
    const other = names.map((name) => [name, difference(readFileSync(join(root, "samples", name)))]);
    expect(other.filter(([, what]) => what)).toEqual([]);
  });

  const sizes = numbers("sizes", 400, 40).map((n) => n + 1);
  const qualities = numbers("qualities", 200, 96).map((n) => n + 5);
  const cases = qualities.map((quality, i) => ({ i, quality, width: sizes[i], height: sizes[200 + i] }));

  it.skipIf(!fastJpeg).each(Object.keys(samplings) as Sampling[])(
    "gives the native one's bytes of %s",
    (s) => {
      const other = cases
        .map((c) => ({
          ...c,
          what: difference(compressed(pixelsOf(c.i, c.width, c.height), c.width, c.height, s, c.quality)),
        }))
        .filter(({ what }) => what);
      expect(other).toEqual([]);
    },
  );

  it.skipIf(!fastJpeg)(
    "gives the native one's bytes of progressive files, and of codes of their own",
    async () => {
      const other: unknown[] = [];
      for (const { i, quality, width, height } of cases) {
        const picture = sharp(pixelsOf(i, width, height), { raw: { width, height, channels: 3 } });
        const options = {
          quality,
          progressive: i % 4 !== 0,
          optimiseCoding: true,
          chromaSubsampling: i % 2 ? "4:2:0" : "4:4:4",
        };
        const bytes = await (i % 5 ? picture : picture.greyscale()).jpeg(options).toBuffer();
        const what = difference(bytes);
        if (what) other.push({ i, width, height, ...options, what });
      }
      expect(other).toEqual([]);
    },
  );

  it.skipIf(!fastJpeg)("goes over restarts, and finds the next where one is lost", () => {
    for (const [i, sampling] of (Object.keys(samplings) as Sampling[]).entries()) {
      const whole = withRestarts(i, 30 + i, 11, sampling);
      expect(difference(whole), sampling).toBe("");
      const third = whole.indexOf(Buffer.of(0xff, 0xd2));
      for (const wrong of [0xd3, 0xd4, 0xd7, 0xd1, 0xd0, 0x01]) {
        const changed = Buffer.from(whole);
        changed[third + 1] = wrong;
        expect(difference(changed), `${sampling} ${wrong}`).toBe("");
      }
      const lost = Buffer.concat([whole.subarray(0, third), whole.subarray(third + 2)]);
      expect(difference(lost), `${sampling} without one`).toBe("");
    }
  });

  it.skipIf(!fastJpeg)("takes components that have a scan each", () => {
    for (const sampling of [0x11, 0x21, 0x12, 0x22])
      for (const { i, width, height } of cases.slice(0, 40))
        expect(difference(withScans(i, width, height, sampling)), `${i} ${sampling}`).toBe("");
  });

  it.skipIf(!fastJpeg)("takes the usual codes where a file has none", () => {
    const whole = compressed(pixelsOf(0, 40, 24), 40, 24, "4:2:2", 90);
    let bare = whole;
    for (let at = bare.indexOf(Buffer.of(0xff, 0xc4)); at > 0; at = bare.indexOf(Buffer.of(0xff, 0xc4)))
      bare = Buffer.concat([bare.subarray(0, at), bare.subarray(at + 2 + bare.readUInt16BE(at + 2))]);
    expect(bare.length).toBeLessThan(whole.length - 400);
    expect(difference(bare)).toBe("");
    expect(decodeFastJpeg(bare, room)).toEqual(decodeFastJpeg(whole, room));
  });

  it.skipIf(!fastJpeg)("takes red, green and blue where the file says so", () => {
    const bytes = compressed(pixelsOf(2, 33, 21), 33, 21, "4:4:4", 90);
    const jfif = bytes.indexOf("JFIF");
    bytes.write("none", jfif);
    const asColours = sha256(decodeFastJpeg(bytes, room)?.data);
    for (const [i, id] of [..."RGB"].entries()) {
      bytes.write(id, frameOf(bytes) + 10 + 3 * i);
      bytes.write(id, scanOf(bytes) + 5 + 2 * i);
    }
    expect(difference(bytes)).toBe("");
    expect(sha256(decodeFastJpeg(bytes, room)?.data)).not.toBe(asColours);
  });

  it.skipIf(!fastJpeg)("leaves to the accurate decoder what the native one leaves to it", () => {
    const whole = compressed(pixelsOf(2, 33, 21), 33, 21, "4:2:0", 90);
    const version = Buffer.from(whole);
    version[whole.indexOf("JFIF") + 5] = 2;
    const adobe = (transform: number) =>
      Buffer.concat([
        Buffer.of(0xff, 0xd8, 0xff, 0xee, 0, 14),
        Buffer.from("Adobe\0\x64\0\0\0\0"),
        Buffer.of(transform),
        whole.subarray(2 + 18),
      ]);
    const takenBy = (bytes: Buffer) => {
      const header = readJpegHeader(bytes);
      return [header && fastJpeg?.(bytes, header, room), decodeFastJpeg(bytes, room)].map(Boolean);
    };
    expect(takenBy(version)).toEqual([false, false]);
    expect(takenBy(adobe(2))).toEqual([false, false]);
    for (const transform of [0, 1]) expect(difference(adobe(transform)), `${transform}`).toBe("");
  });

  it.skipIf(!fastJpeg)("gives the native one's bytes of damaged files that both take", () => {
    let taken = 0;
    const other: unknown[] = [];
    for (const name of Object.keys(images)) {
      const whole = readFileSync(join(folder, name));
      const places = numbers(`damage ${name}`, 120, whole.length);
      for (const [i, at] of places.entries()) {
        const changed = Buffer.from(whole);
        changed[at] ^= 1 << (i % 8);
        const header = readJpegHeader(changed);
        if (!header || header.width * header.height > 1e6) continue;
        const ours = decodeFastJpeg(changed, room);
        const native = ours && fastJpeg?.(changed, header, room);
        if (!native) continue;
        taken++;
        if (Buffer.compare(native.data, ours.data) !== 0) other.push([name, at, i % 8]);
      }
    }
    expect(other).toEqual([]);
    expect(taken).toBeGreaterThan(300);
  });

  it("gives nothing, or says that it doubts, where a file was cut off", () => {
    for (const name of ["baseline_420.jpg", "progressive.jpg"]) {
      const whole = readFileSync(join(folder, name));
      for (let length = 0; length < whole.length; length += 5)
        expect(decodeFastJpeg(whole.subarray(0, length), room)?.doubtful ?? true, `${name} ${length}`).toBe(
          true,
        );
    }
  });
});
