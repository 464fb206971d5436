/** The script of the tests' page: what a program does with the package in a browser. */
import * as web from "../../src/web/index.ts";
import { extracted, faultOf, type PageParts, type Told } from "./scenario.ts";

declare const self: { readonly crossOriginIsolated: boolean };
declare const location: { readonly href: string };
declare class OffscreenCanvas {
  constructor(width: number, height: number);
  width: number;
  height: number;
  getContext(kind: "2d"): {
    drawImage(image: object, x: number, y: number): void;
    getImageData(x: number, y: number, width: number, height: number): web.RawImage;
  };
}
declare function createImageBitmap(image: Blob, options: object): Promise<web.ImageBitmapLike>;

async function file(path: string): Promise<File> {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return new File([await answer.blob()], path.split("/").at(-1) as string);
}

const small = { device: "cpu", imageSize: 96 } as const;

async function tell(): Promise<Told["steps"]> {
  const plan = (await (await fetch("/plan.json")).json()) as {
    readonly samples: readonly string[];
    readonly checkpoints: Readonly<Record<string, readonly string[]>>;
    readonly broken: Readonly<Record<string, readonly string[]>>;
    readonly odd: readonly string[];
    readonly pictures: readonly string[];
    readonly overflow: readonly string[];
  };
  const page: PageParts = { web, file, samples: plan.samples };
  const some = plan.samples.slice(0, 3);
  const steps: Record<string, unknown> = {};
  const bytes: web.BytesProgress[] = [];
  steps.cpu = await extracted(page, { device: "cpu", onBytes: (progress) => bytes.push(progress) });
  steps.bytes = bytes.at(-1);
  steps.webgpu = await extracted(page, { device: "webgpu" }, some);
  steps.seeded = await extracted(page, { ...small, model: "mobilenet_v1_025", weights: "seeded" }, some);
  steps.pictures = await extracted(
    page,
    { ...small, model: "mobilenet_v1_025", weights: "seeded" },
    plan.pictures,
  );
  const untrained = { ...small, model: "mobilenet_v1_025", weights: "seeded" } as const;
  const one = some.slice(0, 1);
  for (const jpeg of ["fast", "accurate"] as const)
    steps[jpeg] = await extracted(page, { ...untrained, jpeg }, one);
  steps.seed = await extracted(page, { ...untrained, preprocess: "seed" }, one);
  const files = async (paths: readonly string[]) => Promise.all(paths.map(file));
  for (const [name, paths] of Object.entries(plan.checkpoints))
    steps[`of ${name}`] = await extracted(page, { ...small, checkpoint: await files(paths) }, some);
  const overflow = await files(plan.overflow);
  steps.overflow = await extracted(
    page,
    { device: "cpu", model: "lenet", checkpoint: overflow },
    some.slice(0, 1),
  );
  for (const [name, paths] of Object.entries(plan.broken)) {
    const checkpoint = await files(paths);
    steps[`fault of ${name}`] = await faultOf(web.createExtractor({ ...small, checkpoint }));
  }
  steps.odd = (
    await extracted(page, { ...small, model: "mobilenet_v1_025", weights: "seeded" }, plan.odd)
  ).failures;
  steps.faults = {
    argument: await faultOf(web.createExtractor({ layer: "x" } as object)),
    checkpoint: await faultOf(web.createExtractor({ checkpoint: 7 } as object)),
    fast: await faultOf(web.createExtractor({ jpeg: "fast", icc: true })),
    model: await faultOf(web.createExtractor({ model: "inception_v5" })),
    none: await faultOf(web.createExtractor({ model: "inception_v1" })),
    missing: await faultOf(
      web.createExtractor({ checkpoint: new URL("/nothing.ckpt", location.href), model: "inception_v1" }),
    ),
    kept: await faultOf(web.createExtractor({ checkpoint: "nothing" })),
    aborted: await faultOf(web.createExtractor({ signal: AbortSignal.abort() })),
  };
  steps.kinds = await everyKind(page, some[1]);
  steps.kept = await keptOnes(page, Object.values(plan.checkpoints)[0], some);
  steps.stopped = await stopped(page);
  steps.lost = await lost(page);
  return steps;
}

