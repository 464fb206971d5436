/** The package in a browser: the same features as in Node, from files that a page was given, and the same errors. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createExtractor } from "../../src/extract/extractor.ts";
import type { ExtractorOptions } from "../../src/library/options.ts";
import { constant, message, tar } from "../checkpoint/support.ts";
import { hasChromium, type SiteFile, visit } from "../support/chromium.ts";
import { browserScripts, fileIn, packageFile } from "../support/site.ts";
import { seededVariables, writeVariables } from "../support/small-checkpoint.ts";
import type { Extracted, Fault, Told } from "./scenario.ts";

const root = resolve(import.meta.dirname, "../..");
const reference = join(root, "test/reference");
const samples = [
  "bubbles_01.jpg",
  "bubbles_02.png",
  "bubbles_04.bmp",
  "hills_01.jpg",
  "hills_03.png",
  "towers_03.jpg",
  "weave_01.jpg",
  "weave_02.bmp",
  "weave_04.jpg",
].map((name) => `/samples/${name}`);

const v1 = readFileSync(join(reference, "checkpoints/mobilenet_v1_025_v1.ckpt"));
const v2 = ["index", "data-00000-of-00001"].map((end) => `mobilenet_v1_025_v2.ckpt.${end}`);
const archive = gzipSync(
  tar(v2.map((name) => ({ name, data: readFileSync(join(reference, "checkpoints", name)) }))),
);
const photo = readFileSync(join(root, "samples/hills_01.jpg"));

/** An index whose end says that its tables lie where no file reaches. */
function wildIndex(): Buffer {
  const bytes = readFileSync(join(reference, "checkpoints", v2[0]));
  bytes.fill(0xff, bytes.length - 48, bytes.length - 40);
  bytes[bytes.length - 40] = 0x7f;
  return bytes;
}

/** Files that are made for the tests. */
const made: Readonly<Record<string, Uint8Array>> = {
  "/made/run.tar.gz": archive,
  "/made/cut.tar.gz": archive.subarray(0, archive.length >> 1),
  "/made/cut.ckpt": v1.subarray(0, v1.length - 1000),
  "/made/text.ckpt": Buffer.from("this is no checkpoint\n".repeat(40)),
  "/made/out.tar.gz": gzipSync(tar([{ name: "../../evil.ckpt", data: v1 }])),
  "/made/wild.ckpt.index": wildIndex(),
  "/made/cut.jpg": photo.subarray(0, photo.length >> 1),
  "/made/words.jpg": Buffer.from("no picture at all, but words\n"),
  "/made/empty.png": Buffer.alloc(0),
  "/made/scan.tif": Buffer.from("II*\0\x08\0\0\0\0\0\0\0\0\0", "latin1"),
};

/** Pictures of other kinds, by the names under which the page gets them. */
const kinds: Readonly<Record<string, () => Promise<Buffer>>> = {
  "turned.jpg": () => sharp(photo).withMetadata({ orientation: 6 }).jpeg({ quality: 90 }).toBuffer(),
  "profile.jpg": () => sharp(photo).withIccProfile("p3").jpeg({ quality: 90 }).toBuffer(),
  "progressive.jpg": () => sharp(photo).jpeg({ progressive: true, quality: 70 }).toBuffer(),
  "whole.jpg": () => sharp(photo).jpeg({ chromaSubsampling: "4:4:4" }).toBuffer(),
  "grey.jpg": () => sharp(photo).greyscale().jpeg().toBuffer(),
  "deep.png": () => sharp(photo).toColourspace("rgb16").png().toBuffer(),
  "turned.png": () => sharp(photo).withMetadata({ orientation: 3 }).png().toBuffer(),
  "clear.png": () => sharp(photo).ensureAlpha(0.4).png().toBuffer(),
  "lossy.webp": () => sharp(photo).webp({ quality: 80 }).toBuffer(),
  "lossless.webp": () => sharp(photo).webp({ lossless: true }).toBuffer(),
  "clear.webp": () => sharp(photo).ensureAlpha(0.4).webp({ lossless: true, exact: true }).toBuffer(),
  "turned.webp": () => sharp(photo).withMetadata({ orientation: 8 }).webp({ lossless: true }).toBuffer(),
  "still.gif": () => sharp(photo).resize(200).gif().toBuffer(),
};
const kindFiles: Record<string, Buffer> = {};

