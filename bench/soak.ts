/**
 * `npm run soak`: very many small images through the smallest network, on each device in a process of its own. Ends
 * with 1 when memory, handles or speed do not stay as they were in the second tenth (the first one warms up).
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { crc32 } from "node:zlib";
import { Command, Option } from "commander";
import sharp from "sharp";
import { refuseRepeats } from "../src/cli/repeats.ts";
import { openDevice } from "../src/engine/devices.ts";
import { extract } from "../src/extract/extract.ts";
import { ownRooms } from "../src/extract/rooms.ts";
import { nodePlatform } from "../src/node/platform.ts";
import { seededUnits } from "../src/seeded.ts";

/** The last tenth must be so fast, measured by the second; where a tenth is long enough to tell. */
const leastSpeed = 0.95;
const longTenth = 1000;
/** Files that are open for a moment, as they are read or written. */
const passing = 4;
/** Resident bytes that the last tenth may have more than the second: some noise, and the list of what was done. */
const mostNoise = 24 * 2 ** 20;
const mostPerImage = 1024;

const drawn = 64;

/** Pictures of 32 x 32, half of them PNG and half JPEG. */
async function drawPictures(): Promise<Buffer[]> {
  const raw = { width: 32, height: 32, channels: 3 } as const;
  return Promise.all(
    Array.from({ length: drawn }, (_, i) => {
      const data = Uint8Array.from(seededUnits(`picture ${i}`, 32 * 32 * 3), (u) => 127.5 * (u + 1));
      const picture = sharp(data, { raw });
      return i % 2 === 0 ? picture.png().toBuffer() : picture.jpeg().toBuffer();
    }),
  );
}

/** The same picture with a text in it, so that its content is another: a JPEG comment or a PNG text chunk. */
function withText(picture: Buffer, text: string): Buffer {
  const bytes = Buffer.from(`soak\0${text}`, "latin1");
  if (picture[0] === 0xff) {
    const head = Buffer.from([0xff, 0xfe, 0, bytes.length + 2]);
    return Buffer.concat([picture.subarray(0, 2), head, bytes, picture.subarray(2)]);
  }
  const chunk = Buffer.concat([Buffer.from("tEXt"), bytes]);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(chunk));
  const afterHeader = 8 + 25;
  return Buffer.concat([picture.subarray(0, afterHeader), size, chunk, check, picture.subarray(afterHeader)]);
}

async function writeImages(folder: string, count: number): Promise<void> {
  const pictures = await drawPictures();
  for (let i = 0; i < count; i++) {
    const sub = join(folder, String(Math.floor(i / 1000)));
    if (i % 1000 === 0) mkdirSync(sub, { recursive: true });
    const end = i % 2 === 0 ? "png" : "jpg";
    writeFileSync(join(sub, `${i}.${end}`), withText(pictures[i % drawn], String(i)));
  }
}

interface Sample {
  readonly done: number;
  readonly at: number;
  /** Milliseconds of processor time that all threads took: what tells on a machine that others use too. */
  readonly worked: number;
  readonly resident: number;
  readonly heap: number;
  readonly handles: number;
}

/** Open files of the process, where the system tells, and what else keeps it alive. */
function handles(): number {
  const files = (() => {
    try {
      return readdirSync("/proc/self/fd").length;
    } catch {
      return 0;
    }
  })();
  return files + process.getActiveResourcesInfo().filter((name) => !/Timeout|Immediate/.test(name)).length;
}

function sample(done: number): Sample {
  (globalThis as { gc?: () => void }).gc?.();
  const { rss: resident, heapUsed: heap } = process.memoryUsage();
  const { user, system } = process.cpuUsage();
  return { done, at: performance.now(), worked: (user + system) / 1000, resident, heap, handles: handles() };
}

const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0);

