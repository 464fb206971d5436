/** `extract` as a process, for tests of what happens to processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import sharp from "sharp";
import { seededUnits } from "../../src/seeded.ts";
import { type BesideEnding, besidePlaces } from "../../src/tables/formats/index.ts";

export const root = resolve(import.meta.dirname, "../..");

/** A noisy JPEG that is told from every other by its seed. */
export async function drawJpeg(path: string, seed: string): Promise<void> {
  const data = Uint8Array.from(seededUnits(seed, 24 * 24 * 3), (u) => 127.5 * (u + 1));
  const raw = { width: 24, height: 24, channels: 3 } as const;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, await sharp(data, { raw }).resize(64, 48).jpeg().toBuffer());
}

/** `count` JPEGs in seven folders, and a file that is none. */
export async function drawFolder(folder: string, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `${i % 7}/image ${i}.jpg`);
  for (let i = 0; i < names.length; i += 50) {
    await Promise.all(names.slice(i, i + 50).map((name) => drawJpeg(join(folder, name), name)));
  }
  writeFileSync(join(folder, "0/broken.jpg"), "no image at all, but named like one");
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  /** Milliseconds from the last that it printed to its end. */
  readonly lingered: number;
}

export interface Running {
  readonly child: ChildProcess;
  /** When it has printed this on stderr, or ended. */
  says(text: string): Promise<void>;
  readonly ended: Promise<Ended>;
}

export interface RunOptions {
  readonly out: string;
  readonly from: string;
  readonly device?: "cpu" | "webgpu" | "auto";
  readonly model?: string;
  readonly imageSize?: number;
  /** More arguments. */
  readonly args?: readonly string[];
}

/** Starts `extract` on seeded weights. */
export function startExtract(options: RunOptions): Running {
  const { out, from, device = "cpu", model = "mobilenet_v1_025", imageSize, args = [] } = options;
  const size = imageSize === undefined ? [] : ["--image-size", String(imageSize)];
  return startCommand([
    ...["extract", "--model", model, "--weights", "seeded", "--format", "npy", "--device", device],
    ...["--out", out, "--data-dir", from, ...size, ...args],
  ]);
}

/** Starts the command line. */
export function startCommand(args: readonly string[]): Running {
  const child = spawn(process.execPath, [join(root, "bin/slimfeatures.mjs"), ...args], {
    cwd: root,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  let last = performance.now();
  const heard = new Set<() => void>();
  child.stdout.on("data", (piece: Buffer) => {
    out += piece;
    last = performance.now();
  });
  child.stderr.on("data", (piece: Buffer) => {
    err += piece;
    last = performance.now();
    for (const listener of heard) listener();
  });
  let over = false;
  const ended = once(child, "exit").then(async ([code, signal]): Promise<Ended> => {
    over = true;
    const lingered = performance.now() - last;
    for (const listener of heard) listener();
    // What it wrote last may still be on its way.
    await new Promise((settle) => setTimeout(settle, 20));
    return { code, signal, out, err, lingered };
  });
  return {
    child,
    ended,
    says: (text) =>
      new Promise((settle) => {
        const listener = () => {
          if (!over && !err.includes(text)) return;
          heard.delete(listener);
          settle();
        };
        heard.add(listener);
        listener();
      }),
  };
}

/** Where what lies beside an output is, or would be for most formats. */
const besideOf = (out: string, ending: BesideEnding): string =>
  besidePlaces(out, ending).find((path) => existsSync(path)) ?? `${out}${ending}`;

/** What a run of one layer leaves: features, metadata and manifest. */
export const contentOf = (out: string): string[] =>
  [out, besideOf(out, ".json"), besideOf(out, ".manifest.jsonl")].map((path) => readFileSync(path, "latin1"));

/** Temporary files that lie beside an output or in its folder of work. */
export function leftovers(out: string): string[] {
  const there = (folder: string) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  };
  return [...there(dirname(out)), ...there(besideOf(out, ".run"))].filter(
    (name) => name.startsWith(".partial-") || name.startsWith("lock"),
  );
}

/** The files of an output's folder of work, by name. */
export const workOf = (out: string): string[] =>
  readdirSync(join(dirname(out), `${basename(out)}.run`)).sort();