const plan = {
  pictures: Object.keys(kinds).map((name) => `/kinds/${name}`),
  overflow: ["index", "data-00000-of-00001"].map((end) => `/kinds/huge.ckpt.${end}`),
  samples,
  checkpoints: {
    "a pair of V2": v2.map((name) => `/checkpoints/${name}`),
    "a file of V1": ["/checkpoints/mobilenet_v1_025_v1.ckpt"],
    "an archive": ["/made/run.tar.gz"],
    "a frozen graph": ["/kinds/frozen.pb"],
  },
  broken: {
    "an archive that is cut off": ["/made/cut.tar.gz"],
    "a checkpoint that is cut off": ["/made/cut.ckpt"],
    "an archive that leads out of itself": ["/made/out.tar.gz"],
    "an index that leads out of its file": ["/made/wild.ckpt.index"],
    "a text": ["/made/text.ckpt"],
    "an index alone": [`/checkpoints/${v2[0]}`],
  },
  odd: ["/made/cut.jpg", "/made/words.jpg", "/made/empty.png", "/made/scan.tif", "/samples/hills_01.jpg"],
};

const page = (): SiteFile => ({
  type: "text/javascript",
  body: buildSync({
    entryPoints: [join(root, "test/web/page.ts")],
    bundle: true,
    write: false,
    platform: "browser",
    format: "esm",
    target: "es2022",
  }).outputFiles[0].text,
});

const textOf = (name: string): string => browserScripts().get(name) as string;

/** A script and all that is loaded with it. */
function loadedWith(name: string, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(name)) return found;
  found.add(name);
  for (const [, next] of textOf(name).matchAll(/(?:from|import)"\.\/([^"]+)"/g)) loadedWith(next, found);
  return found;
}

const packed = (names: Iterable<string>): number =>
  [...names].reduce((sum, name) => sum + gzipSync(textOf(name), { level: 9 }).length, 0);

/** The part of the worker that alone has these words. */
function partWith(words: RegExp): string {
  const found = [...browserScripts()].filter(([name, text]) => /^web-worker-/.test(name) && words.test(text));
  expect(found).toHaveLength(1);
  return found[0][0];
}

describe("what a page loads", () => {
  const gpu = /dispatchWorkgroups/;
  const cpu = /Atomics\./;
  /** The fast decoder of JPEG. */
  const jpeg = /no table of quantisation/;
  /** All that is loaded until the first features by the included weights, but for what decodes the image. */
  const first = (device: RegExp, ...more: readonly string[]): ReadonlySet<string> =>
    new Set(
      ["web-index.js", "web-worker.js", partWith(device), ...more].flatMap((name) => [...loadedWith(name)]),
    );

  it("is at most 100 KB before the first features, without weights", () => {
    expect(packed(first(gpu))).toBeLessThanOrEqual(100 * 1024);
    expect(packed(first(cpu, "browser-cpu-worker.js"))).toBeLessThanOrEqual(100 * 1024);
  });

  it("is little more with everything that it may need later", () => {
    expect(packed(browserScripts().keys())).toBeLessThanOrEqual(133 * 1024);
  });

  it("has the readers of other checkpoints and images in parts that are loaded when they are needed", () => {
    const early = [...loadedWith("web-worker.js")].map(textOf).join("");
    for (const words of [gpu, cpu, jpeg, /SavedModel \$|git-lfs pointer/, /Photoshop/, /IHDR/])
      expect(early).not.toMatch(words);
  });

  it("has no network in its own script, which only asks workers", () => {
    const own = textOf("web-index.js");
    expect(packed(loadedWith("web-index.js"))).toBeLessThanOrEqual(14 * 1024);
    expect(own).not.toMatch(/dispatchWorkgroups|@workgroup_size|pnasnet/);
  });

  it.skipIf(!hasChromium).each([
    { device: "cpu", parts: () => first(cpu, "browser-cpu-worker.js", partWith(jpeg)) },
    { device: "webgpu", parts: () => first(gpu, partWith(jpeg)) },
  ])("is no more in Chromium (device: $device); what lacks later is told", async ({ device, parts }) => {
    const asked: string[] = [];
    let gone = false;
    const script = `
      import { createExtractor } from "/dist/web-index.js";
      const at = (path) => new URL(path, location.href);
      const extractor = await createExtractor({ device: "${device}" });
      const { AvgPool_1a } = await extractor.features(at("/samples/hills_01.jpg"));
      await fetch("/leave");
      const fault = await extractor.features(at("/samples/bubbles_02.png"))
        .catch(({ name, message, hint }) => ({ name, message, hint }));
      await fetch("/result", { method: "POST", body: JSON.stringify({ size: AvgPool_1a.length, fault }) });`;
    const told = await visit<{ size: number; fault: Fault }>({
      isolated: true,
      async file(path) {
        if (path === "/") return { type: "text/html", body: `<script type="module">${script}</script>` };
        if (path === "/leave") {
          gone = true;
          return { type: "text/plain", body: "" };
        }
        const name = /^\/dist\/(.+\.js)$/.exec(path)?.[1];
        if (name && gone) return undefined;
        if (name) asked.push(name);
        return packageFile(path);
      },
    });
    expect(told.size).toBe(1024);
    expect(asked).toContain(partWith(device === "cpu" ? cpu : gpu));
    expect(asked.filter((name) => !parts().has(name))).toEqual([]);
    expect(told.fault.name).toBe("UserError");
    expect(told.fault.message).toMatch(/^A part of the program cannot be loaded from its site \(.+\)\.$/);
    expect(told.fault.hint).toMatch(/try once more/);
  });
});

