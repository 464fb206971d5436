/** Preprocessing: TensorFlow's and Pillow's own values, and the rules that they follow. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resizeLegacyBilinear, unscaled } from "../../src/images/bilinear.ts";
import {
  checkPreprocess,
  describePreprocess,
  type JpegMethod,
  type Pixels,
  type PreprocessOptions,
  preprocess,
  preprocessModes,
} from "../../src/images/index.ts";
import { resizePillowBilinear } from "../../src/images/resize.ts";
import { decodeImage } from "../../src/node/images/index.ts";
import { seededTensor, seededUnits } from "../../src/seeded.ts";
import { sizeOf } from "../../src/tensor.ts";
import { readOpCases } from "../../src/verify/ops.ts";
import { needsShared, ownReference, sharedReference } from "../support/reference.ts";

interface Reference {
  readonly file: string;
  readonly preprocess: keyof typeof recipes;
  readonly size: number;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly samples: number;
  readonly sampleSeed: string;
}

/** What the reference's names mean here, and how large a grey level is in their units. */
const recipes = {
  inception: { options: { family: "inception", mode: "slim" }, level: 2 / 255 },
  inception_no_crop: { options: { family: "inception", mode: "resize" }, level: 2 / 255 },
  vgg: { options: { family: "vgg", mode: "slim" }, level: 1 },
  seed_pillow_bilinear: { options: { family: "inception", mode: "seed" }, level: 1 },
  decode: { options: undefined, level: 1 },
} as const;

const references: Reference[] = sharedReference
  ? JSON.parse(readFileSync(join(sharedReference, "preprocess/preprocess.json"), "utf8"))
  : [];

async function errors(reference: Reference, jpeg: JpegMethod): Promise<{ mean: number; max: number }> {
  const dir = sharedReference as string;
  const bytes = readFileSync(join(dir, "preprocess/preprocess.f32"));
  const all = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
  );
  const pixels = await decodeImage(join(dir, "images", reference.file), { exif: "ignore", jpeg });
  const { options, level } = recipes[reference.preprocess];
  const ours = options ? preprocess(pixels, { ...options, size: reference.size, channels: 3 }) : pixels.data;
  expect(ours.length).toBe(sizeOf(reference.shape));
  const places = seededUnits(reference.sampleSeed, reference.samples);
  const differences = Array.from(places, (unit, i) => {
    const at = Math.min(Math.floor(((unit + 1) / 2) * ours.length), ours.length - 1);
    return Math.abs(ours[at] - all[reference.offset + i]) / level;
  });
  return { mean: differences.reduce((a, b) => a + b, 0) / differences.length, max: Math.max(...differences) };
}

describe("the mode", () => {
  const pixels = (side: number): Pixels => ({
    ...{ width: side + 30, height: side, format: "png", orientation: 1, turned: false },
    data: Uint8Array.from({ length: 3 * side * (side + 30) }, (_, i) => (i * 7919) % 256),
  });

  it.each(["inception", "vgg"] as const)(
    "%s is that family's own preparation, whatever the network",
    (mode) => {
      const own = { family: mode, mode: "slim", size: 64, channels: 3 } as const;
      for (const family of ["inception", "vgg", "cifarnet"] as const) {
        const taken = { ...own, family, mode };
        expect(preprocess(pixels(90), taken)).toEqual(preprocess(pixels(90), own));
        expect(describePreprocess(taken)).toBe(describePreprocess(own));
      }
      expect(preprocess(pixels(90), { ...own, family: mode === "vgg" ? "inception" : "vgg" })).not.toEqual(
        preprocess(pixels(90), own),
      );
    },
  );

  it("says the short side that vgg's rules take at a size", () => {
    const at = (size: number) => describePreprocess({ family: "inception", mode: "vgg", size, channels: 3 });
    expect(at(224)).toMatch(/^vgg: short side 256 .* to 224x224/);
    expect(at(299)).toMatch(/^vgg: short side 342 .* to 299x299/);
  });

  it("of colours is refused for a grey input", () => {
    for (const mode of ["inception", "vgg"] as const)
      expect(() => checkPreprocess(mode, 1)).toThrow(/is for colours/);
    for (const mode of preprocessModes) expect(() => checkPreprocess(mode, 3)).not.toThrow();
    expect(() => checkPreprocess("slim", 1)).not.toThrow();
  });
});