/** Runs one device and prints its tenths. Gives what is not as it must be. */
async function soak(count: number, device: "cpu" | "webgpu"): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), "soak-"));
  try {
    await writeImages(join(folder, "in"), count);
    // Dawn's entry is opened once and stays for the whole process; whatever a run opens besides must be closed by its end.
    await (await openDevice(device, nodePlatform)).close();
    const before = handles();
    const samples: Sample[] = [];
    const out = join(folder, "f.npy");
    const report = await extract(
      {
        ...{ model: "mobilenet_v1_025", imageSize: 32, weights: "seeded", preprocess: "slim", exif: "auto" },
        ...{ device, batchSize: "auto", format: "npy", inputs: join(folder, "in"), out },
      },
      ownRooms,
      {
        started: () => void samples.push(sample(0)),
        progressed: (done) => {
          const tenth = Math.floor((10 * done) / count);
          if (tenth >= samples.length && samples.length <= 10) samples.push(sample(done));
        },
      },
    );
    const { backend, adapter, images } = report.files[0].metadata;
    console.log(`\n${backend}: ${adapter}; ${count} images`);
    const speeds = samples
      .slice(1)
      .map((s, i) => (1000 * (s.done - samples[i].done)) / (s.at - samples[i].at));
    const work = samples.slice(1).map((s, i) => (s.worked - samples[i].worked) / (s.done - samples[i].done));
    for (const [i, { done, resident, heap, handles: open }] of samples.slice(1).entries()) {
      console.log(
        `tenth ${String(i + 1).padStart(2)}: ${done} done, ${speeds[i].toFixed(0)} a second, ${work[i].toFixed(2)} ms of processor time each, resident ${mebibytes(resident)} MiB, heap ${mebibytes(heap)} MiB, handles ${open}`,
      );
    }
    const [second, last] = [samples[2], samples[10]];
    // Workers and sockets of the system need a moment to go.
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = handles();
    const allowed = mostNoise + mostPerImage * (last.done - second.done);
    const lines = readFileSync(`${out}.manifest.jsonl`, "utf8").trimEnd().split("\n").length;
    const speed = speeds[9] / speeds[1];
    const tells = last.done / 10 >= longTenth;
    console.log(
      `last tenth: ${(100 * speed).toFixed(1)} % of the second's speed (${((100 * work[1]) / work[9]).toFixed(1)} % by processor time); ${mebibytes(last.resident - second.resident)} MiB more (${mebibytes(allowed)} allowed); handles before ${before}, after ${after}`,
    );
    return [
      tells &&
        speed < leastSpeed &&
        `the last tenth has ${(100 * speed).toFixed(1)} % of the second tenth's speed`,
      last.resident - second.resident > allowed &&
        `${mebibytes(last.resident - second.resident)} MiB more than in the second tenth`,
      last.handles > second.handles + passing &&
        `${last.handles - second.handles} handles more than in the second tenth`,
      after > before && `${after - before} handles were left open`,
      (images.written !== count || lines !== count) && `${images.written} rows of ${count} images`,
    ].filter((finding) => finding !== false);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const program = new Command("soak")
  .description("very many images through the smallest network: memory, handles and speed by tenths")
  .option("--images <n>", "how many", Number, 50_000)
  .addOption(new Option("--device <device>").choices(["both", "webgpu", "cpu"]).default("both"))
  .action(async ({ images, device }: { images: number; device: "both" | "webgpu" | "cpu" }) => {
    if (device !== "both") {
      const findings = await soak(images, device);
      for (const finding of findings) console.log(`FINDING (${device}): ${finding}`);
      if (findings.length > 0) process.exitCode = 1;
      return;
    }
    for (const each of ["cpu", "webgpu"]) {
      const command = ["--expose-gc", "--import", "tsx", fileURLToPath(import.meta.url)];
      const options = ["--images", String(images), "--device", each];
      const { status } = spawnSync(process.execPath, [...command, ...options], { stdio: "inherit" });
      if (status !== 0) process.exitCode = 1;
    }
  });
refuseRepeats(program);
await program.parseAsync();