describe.skipIf(!hasChromium)(
  "a site that lacks scripts of the package, as of a bundler that brings no workers",
  () => {
    it.each([
      ["web-worker.js", /web-worker\.js, could not be loaded/, /esbuild does not/],
      ["browser-cpu-worker.js", /thread of the CPU did not start/, /Is browser-cpu-worker\.js on this site/],
    ])("is told so (%s)", async (missing, message, hint) => {
      const script = `
      import { createExtractor } from "/dist/web-index.js";
      const told = await createExtractor({ device: "cpu", threads: 2 })
        .then(() => ({}), ({ name, message, hint }) => ({ name, message, hint }));
      await fetch("/result", { method: "POST", body: JSON.stringify(told) });`;
      const told = await visit<Fault>({
        isolated: true,
        file: async (path) => {
          if (path === "/") return { type: "text/html", body: `<script type="module">${script}</script>` };
          return path === `/dist/${missing}` ? undefined : packageFile(path);
        },
      });
      expect(told.name).toBe("DeviceError");
      expect(told.message).toMatch(message);
      expect(told.hint).toMatch(hint);
    });
  },
);

/** Stands in front of the worker's script: destroys the devices that it gave when the page says so. */
const destroyer = `
const devices = [];
if (self.GPUAdapter) {
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (...args) {
    const device = await request.apply(this, args);
    devices.push(device);
    return device;
  };
}
new BroadcastChannel("destroy").onmessage = () => { for (const device of devices.splice(0)) device.destroy(); };
`;

async function file(path: string): Promise<SiteFile | undefined> {
  if (path === "/") return { type: "text/html", body: '<script type="module" src="/dist/page.js"></script>' };
  if (path === "/plan.json") return { type: "application/json", body: JSON.stringify(plan) };
  if (path === "/dist/page.js") return page();
  if (path === "/dist/web-worker.js")
    return { type: "text/javascript", body: destroyer + textOf("web-worker.js") };
  if (made[path]) return { type: "application/octet-stream", body: made[path] };
  const kind = kindFiles[basename(path)];
  if (kind) return { type: "application/octet-stream", body: kind };
  return path.startsWith("/checkpoints/") ? fileIn(reference, path) : packageFile(path);
}

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "web-"));
  for (const [path, bytes] of Object.entries(made)) await writeFile(join(folder, basename(path)), bytes);
  for (const [name, make] of Object.entries(kinds)) {
    kindFiles[name] = await make();
    await writeFile(join(folder, name), kindFiles[name]);
  }
  const huge = (await seededVariables("lenet")).map((v) =>
    /conv[12]\/weights$/.test(v.name) ? { ...v, data: v.data.map((x) => x * 1e30) } : v,
  );
  await writeVariables(join(folder, "huge.ckpt"), huge);
  const constants = (await seededVariables("mobilenet_v1_025")).map(({ name, shape, data }) =>
    constant(name, shape, message([4, Buffer.from(data.buffer, data.byteOffset, data.byteLength)])),
  );
  kindFiles["frozen.pb"] = message(...constants.map((node) => [1, node] as const));
  await writeFile(join(folder, "frozen.pb"), kindFiles["frozen.pb"]);
  for (const path of plan.overflow) kindFiles[basename(path)] = readFileSync(join(folder, basename(path)));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What Node gives by the same options, JPEG by its own default. */