describe("TensorFlow's own values", () => {
  it.skipIf(!sharedReference)(
    `are met to the bit, in every mode, on PNG and JPEG${needsShared}`,
    async () => {
      expect(references.filter((r) => r.file.endsWith(".jpg")).length).toBeGreaterThan(20);
      expect(references.length).toBeGreaterThan(40);
      for (const r of references) {
        expect(await errors(r, "fast"), `${r.file} ${r.preprocess}`).toEqual({ mean: 0, max: 0 });
      }
    },
  );

  it.skipIf(!sharedReference)(
    `are missed by a few levels by the accurate decoder${needsShared}`,
    async () => {
      for (const r of references.filter((r) => r.file.endsWith(".jpg"))) {
        const { mean, max } = await errors(r, "accurate");
        expect(mean, `${r.file} ${r.preprocess}`).toBeGreaterThan(0);
        expect(mean, `${r.file} ${r.preprocess}`).toBeLessThan(1.2);
        expect(max, `${r.file} ${r.preprocess}`).toBeLessThan(6.5);
      }
    },
  );
});

describe("a part of a resized image", () => {
  it.each([[{ height: 40, width: 30 }], [{ height: 9, width: 70 }], [{ height: 19, width: 23 }]])(
    "at %o is the same whether the rest is computed or not",
    (size) => {
      const [height, width] = [19, 23];
      const data = Uint8Array.from(seededUnits("part", height * width * 3), (u) => 127.5 * (u + 1));
      const levels = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);
      const image = { height, width, channels: 3, data };
      const source = { top: 2, left: 3, height: 15, width: 17 };
      const cutOut = { ...image, ...source, data: new Uint8Array(15 * 17 * 3) };
      for (let y = 0; y < 15; y++) {
        cutOut.data.set(data.subarray(3 * ((y + 2) * width + 3), 3 * ((y + 2) * width + 20)), 3 * 17 * y);
      }
      const all = resizeLegacyBilinear(cutOut, size, levels, unscaled);
      const wanted = { top: 3, left: 5, height: 5, width: 11 };
      const part = resizeLegacyBilinear(image, size, levels, unscaled, source, wanted);
      expect(part.length).toBe(5 * 11 * 3);
      expect([...part]).toEqual(
        Array.from(part, (_, i) => {
          const [y, x, c] = [Math.floor(i / 33), Math.floor(i / 3) % 11, i % 3];
          return all[3 * ((y + 3) * size.width + x + 5) + c];
        }),
      );
    },
  );
});

