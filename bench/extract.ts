/**
 * `npm run bench:extract`: whether extract keeps up with what it is made of. Where decoding dominates (a network that costs
 * nothing), against sharp decoding the same files and doing no more; where computing dominates, against the engine fed the
 * same number of images from memory. Contenders alternate in one process.
 */
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import sharp from "sharp";
import { refuseRepeats } from "../src/cli/repeats.ts";
import { type ExtractReport, type ExtractRequest, extract, type StageTimes } from "../src/extract/extract.ts";
import { type ExtractRooms, ownRooms } from "../src/extract/rooms.ts";
import { findModel } from "../src/nets/index.ts";
import type { Network } from "../src/network/network.ts";
import { batchSizeFor } from "../src/network/recovery.ts";
import { sizeOf } from "../src/tensor.ts";
import { spread } from "./spread.ts";

const [width, height] = [500, 375];
const pictures = ["picture1_331.png", "picture2_331.png"];

/** `count` JPEGs under `folder`, no two alike: some cuts of the test pictures, each with a comment of its own. */
async function drawImages(folder: string, count: number): Promise<string[]> {
  const cuts: Buffer[] = [];
  for (let i = 0; i < 24; i++) {
    const picture = new URL(`../test/reference/images/${pictures[i % 2]}`, import.meta.url).pathname;
    const cut = { left: 5 * i, top: 3 * i, width: 200, height: 150 };
    cuts.push(await sharp(picture).extract(cut).resize(width, height).jpeg({ quality: 90 }).toBuffer());
  }
  const paths: string[] = [];
  for (let i = 0; i < count; i++) {
    const text = Buffer.from(String(i).padStart(8, "0"));
    const comment = Buffer.concat([Buffer.from([0xff, 0xfe, 0, 2 + text.length]), text]);
    const jpeg = cuts[i % cuts.length];
    const path = join(folder, `${text}.jpg`);
    await writeFile(path, Buffer.concat([jpeg.subarray(0, 2), comment, jpeg.subarray(2)]));
    paths.push(path);
  }
  return paths;
}

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
};

/** Milliseconds of processor that the main thread has used; undefined where the system does not tell. */
function mainThread(): number | undefined {
  try {
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ");
    return Number(nanoseconds) / 1e6;
  } catch {
    return undefined;
  }
}

/** sharp alone: every file to its pixels, `inFlight` at a time. */
async function decodeBySharp(paths: readonly string[], inFlight: number): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < paths.length) await sharp(paths[next++]).raw().toBuffer();
  };
  await Promise.all(Array.from({ length: inFlight }, one));
}

/** A network that costs nothing. */
const idleNetwork = (inputShape: Network["inputShape"]): ExtractRooms["openNetwork"] => {
  const widths = 1024;
  return async ({ model }) => ({
    model,
    endPoints: [{ name: "none", shape: [1, 1, widths] }],
    logits: "none",
    inputShape,
    largestBatch: 1024,
    backend: "cpu",
    adapter: "none",
    software: false,
    choice: "nothing is computed",
    weights: { kind: "seeded" },
    run: async (images) => ({ outputs: [new Float32Array(images.length * widths)], device: "cpu none" }),
    explain: async () => "nothing was computed",
    close: async () => {},
  });
};

interface Contest {
  readonly contest: string;
  readonly images: number;
  /** Images a second. */
  readonly extract: { readonly best: number; readonly median: number };
  readonly reference: { readonly name: string; readonly best: number; readonly median: number };
  /** extract's rate by the reference's. */
  readonly ratio: { readonly best: number; readonly median: number };
  /** What of the best run's time each stage was busy, from 0 to 1; stages run beside each other. */
  readonly busy: Readonly<Record<Exclude<keyof StageTimes, "wall">, number>>;
  /** The main thread's own time for an image in the best run, in microseconds. */
  readonly mainThread?: number;
}

/** One run of extract. */
interface Ours {
  readonly seconds: number;
  readonly times: StageTimes;
  readonly mainThread?: number;
}

async function timeExtract(images: number, work: () => Promise<ExtractReport>): Promise<Ours> {
  const before = mainThread();
  const began = performance.now();
  const { times } = await work();
  const seconds = (performance.now() - began) / 1000;
  const after = mainThread();
  if (before === undefined || after === undefined) return { seconds, times };
  return { seconds, times, mainThread: (1000 * (after - before)) / images };
}

/** Runs both `rounds` times, in turn. */
async function contest(
  name: string,
  images: number,
  rounds: number,
  ours: () => Promise<ExtractReport>,
  reference: { readonly name: string; readonly work: () => Promise<unknown> },
): Promise<Contest> {
  const own: Ours[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    theirs.push(await seconds(reference.work));
    own.push(await timeExtract(images, ours));
  }
  const rates = (of: readonly number[]) => {
    const { min, median } = spread(of);
    return { best: images / min, median: images / median };
  };
  const [a, b] = [rates(own.map((o) => o.seconds)), rates(theirs)];
  const best = own.reduce((least, o) => (o.seconds < least.seconds ? o : least));
  const { read, decode, compute, write, wall } = best.times;
  return {
    contest: name,
    images,
    extract: a,
    reference: { name: reference.name, ...b },
    ratio: { best: a.best / b.best, median: a.median / b.median },
    busy: { read: read / wall, decode: decode / wall, compute: compute / wall, write: write / wall },
    mainThread: best.mainThread,
  };
}