async function inNode(options: ExtractorOptions, images = samples) {
  const extractor = await createExtractor({ device: "cpu", ...options });
  const all = await extractor.features(
    images.map((path) => (path.startsWith("/kinds/") ? join(folder, basename(path)) : join(root, path))),
  );
  await extractor.close();
  const { name } = extractor.endPoints[0];
  return Object.fromEntries(all.map((features, i) => [basename(images[i]), [...features[name]]]));
}

const small = { imageSize: 96 };
const seeded = { ...small, model: "mobilenet_v1_025", weights: "seeded" } as const;

function furthest(found: Readonly<Record<string, readonly number[]>>, there: typeof found): number {
  expect(Object.keys(found).sort()).toEqual(Object.keys(there).sort());
  return Math.max(
    ...Object.entries(there).map(([name, values]) => {
      const largest = Math.max(...values.map(Math.abs));
      return Math.max(...values.map((v, i) => Math.abs(v - found[name][i]))) / largest;
    }),
  );
}

describe.skipIf(!hasChromium).each([true, false])("the package in a page (isolated: %s)", (isolated) => {
  let told: Told;
  const step = <T>(name: string) => told.steps[name] as T;
  beforeAll(async () => {
    told = await visit<Told>({ file, isolated });
    expect(told.error).toBeUndefined();
    expect(told.isolated).toBe(isolated);
  }, 300_000);

  it("gives the bits of the CPU path in Node, by the weights that are included", async () => {
    const { features, failures, ...rest } = step<Extracted>("cpu");
    expect(failures).toEqual({});
    expect(rest).toMatchObject({ model: "mobilenet_v1", backend: "cpu" });
    expect(rest.weights).toMatchObject({ kind: "checkpoint", published: true });
    expect(features).toEqual(await inNode({}));
    const total = readFileSync(join(root, "weights/mobilenet_v1_1.0_224.ckpt.data-00000-of-00001")).length;
    expect(step("bytes")).toMatchObject({ done: total, total });
  });

  it("gives nearly the same by WebGPU", async () => {
    const { features, backend, adapter } = step<Extracted>("webgpu");
    expect({ backend, adapter }).toEqual({ backend: "webgpu", adapter: "google swiftshader" });
    expect(furthest(features, await inNode({}, samples.slice(0, 3)))).toBeLessThan(1e-5);
  });

  it("computes by untrained weights where they are asked for", async () => {
    expect(step<Extracted>("seeded").features).toEqual(await inNode(seeded, samples.slice(0, 3)));
  });

  it.each(Object.keys(plan.checkpoints))("takes %s as it was dropped", async (name) => {
    const { model, features } = step<Extracted>(`of ${name}`);
    expect(model).toBe("mobilenet_v1_025");
    if (name === "a frozen graph") {
      // Its values are those of seeded weights.
      expect(features).toEqual(
        await inNode({ ...small, checkpoint: join(folder, "frozen.pb") }, samples.slice(0, 3)),
      );
      expect(features).toEqual(await inNode(seeded, samples.slice(0, 3)));
      return;
    }
    const checkpoint = join(
      reference,
      "checkpoints",
      name.endsWith("V1") ? "mobilenet_v1_025_v1.ckpt" : "mobilenet_v1_025_v2.ckpt",
    );
    expect(features).toEqual(await inNode({ ...small, checkpoint }, samples.slice(0, 3)));
  });

  it("says what is wrong with a checkpoint in the words of Node", async () => {
    for (const [name, [path]] of Object.entries(plan.broken)) {
      const at = path.startsWith("/made/") ? join(folder, basename(path)) : undefined;
      const { name: kind, message } = step<Fault>(`fault of ${name}`);
      expect(kind).toBe("CheckpointError");
      if (!at) {
        expect(message).toMatch(/data-00000-of-00001 is missing/);
        continue;
      }
      const there = await createExtractor({ device: "cpu", checkpoint: at }).then(
        () => "",
        (error: Error) => error.message,
      );
      expect(message).toBe(there.replaceAll(`${folder}/`, ""));
    }
  });

  it("says what is wrong with an image, and goes on", () => {
    expect(step("odd")).toEqual({
      "cut.jpg": expect.stringMatching(
        /^cut\.jpg cannot be decoded: it is damaged \(the file ends too early\)\.$/,
      ),
      "words.jpg": "words.jpg cannot be decoded: it is a text file.",
      "empty.png": "empty.png cannot be decoded: the file is empty.",
      "scan.tif": expect.stringMatching(/^scan\.tif cannot be decoded: it /),
    });
  });

  it("decodes pictures of every kind to Node's pixels", async () => {
    const { features, failures } = step<Extracted>("pictures");
    const there = await inNode(seeded, plan.pictures);
    const other = Object.keys(there).filter((name) => String(features[name]) !== String(there[name]));
    expect({ other, failures }).toEqual({ other: [], failures: {} });
  });

  it("decodes JPEG by the method that is asked for", async () => {
    const some = samples.slice(0, 1);
    const [fast, accurate] = [
      await inNode(seeded, some),
      await inNode({ ...seeded, jpeg: "accurate" }, some),
    ];
    expect(fast).not.toEqual(accurate);
    expect(step<Extracted>("fast").features).toEqual(fast);
    expect(step<Extracted>("accurate").features).toEqual(accurate);
    const seed = { ...seeded, preprocess: "seed" } as const;
    expect(step<Extracted>("seed").features).toEqual(await inNode(seed, some));
  });

  it("names the layer that is to blame where features are not all numbers", async () => {
    const extractor = await createExtractor({
      device: "cpu",
      model: "lenet",
      checkpoint: join(folder, "huge.ckpt"),
    });
    const there = await extractor.features(join(root, samples[0])).then(
      () => "",
      (error: Error) => error.message,
    );
    await extractor.close();
    expect(there).toMatch(/is not all numbers/);
    expect(Object.values(step<Extracted>("overflow").failures)).toEqual([
      there.replace(`${root}/samples/`, ""),
    ]);
  });

  it("names a wrong argument", () => {
    const faults = step<Readonly<Record<string, Fault>>>("faults");
    expect(faults).toMatchObject({
      argument: { name: "UsageError", message: "createExtractor: there is no argument `layer`." },
      checkpoint: {
        name: "UsageError",
        message: expect.stringMatching(/`checkpoint` must be a File .*, not 7\./),
      },
      fast: { name: "UsageError", message: expect.stringMatching(/^ICC profiles are not applied/) },
      model: { name: "UsageError", message: 'There is no network called "inception_v5".' },
      none: { name: "CheckpointError", message: "No trained weights of inception_v1 are included." },
      missing: { name: "CheckpointError", message: expect.stringMatching(/the server answered 404/) },
      kept: { name: "CheckpointError", message: "No checkpoint is kept here under the name nothing." },
      aborted: { name: "AbortError" },
    });
  });

  it("takes an image in every way in which a page may have it", async () => {
    const { features, pixels, closed } = step<{ features: number[][]; pixels: number[][]; closed: Fault }>(
      "kinds",
    );
    expect(pixels[1]).toEqual(pixels[0]);
    const there = Object.values(await inNode(seeded, [samples[1]]))[0];
    for (const found of features) expect(found).toEqual(there);
    expect(features).toHaveLength(7);
    expect(closed.message).toBe("The extractor is closed.");
  });

  it("keeps checkpoints in the browser, and removes them", () => {
    const kept = step<Readonly<Record<string, never>>>("kept");
    const files = v2.map((name) => ({
      name,
      bytes: readFileSync(join(reference, "checkpoints", name)).length,
    }));
    const bytes = files[0].bytes + files[1].bytes;
    files.sort((a, b) => (a.name < b.name ? -1 : 1));
    expect(kept).toMatchObject({
      before: [],
      added: { name: "mine", bytes, files },
      during: [
        { name: "fetched", bytes, files },
        { name: "mine", bytes, files },
      ],
      unknown: {
        message: "No checkpoint is kept here under the name other.",
        hint: "There are: fetched, mine.",
      },
      bad: { name: "UsageError" },
      after: [],
    });
    expect((kept.by as Extracted).features).toEqual(step<Extracted>("of a pair of V2").features);
  });

  it("stops by a signal, and goes on afterwards", () => {
    expect(step("stopped")).toEqual({
      done: 3,
      fault: expect.objectContaining({ name: "AbortError" }),
      after: 2,
    });
  });

  it("goes on where its device is lost in the middle", async () => {
    const { notices, features } = step<{ notices: string[]; features: Record<string, number[]> }>("lost");
    expect(furthest(features, await inNode({}))).toBeLessThan(1e-5);
    expect(notices.join("\n")).toMatch(/Trying again on a new device/);
  });
});