describe("TensorFlow 1's bilinear resize", () => {
  const row = (values: number[], width: number) => [
    ...resizeLegacyBilinear(
      { width: values.length, height: 1, channels: 1, data: Uint8Array.from(values) },
      { height: 1, width },
      Float32Array.from({ length: 256 }, (_, byte) => byte),
      unscaled,
    ),
  ];

  it("has no half-pixel centres", () => {
    expect(row([0, 1, 2, 3], 3)).toEqual([0, Math.fround(4 / 3), Math.fround(8 / 3)]);
    expect(row([0, 1], 4)).toEqual([0, 0.5, 1, 1]);
  });

  it("equals the operation's reference values", async () => {
    const { cases, truthOf } = await readOpCases(ownReference);
    const resizes = cases.filter((c) => c.op === "resize_bilinear");
    expect(resizes.length).toBe(3);
    for (const c of resizes) {
      const [{ seed, shape, bound, offset }] = c.inputs;
      const [, height, width, channels] = shape;
      const [outH, outW] = c.attrs.size as [number, number];
      // Bytes are resized, so each value is taken apart into three of them; the sum of their results is the value's.
      const values = seededTensor(seed, shape, bound, offset);
      const low = Math.min(...values);
      const step = (Math.max(...values) - low) / (2 ** 24 - 1);
      const parts = [0, 8, 16].map((bits) =>
        resizeLegacyBilinear(
          {
            ...{ height, width, channels },
            data: Uint8Array.from(values, (v) => Math.round((v - low) / step) >> bits),
          },
          { height: outH, width: outW },
          Float32Array.from({ length: 256 }, (_, byte) => 2 ** bits * step * byte),
          unscaled,
        ),
      );
      const ours = parts[0].map((_, i) => low + parts[0][i] + parts[1][i] + parts[2][i]);
      const truth = truthOf(c);
      // The reference was computed in float64.
      expect(Math.max(...ours.map((v, i) => Math.abs(v - truth[i])))).toBeLessThan(1e-4);
    }
  });
});

/**
 * Made with Pillow 13: Image.fromarray(a).resize((width, height), Image.BILINEAR) of the bytes
 * floor((unit + 1) / 2 * 256) of the stream called after the case.
 */
const pillow: [string, [number, number], [number, number], string][] = [
  [
    "a",
    [7, 5],
    [4, 4],
    "718ea88698686a9c5b83835d6b9c87765265915b808aa05944805569436d627d763db2457f472a9322509462786f6457",
  ],
  [
    "b",
    [5, 9],
    [3, 8],
    "93366b5a9968ad6b845e85755e856c5a9526424e6c63738885417f737e7e9f524d86817083665a7d8747698d83c8746f9f8764b87fa5b4976b9d648e7b6382a3a137c27a51a187a6",
  ],
  [
    "c",
    [3, 3],
    [5, 6],
    "ebf64adfb964c63e99c123b2cf67afd689ad9897539f8971aa6caead6cc2a78bafa49aa51c09603e418481b0cd90dadb6cc1af5ab4993c415f436c724fbf984ddf9f3dcc8634c27952675e4688662ec97520e2771dd36a1bcb64",
  ],
  ["d", [9, 4], [2, 6], "5e8c956e83927d8191799c9c85a5b392a7c7818eaa7183a86c71a8975cb3a48082a5aa4e"],
  [
    "e",
    [6, 6],
    [6, 3],
    "6961949d9596ba9c86a42d7ed86a17b42b6293796c959782389c7a78b26c85906e7e7a67acde95937abf3847e19d957dc7a770a0e388",
  ],
];

describe("Pillow's bilinear resize", () => {
  it.each(pillow)(
    "%s from %o to %o is the same to the byte",
    (name, [height, width], [outH, outW], bytes) => {
      const data = Uint8Array.from(seededUnits(name, height * width * 3), (u) =>
        Math.floor(((u + 1) / 2) * 256),
      );
      const ours = resizePillowBilinear({ height, width, channels: 3, data }, outH, outW);
      expect(Buffer.from(ours.data).toString("hex")).toBe(bytes);
    },
  );
});

const flat = (
  width: number,
  height: number,
  paint: (x: number, y: number) => [number, number, number],
): Pixels => ({
  width,
  height,
  data: Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => paint(Math.floor(i / 3) % width, Math.floor(i / 3 / width))[i % 3],
  ),
  format: "png",
  orientation: 1,
  turned: false,
});

const options = (
  family: PreprocessOptions["family"],
  mode: PreprocessOptions["mode"],
  size: number,
  channels = 3,
) => ({
  family,
  mode,
  size,
  channels,
});