/** The same image in every way in which a page may have it. */
async function everyKind({ file }: PageParts, path: string) {
  // What a browser decoded itself, it did by this method.
  const extractor = await web.createExtractor({
    ...small,
    model: "mobilenet_v1_025",
    weights: "seeded",
    jpeg: "accurate",
  });
  const given = await file(path);
  const bitmap = await createImageBitmap(given, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  const all = [
    given,
    new Blob([given]),
    await given.arrayBuffer(),
    new Uint8Array(await given.arrayBuffer()),
    new URL(path, location.href),
    bitmap,
  ];
  const found = await extractor.features(all);
  // What is under transparent pixels is lost on a canvas: of a picture without any.
  const opaque = await file("/samples/hills_01.jpg");
  const drawn = new OffscreenCanvas(0, 0);
  const shown = await createImageBitmap(opaque, { colorSpaceConversion: "none" });
  drawn.width = shown.width;
  drawn.height = shown.height;
  const context = drawn.getContext("2d");
  context.drawImage(shown, 0, 0);
  const pixels = context.getImageData(0, 0, shown.width, shown.height);
  const [byFile, byPixels] = await extractor.features([opaque, pixels]);
  const alone = await extractor.features(given);
  await extractor.close();
  const name = extractor.endPoints[0].name;
  const closed = await faultOf(extractor.features(given));
  return {
    features: [...found, alone].map((features) => [...features[name]]),
    pixels: [byFile, byPixels].map((features) => [...features[name]]),
    closed,
  };
}

async function keptOnes(page: PageParts, paths: readonly string[], images: readonly string[]) {
  const files = await Promise.all(paths.map(page.file));
  const before = await web.checkpoints.list();
  const progress: web.BytesProgress[] = [];
  const added = await web.checkpoints.keep("mine", files, { onBytes: (p) => progress.push(p) });
  await web.checkpoints.keep(
    "fetched",
    paths.map((path) => new URL(path, location.href)),
  );
  const during = await web.checkpoints.list();
  const by = await extracted(page, { ...small, checkpoint: "fetched" }, images);
  const unknown = await faultOf(web.createExtractor({ checkpoint: "other" }));
  await web.checkpoints.remove("mine");
  await web.checkpoints.remove("fetched");
  await web.checkpoints.remove("never there");
  const bad = await faultOf(web.checkpoints.keep("../x", files));
  return {
    before,
    added,
    during,
    by,
    unknown,
    bad,
    last: progress.at(-1),
    after: await web.checkpoints.list(),
  };
}

/** A run that is stopped, and another by the same extractor. */
async function stopped({ file, samples }: PageParts) {
  const extractor = await web.createExtractor({ ...small, model: "mobilenet_v1_025", weights: "seeded" });
  const files = await Promise.all(samples.map(file));
  const controller = new AbortController();
  let done = 0;
  const run = (async () => {
    for await (const _ of extractor.stream(files, { signal: controller.signal }))
      if (++done === 3) controller.abort();
  })();
  const fault = await faultOf(run);
  const after = await extractor.features(files.slice(0, 2));
  await extractor.close();
  return { done, fault, after: after.length };
}

/** A device that is destroyed in the middle, by the script that stands in front of the worker's. */
async function lost({ file, samples }: PageParts) {
  const notices: string[] = [];
  const extractor = await web.createExtractor({
    device: "webgpu",
    batchSize: 2,
    onNotice: (sentence) => notices.push(sentence),
  });
  const files = await Promise.all(samples.map(file));
  const channel = new BroadcastChannel("destroy");
  const features: Record<string, number[]> = {};
  const name = extractor.endPoints[0].name;
  for await (const item of extractor.stream(files)) {
    features[item.image.name] = [...item.features[name]];
    if (item.index === 4) channel.postMessage("now");
  }
  channel.close();
  await extractor.close();
  return { notices, features };
}

void tell()
  .then(
    (steps): Told => ({ isolated: self.crossOriginIsolated, steps }),
    (error: Error): Told => ({
      isolated: self.crossOriginIsolated,
      steps: {},
      error: `${error.stack} ${(error as { hint?: string }).hint ?? ""}`,
    }),
  )
  .then((told) => fetch("/result", { method: "POST", body: JSON.stringify(told) }));
