/**
 * How fast exact neighbours are: the engine's products alone, the whole search with the choosing, and faiss-cpu's IndexFlat on
 * the same rows and threads, where Python has it. `npm run bench:neighbours -- --help`
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { blocksOf, type Rows } from "../src/analysis/matrix.ts";
import { nearest } from "../src/analysis/neighbours.ts";
import { prepare, productBlocks } from "../src/analysis/products.ts";
import { type DeviceName, openDevice } from "../src/engine/devices.ts";
import { nodePlatform } from "../src/node/platform.ts";
import { seededUnits } from "../src/seeded.ts";
import { npyHeader } from "../src/tables/formats/npy.ts";

const { values } = parseArgs({
  options: {
    rows: { type: "string", default: "10000" },
    width: { type: "string", default: "1024" },
    k: { type: "string", default: "10" },
    runs: { type: "string", default: "3" },
    device: { type: "string", default: "cpu" },
    threads: { type: "string" },
    help: { type: "boolean" },
  },
});
if (values.help) {
  console.log(
    "npm run bench:neighbours -- [--rows 10000] [--width 1024] [--k 10] [--runs 3] [--device cpu] [--threads N]\nPYTHON names a Python with numpy and faiss, which is timed in turn with ours.",
  );
  process.exit(0);
}
const [count, width, k, runs] = [values.rows, values.width, values.k, values.runs].map(Number);
const threads = values.threads ? Number(values.threads) : availableParallelism();

/** Rows as features are: none negative, about a hundred centres. */
function featureRows(): Rows {
  const centres = seededUnits("centres", 100 * width);
  const data = seededUnits("rows", count * width);
  for (let i = 0; i < data.length; i++) {
    const centre = centres[(Math.floor(i / width) % 100) * width + (i % width)];
    data[i] = Math.max(0, centre + 0.7 * data[i]);
  }
  return { count, width, data };
}

const faiss = `
import sys, time
import numpy as np, faiss
faiss.omp_set_num_threads(int(sys.argv[3]))
x = np.load(sys.argv[1])
k = int(sys.argv[2])
index = faiss.IndexFlatL2(x.shape[1])
index.add(x)
began = time.perf_counter()
_, found = index.search(x, k + 1)
print(time.perf_counter() - began)
`;

function timeFaiss(path: string): number | undefined {
  const python = process.env.PYTHON ?? "python3";
  const run = spawnSync(python, ["-c", faiss, path, String(k), String(threads)], { encoding: "utf8" });
  return run.status === 0 ? Number(run.stdout) : undefined;
}

interface Timed {
  readonly seconds: number;
  /** Of all threads together: where others want the processors too, it tells more than the clock. */
  readonly processor: number;
}

async function timed(work: () => Promise<unknown>): Promise<Timed> {
  const before = process.cpuUsage();
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(before);
  return { seconds, processor: (user + system) / 1e6 };
}

const rows = featureRows();
const folder = mkdtempSync(join(tmpdir(), "bench-neighbours-"));
const path = join(folder, "rows.npy");
writeFileSync(path, npyHeader("<f4", [count, width]));
writeFileSync(path, new Uint8Array(rows.data.buffer), { flag: "a" });
const device = await openDevice(values.device as DeviceName, nodePlatform, { threads });
/** Multiply-adds of pairs of different rows: what a search that saves half needs. */
const work = (count * (count - 1) * width) / 2;
const least = {
  products: Number.POSITIVE_INFINITY,
  nearest: Number.POSITIVE_INFINITY,
  faiss: Number.POSITIVE_INFINITY,
};
try {
  console.log(`${count} rows of ${width}, k = ${k}, on ${device.adapter}, ${threads} threads`);
  for (let run = 0; run < runs; run++) {
    const prepared = await prepare(blocksOf(rows), "euclidean");
    const products = await timed(async () => {
      for await (const block of productBlocks(device, prepared)) void block;
    });
    const whole = await timed(() => nearest(rows, k, { metric: "euclidean", device }));
    const peer = timeFaiss(path);
    least.products = Math.min(least.products, products.seconds);
    least.nearest = Math.min(least.nearest, whole.seconds);
    if (peer !== undefined) least.faiss = Math.min(least.faiss, peer);
    const told = (name: string, t: Timed) =>
      `${name} ${t.seconds.toFixed(2)} s (${t.processor.toFixed(2)} s of processors)`;
    console.log(
      `${told("products", products)}, ${told("neighbours", whole)}, faiss ${peer === undefined ? "not there" : `${peer.toFixed(2)} s`}`,
    );
  }
  const share = least.nearest / least.products - 1;
  console.log(
    `best: products ${((2 * work) / least.products / 1e9).toFixed(1)} GFLOP/s; choosing ${(100 * share).toFixed(0)} % on top` +
      (Number.isFinite(least.faiss) ? `; ${(least.nearest / least.faiss).toFixed(1)} x faiss` : ""),
  );
} finally {
  await device.close();
  rmSync(folder, { recursive: true, force: true });
}