interface Options {
  readonly images: number;
  readonly computed: number;
  readonly rounds: number;
  readonly model: string;
  readonly workers?: number;
  readonly contest: readonly ("decoding" | "webgpu" | "cpu")[];
  readonly save?: string;
}

async function bench(options: Options): Promise<readonly Contest[]> {
  const folder = await mkdtemp(join(tmpdir(), "bench-extract-"));
  const model = findModel(options.model);
  const results: Contest[] = [];
  const done = (result: Contest) => {
    results.push(result);
    const { reference: r, extract: e, ratio, busy, mainThread: own } = result;
    const shares = Object.entries(busy).map(([stage, share]) => `${stage} ${(100 * share).toFixed(0)} %`);
    console.error(
      `${result.contest}: extract ${e.median.toFixed(1)} images/s, ${r.name} ${r.median.toFixed(1)}: ${(100 * ratio.median).toFixed(0)} % (best ${(100 * ratio.best).toFixed(0)} %)\n  busy: ${shares.join(", ")}${own === undefined ? "" : `; main thread ${own.toFixed(0)} us an image`}`,
    );
  };
  try {
    const inputs = join(folder, "images");
    await mkdir(inputs);
    const paths = await drawImages(inputs, options.images);
    const request = (device: "webgpu" | "cpu"): ExtractRequest => ({
      model: model.name,
      inputs,
      device,
      format: "npy",
      weights: "seeded",
      overwrite: true,
      out: join(folder, "out.npy"),
      workers: options.workers,
    });
    const inputShape = [model.inputSize, model.inputSize, model.inputChannels];

    if (options.contest.includes("decoding")) {
      const rooms = { ...ownRooms, openNetwork: idleNetwork(inputShape) };
      sharp.cache(false);
      const choices = [1, 2, 4].map((n) => n * availableParallelism());
      const tried: { inFlight: number; time: number }[] = [];
      for (const inFlight of choices) {
        const time = await seconds(() => decodeBySharp(paths.slice(0, 200), inFlight));
        tried.push({ inFlight, time });
      }
      const { inFlight } = tried.reduce((a, b) => (b.time < a.time ? b : a));
      done(
        await contest(
          "decoding dominates",
          paths.length,
          options.rounds,
          () => extract(request("cpu"), rooms),
          { name: `sharp, ${inFlight} in flight`, work: () => decodeBySharp(paths, inFlight) },
        ),
      );
    }

    for (const path of paths.slice(options.computed)) await rm(path);
    for (const device of options.contest) {
      if (device === "decoding") continue;
      const network = await ownRooms.openNetwork({ model: model.name, device, weights: "seeded" });
      try {
        const batch = batchSizeFor({ batchSize: "auto" }, network);
        const size = sizeOf(network.inputShape);
        const image = new Float32Array(size).map((_, i) => ((i * 7919) % 256) / 128 - 1);
        const engine = async () => {
          for (let i = 0; i < options.computed; i += batch) {
            const count = Math.min(batch, options.computed - i);
            await network.run(Array.from({ length: count }, () => image));
          }
        };
        await engine();
        // Opening a network is no part of the engine's rate, so extract is lent the one that is open.
        const lent: ExtractRooms["openNetwork"] = async () => ({ ...network, close: async () => {} });
        done(
          await contest(
            `${model.name} on ${network.backend} (${network.adapter})`,
            Math.min(options.computed, paths.length),
            options.rounds,
            () => extract(request(device), { ...ownRooms, openNetwork: lent }),
            { name: `the engine, batches of ${batch}`, work: engine },
          ),
        );
      } finally {
        await network.close();
      }
    }
    return results;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function count(text: string): number {
  const n = Number(text);
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError("a whole number from 1 on is wanted.");
  return n;
}

const program = new Command("bench:extract")
  .description("time extract against sharp's decoding and against the engine")
  .option("--images <n>", `JPEGs of ${width}x${height} to decode`, count, 1000)
  .option("--computed <n>", "how many of them to compute", count, 96)
  .option("--rounds <n>", "rounds to take the best and the median of", count, 3)
  .option("--model <name>", "the network", "mobilenet_v1")
  .option("--workers <n>", "decoding workers (default: one for each core)", count)
  .addOption(
    new Option("--contest <contest...>", "what dominates: decoding, or computing on a device")
      .choices(["decoding", "webgpu", "cpu"])
      .default(["decoding", "webgpu", "cpu"]),
  )
  .option("--save <file>", "write the result as JSON, such as bench/results/extract.json")
  .addHelpText(
    "after",
    "\nWhether a fast GPU is fed, in half a minute:\n  npm run bench:extract -- --contest decoding webgpu --model inception_v1 --images 3000 --computed 3000\nEach worker takes some 30 ms to start: with many cores, several hundred images a worker show what a long run does.",
  );

refuseRepeats(program);
program.parse();
const options = program.opts<Options>();
const machine = { node: process.version, cores: availableParallelism(), processor: cpus()[0]?.model };
const result = { width, height, machine, results: await bench(options) };
const text = `${JSON.stringify(result, null, 2)}\n`;
if (options.save) await writeFile(options.save, text);
else console.log(text);