describe("the families", () => {
  const grey = flat(64, 48, () => [128, 64, 255]);

  it("scale as TF-Slim does", () => {
    const unit = Math.fround(1 / 255);
    expect([...preprocess(grey, options("inception", "resize", 2)).subarray(0, 3)]).toEqual(
      [128, 64, 255].map((v) => Math.fround(Math.fround(Math.fround(v * unit) - 0.5) * 2)),
    );
    expect([...preprocess(grey, options("vgg", "slim", 2)).subarray(0, 3)]).toEqual(
      [128 - Math.fround(123.68), 64 - Math.fround(116.78), 255 - Math.fround(103.94)].map(Math.fround),
    );
    expect([...preprocess(grey, options("lenet", "slim", 28)).subarray(0, 3)]).toEqual(
      [0, -0.5, 127 / 128].map(Math.fround),
    );
    expect([...preprocess(grey, options("inception", "seed", 2)).subarray(0, 3)]).toEqual([128, 64, 255]);
  });

  it("crop the middle: an eighth for inception, a square of the short side's 7/8 for vgg", () => {
    // A frame of 255 as wide as the crop leaves out.
    const framed = flat(64, 32, (x, y) =>
      x < 4 || x >= 60 || y < 2 || y >= 30 ? [255, 255, 255] : [0, 0, 0],
    );
    expect(Math.max(...preprocess(framed, options("inception", "slim", 20)))).toBe(-1);
    expect(Math.max(...preprocess(framed, options("inception", "resize", 20)))).toBeGreaterThan(0.9);
    const wide = flat(512, 256, (x) => (x < 144 || x >= 368 ? [255, 0, 0] : [0, 0, 0]));
    expect(
      preprocess(wide, options("vgg", "slim", 224)).reduce(
        (n, v, i) => (i % 3 === 0 ? Math.max(n, v) : n),
        -200,
      ),
    ).toBeCloseTo(-123.68, 4);
  });

  it("round vgg's sides half to even, never below 256", () => {
    for (const side of [41, 47, 55, 61, 82]) {
      expect(
        preprocess(
          flat(side, side + 7, () => [1, 2, 3]),
          options("vgg", "slim", 224),
        ).length,
      ).toBe(224 * 224 * 3);
    }
  });

  it("pad what is too small for cifarnet and lenet with zeros around the middle", () => {
    const small = preprocess(
      flat(2, 2, () => [128, 128, 128]),
      options("lenet", "slim", 5, 1),
    );
    const rows = [0, 1, 2, 3, 4].map((y) =>
      [...small.subarray(5 * y, 5 * y + 5)].map((v) => (v === 0 ? "x" : ".")).join(""),
    );
    expect(rows).toEqual([".....", ".xx..", ".xx..", ".....", "....."]);
  });

  it("standardize cifarnet's images to mean 0 and deviation 1", () => {
    const noisy = flat(40, 40, (x, y) => [(x * 37 + y * 11) % 256, (x * 5) % 256, (y * 91) % 256]);
    const values = preprocess(noisy, options("cifarnet", "slim", 32));
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const deviation = Math.sqrt(values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length);
    expect(mean).toBeCloseTo(0, 5);
    expect(deviation).toBeCloseTo(1, 5);
    expect(
      Math.max(
        ...preprocess(
          flat(32, 32, () => [7, 7, 7]),
          options("cifarnet", "slim", 32),
        ),
      ),
    ).toBe(0);
  });

  it("take grey as the mean of the colours, rounded down", () => {
    expect(
      preprocess(
        flat(28, 28, () => [1, 2, 2]),
        options("lenet", "slim", 28, 1),
      )[0],
    ).toBe(Math.fround((1 - 128) / 128));
  });

  it("are told in a line", () => {
    expect(describePreprocess(options("inception", "slim", 224))).toBe(
      "inception: central crop 0.875, TensorFlow 1 bilinear to 224x224, (x/255 - 0.5) * 2",
    );
    expect(describePreprocess(options("vgg", "seed", 224))).toBe(
      "seed: Pillow bilinear to 224x224, raw 0..255",
    );
  });
});
