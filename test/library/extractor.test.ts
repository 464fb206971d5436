/** The library's extractor, by the kinds of images that programs have, and by what goes wrong with them. */
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ImageError, UsageError } from "../../src/errors.ts";
import {
  createExtractor,
  type Extractor,
  type Features,
  type ImageSource,
  listFolder,
  type Progress,
  Stopped,
} from "../../src/index.ts";
import { samplesDirectory } from "../../src/node/package.ts";
import { temporaryFolder } from "../support/features.ts";

const small = { model: "mobilenet_v1_025", weights: "seeded", imageSize: 32, device: "cpu" } as const;
const photo = join(samplesDirectory, "hills_01.jpg");

const bitsOf = (features: Features | undefined) =>
  features && Object.entries(features).map(([name, v]) => [name, Buffer.from(v.buffer).toString("hex")]);

/** A picture of three by two pixels and more, as PNG and as pixels. */
async function picture(channels: 1 | 3 | 4) {
  const [width, height] = [40, 36];
  const data = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 7919) % 251);
  const png = await sharp(data, { raw: { width, height, channels } }).png().toBuffer();
  return { data, width, height, png };
}

describe("an image", () => {
  let extractor: Extractor;
  let truth: unknown;
  beforeAll(async () => {
    extractor = await createExtractor(small);
    truth = bitsOf(await extractor.features(photo));
  });
  afterAll(() => extractor.close());

  it.each<[string, () => ImageSource | Promise<ImageSource>]>([
    ["a path", () => photo],
    ["a relative path", () => relative(process.cwd(), photo)],
    ["a file: URL", () => pathToFileURL(photo)],
    ["a data: URL", () => new URL(`data:image/jpeg;base64,${readFileSync(photo).toString("base64")}`)],
    ["a Buffer", () => readFileSync(photo)],
    [
      "a Uint8Array in a larger buffer",
      () => Uint8Array.from([0, ...readFileSync(photo), 0]).subarray(1, -1),
    ],
    ["an ArrayBuffer", () => new Uint8Array(readFileSync(photo)).buffer],
    ["a Blob", () => new Blob([readFileSync(photo)])],
    [
      "what listFolder found",
      async () => (await listFolder(samplesDirectory)).find((f) => f.key === "hills_01.jpg") as ImageSource,
    ],
  ])("may be %s, with the same bits", async (_, give) => {
    const image = await give();
    expect(bitsOf(await extractor.features(image))).toEqual(truth);
    // As one of many it is read by a worker, where it is a file.
    const many = await extractor.features(Array.from({ length: 9 }, () => image));
    expect(many.map(bitsOf)).toEqual(Array.from({ length: 9 }, () => truth));
  });

  it("may be at a web address, if that answers with one", async () => {
    const server = createServer((request, answer) => {
      if (request.url === "/photo.jpg") answer.end(readFileSync(photo));
      else if (request.url === "/page") answer.end("<html>no image</html>");
      else answer.writeHead(404).end();
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
    try {
      const at = (path: string) =>
        new URL(path, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      expect(bitsOf(await extractor.features(at("/photo.jpg")))).toEqual(truth);
      await expect(extractor.features(at("/none"))).rejects.toThrow(
        /^http:\/\/127.*\/none cannot be fetched: the server answered 404 Not Found\.$/,
      );
      await expect(extractor.features(at("/page"))).rejects.toThrow(
        /page cannot be decoded: it is a web page\.$/,
      );
    } finally {
      server.close();
      server.closeAllConnections();
    }
    await expect(extractor.features(new URL("http://127.0.0.1:1/x.jpg"))).rejects.toThrow(
      /cannot be fetched: /,
    );
  });

  it.each([1, 3, 4] as const)("may be pixels of %i channels, as a PNG of them", async (channels) => {
    const { png, ...pixels } = await picture(channels);
    const expected = bitsOf(await extractor.features(png));
    expect(bitsOf(await extractor.features({ ...pixels, channels }))).toEqual(expected);
    const { data, width, height } = pixels;
    expect(bitsOf(await extractor.features({ data: new Uint8ClampedArray(data), width, height }))).toEqual(
      expected,
    );
  });

  it("of pixels with alpha shows the background that is asked for, as a PNG does", async () => {
    const { png, ...pixels } = await picture(4);
    await using withBackground = await createExtractor({ ...small, background: [250, 128, 3] });
    const found = bitsOf(await withBackground.features(pixels));
    expect(found).toEqual(bitsOf(await withBackground.features(png)));
    expect(found).not.toEqual(bitsOf(await extractor.features(pixels)));
  });

  it.each<[string, unknown, RegExp, (typeof ImageError | undefined)?]>([
    ["nothing", undefined, /^image must be a path, a URL, .* not undefined\.$/],
    ["a number", 3, /^image must be .* not 3\.$/],
    ["an empty object", {}, /^image must be .* not an object\.$/],
    ["an object of a class", new Map(), /^image must be .* not an object of Map\.$/],
    ["one of many", [photo, null], /^images\[1\] must be .* not null\.$/],
    [
      "an address as a text",
      "https://example.org/x.jpg",
      /^https:\/\/example\.org\/x\.jpg is a text, and texts are paths\.$/,
    ],
    [
      "an address of another kind",
      new URL("ftp://h/x"),
      /^ftp:\/\/h\/x is not fetched: addresses may be file:, /,
    ],
    ["no file", "no/such.jpg", /^no\/such\.jpg cannot be read \(ENOENT\)\.$/],
    ["a folder", samplesDirectory, /samples is a folder, not a file\.$/],
    [
      "a text file",
      join(samplesDirectory, "../package.json"),
      /package\.json: neither its name nor its content is an image's\.$/,
    ],
    ["bytes of no image", new Uint8Array(100), /^image cannot be decoded: /],
    ["no bytes", new ArrayBuffer(0), /^image cannot be decoded: the file is empty\.$/],
    [
      "too few pixels' bytes",
      { data: new Uint8Array(11), width: 2, height: 2 },
      /^image has 11 bytes of data, and 2x2 pixels of 1, 3 or 4 channels have another number\.$/,
    ],
    [
      "pixels of two channels",
      { data: new Uint8Array(8), width: 2, height: 2, channels: 2 },
      /2x2 pixels of 2 channels/,
    ],
    [
      "pixels of half a width",
      { data: new Uint8Array(3), width: 0.5, height: 2 },
      /width and height that must be whole numbers from 1 on, not 0\.5 and 2\.$/,
    ],
    [
      "pixels of floats",
      { data: new Float32Array(12), width: 2, height: 2 },
      /^image has data that must be a Uint8Array or Uint8ClampedArray, not an object of Float32Array\.$/,
    ],
  ])("that is %s is refused by a sentence", async (_, image, words) => {
    const refused = await extractor.features(image as ImageSource).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ImageError);
    expect((refused as Error).message).toMatch(words);
  });
});

describe("createExtractor", () => {
  it("opens the included trained network where nothing is asked for", async () => {
    await using extractor = await createExtractor();
    expect(extractor.model).toBe("mobilenet_v1");
    expect(extractor.weights).toMatchObject({ kind: "checkpoint", published: true });
    expect(extractor.endPoints).toEqual([{ name: "AvgPool_1a", shape: [1, 1, 1024] }]);
  });

  it.each<[unknown, string, RegExp?]>([
    [{ device: 3 }, 'createExtractor: `device` must be one of "auto", "webgpu", "cpu", not 3.'],
    [{ device: "gpu" }, 'createExtractor: `device` must be one of "auto", "webgpu", "cpu", not "gpu".'],
    [{ modle: "vgg_16" }, "createExtractor: there is no argument `modle`.", /Did you mean model/],
    [{ model: "" }, 'createExtractor: `model` must be a text, not "".'],
    [{ model: null }, "createExtractor: `model` must be a text, not null."],
    [{ layers: "logits" }, 'createExtractor: `layers` must be an array of texts, not "logits".'],
    [
      { batchSize: 0 },
      'createExtractor: `batchSize` must be a whole number from 1 to 4096, or one of "auto", not 0.',
    ],
    [{ globalPool: "yes" }, 'createExtractor: `globalPool` must be true or false, not "yes".'],
    [
      { background: [1, 2] },
      "createExtractor: `background` must be three numbers from 0 to 255, such as [255, 255, 255], not an array of 2.",
    ],
    [{ onNotice: true }, "createExtractor: `onNotice` must be a function, not true."],
    ["vgg_16", 'createExtractor: its arguments must be one object with names, not "vgg_16".'],
    [{ model: "no_such" }, 'There is no network called "no_such".'],
    [
      { model: "auto" },
      '`model: "auto"` tells the network from a checkpoint, and there is none.',
      /`checkpoint`.*`model`/,
    ],
    [
      { model: "lenet", preprocess: "vgg" },
      '`preprocess: "vgg"` is for colours, and the network\'s input is grey.',
    ],
    [
      { model: "mobilenet_v1_025", weights: "seeded", imageSize: 9999 },
      "An input of 9999 pixels is not possible.",
    ],
  ])("says by name which argument is wrong: %j", async (options, words, hint = /^/) => {
    const refused = await createExtractor(options as object).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UsageError);
    expect((refused as Error).message).toBe(words);
    expect((refused as UsageError).hint ?? "").toMatch(hint);
  });

  it("tells notices in the library's words", async () => {
    const said: string[] = [];
    const options = {
      ...small,
      device: "auto",
      onNotice: (sentence: string) => void said.push(sentence),
    } as const;
    await (await createExtractor(options)).close();
    expect(said.filter((sentence) => sentence.includes("--"))).toEqual([]);
  });
});

describe("a stream", () => {
  const names = ["hills_01.jpg", "bubbles_02.png", "weave_02.bmp"].map((name) =>
    join(samplesDirectory, name),
  );
  let extractor: Extractor;
  let bits: unknown[];
  beforeAll(async () => {
    extractor = await createExtractor({ ...small, batchSize: 4 });
    bits = [];
    for (const name of names) bits.push(bitsOf(await extractor.features(name)));
  });
  afterAll(() => extractor.close());

  async function* slowly<T>(items: Iterable<T>): AsyncGenerator<T> {
    for (const item of items) {
      await new Promise((settle) => setTimeout(settle, 1));
      yield item;
    }
  }

  it.each([0, 1, 3, 4, 5, 30])("gives the features of %i images in their order", async (count) => {
    const images = Array.from({ length: count }, (_, i) => names[i % 3]);
    const expected = images.map((image, index) => ({ index, image, bits: bits[index % 3] }));
    for (const source of [images, new Set(images.map((name) => name)), slowly(images)]) {
      const wanted = source instanceof Set ? expected.slice(0, Math.min(count, 3)) : expected;
      const found: unknown[] = [];
      const told: Progress[] = [];
      for await (const item of extractor.stream(source, { onProgress: (p) => void told.push(p) })) {
        found.push({ index: item.index, image: item.image, bits: bitsOf(item.features) });
      }
      expect(found).toEqual(wanted);
      const total = Symbol.asyncIterator in source ? undefined : wanted.length;
      expect(told).toEqual(wanted.map((_, i) => ({ done: i + 1, failed: 0, total })));
    }
  });

  it("gives what is there while the next image is long in coming", async () => {
    let come = (_: string) => {};
    const second = new Promise<string>((settle) => {
      come = settle;
    });
    async function* source() {
      yield names[0];
      yield await second;
    }
    // A batch of one: nothing has to be waited for.
    await using single = await createExtractor({ ...small, batchSize: 1 });
    const stream = single.stream(source());
    expect(bitsOf((await stream.next()).value?.features)).toEqual(bits[0]);
    come(names[1]);
    expect(bitsOf((await stream.next()).value?.features)).toEqual(bits[1]);
    expect((await stream.next()).done).toBe(true);
  });

  it("ends with the first image that fails, by its name, behind those before", async () => {
    const images = [names[0], names[1], "no/such.jpg", names[2]];
    let count = 0;
    await expect(async () => {
      for await (const { index } of extractor.stream(images)) expect(index).toBe(count++);
    }).rejects.toThrow(/^no\/such\.jpg cannot be read \(ENOENT\)\.$/);
    expect(count).toBe(2);
  });

  it("goes on behind images that fail where it is told to, however many there are", async () => {
    const bad = { data: new Uint8Array(1), width: 9, height: 9 };
    const images: ImageSource[] = [
      ...Array(25).fill("no/such.jpg"),
      names[0],
      bad,
      names[1],
      ...Array(25).fill(bad),
    ];
    const found: string[] = [];
    let last: Progress | undefined;
    const onProgress = (progress: Progress) => {
      last = progress;
    };
    const options = { onError: "skip", onProgress } as const;
    for await (const { index, image, features, error } of extractor.stream(images, options)) {
      expect(image).toBe(images[index]);
      expect(index).toBe(found.length);
      if (features) expect(bitsOf(features)).toEqual(bits[names.indexOf(image as string)]);
      found.push(error ? error.message.replace(/ .*/, "") : "ok");
      if (error) expect(error).toBeInstanceOf(ImageError);
    }
    expect(found.slice(0, 25)).toEqual(Array(25).fill("no/such.jpg"));
    expect(found.slice(25, 29)).toEqual(["ok", "image", "ok", "image"]);
    expect(last).toEqual({ done: 53, failed: 51, total: 53 });
  });

  it("throws what its source throws", async () => {
    async function* source() {
      yield names[0];
      throw new RangeError("the database is gone");
    }
    const found: number[] = [];
    await expect(async () => {
      for await (const { index } of extractor.stream(source())) found.push(index);
    }).rejects.toThrow(RangeError);
  });

  it("ends when its signal fires, be it asleep over its source", async () => {
    const controller = new AbortController();
    async function* source() {
      yield* names;
      controller.abort();
      await new Promise(() => {});
    }
    const stopped = (async () => {
      for await (const _ of extractor.stream(source(), { signal: controller.signal }));
    })();
    await expect(stopped).rejects.toThrow(Stopped);
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    const late = extractor.features(names, { signal: AbortSignal.abort("enough") });
    await expect(late).rejects.toMatchObject({
      message: "Stopped by enough.",
      progress: { done: 0, total: 3 },
    });
    // The extractor is as good as before.
    expect(bitsOf(await extractor.features(names[0]))).toEqual(bits[0]);
  });

  it("closes its source where its consumer leaves", async () => {
    let closed = 0;
    function* source() {
      try {
        for (;;) yield names[0];
      } finally {
        closed++;
      }
    }
    for await (const { index } of extractor.stream(source())) if (index === 5) break;
    expect(closed).toBe(1);
  });

  it.each<[string, unknown, unknown, string]>([
    ["a text", photo, {}, `stream: \`images\` must be an iterable or async iterable of images, not "`],
    [
      "bytes",
      new Uint8Array(3),
      {},
      "stream: `images` must be an iterable or async iterable of images, not an object of Uint8Array.",
    ],
    [
      "nothing",
      undefined,
      {},
      "stream: `images` must be an iterable or async iterable of images, not undefined.",
    ],
    ["onError", [], { onError: "ignore" }, 'stream: `onError` must be one of "throw", "skip", not "ignore".'],
    [
      "signal",
      [],
      { signal: new AbortController() },
      "stream: `signal` must be an AbortSignal, not an object of AbortController.",
    ],
    ["another", [], { onProgres: 1 }, "stream: there is no argument `onProgres`."],
  ])("refuses wrong arguments by name: %s", (_, images, options, words) => {
    expect(() => extractor.stream(images as string[], options as object)).toThrow(UsageError);
    expect(() => extractor.stream(images as string[], options as object)).toThrow(words);
  });
});

describe("an extractor that is closed", () => {
  it("says so, and lets a stream end that was under way", async () => {
    const extractor = await createExtractor(small);
    const stream = extractor.stream(
      (function* () {
        for (;;) yield photo;
      })(),
    );
    expect((await stream.next()).value?.index).toBe(0);
    await Promise.all([extractor.close(), extractor.close()]);
    await expect(
      (async () => {
        for await (const _ of stream);
      })(),
    ).rejects.toThrow("The extractor is closed.");
    await expect(extractor.features(photo)).rejects.toThrow(UsageError);
    await expect(extractor.features(photo)).rejects.toHaveProperty(
      "hint",
      "Open another one with createExtractor().",
    );
    expect(() => extractor.stream([photo])).toThrow("The extractor is closed.");
  });

  it("keeps no process alive, with workers or without", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "in"));
    const script = join(folder, "use.mts");
    const index = pathToFileURL(resolve(import.meta.dirname, "../../src/index.ts")).href;
    writeFileSync(
      script,
      `import { createExtractor } from ${JSON.stringify(index)};
      const extractor = await createExtractor(${JSON.stringify(small)});
      const found = await extractor.features(Array(12).fill(${JSON.stringify(photo)}));
      await extractor.close();
      console.log(found.length);`,
    );
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", script], {
      encoding: "utf8",
      cwd: resolve(import.meta.dirname, "../.."),
    });
    expect([status, stdout], stderr).toEqual([0, "12\n"]);
  });
});
