/** A run over images: it may be stopped and gone on with, and what was computed stays. */
import {
  type BytesProgress,
  createExtractor,
  type WebExtractor,
  type WebExtractorOptions,
} from "../src/web/index.ts";
import type { Dropped } from "./dropped.ts";
import { createPictures, type Pictures } from "./pictures.ts";
import { createRows, type Rows } from "./rows.ts";

export interface Failure {
  readonly path: string;
  readonly reason: string;
}

export type Phase = "new" | "opening" | "running" | "stopped" | "done" | "failed";

export interface RunState {
  readonly phase: Phase;
  /** Images that are done with, those that failed among them. */
  readonly done: number;
  readonly total: number;
  /** Images a second, lately; undefined where nobody knows yet. */
  readonly rate: number | undefined;
  /** How far weights are that are fetched. */
  readonly bytes: BytesProgress | undefined;
  /** Why it ended, in words. */
  readonly fault: string | undefined;
}

export interface Run {
  readonly state: RunState;
  readonly paths: readonly string[];
  readonly failures: readonly Failure[];
  readonly notices: readonly string[];
  readonly extractor: WebExtractor | undefined;
  /** How images are preprocessed, whatever is chosen for the next run. */
  readonly mode: string;
  /** By which method JPEG is decoded, as in Node where none is asked for. */
  readonly jpeg: "fast" | "accurate";
  readonly rows: Rows | undefined;
  /** The likeliest class of each image with features, where logits were asked for. */
  readonly classes: readonly number[];
  readonly pictures: Pictures;
  /** More images behind the others. */
  add(images: readonly Dropped[]): void;
  /** Begins, or goes on; resolves when all are done with, or it was stopped. Never rejects. */
  go(): Promise<void>;
  stop(): void;
  close(): Promise<void>;
}

/** The images' files, so that each is known by its path. */
interface Named extends Blob {
  readonly path: string;
}

/** Milliseconds that the rate looks back. */
const lately = 4000;

const told = (error: unknown): string => {
  const { message, hint } = error as { message: string; hint?: string };
  return [message, hint].filter(Boolean).join(" ");
};

/** The place of the largest value. */
const largestOf = (values: Float32Array): number =>
  values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

export function createRun(options: WebExtractorOptions, changed: () => void): Run {
  const images: Dropped[] = [];
  const paths: string[] = [];
  const failures: Failure[] = [];
  const classes: number[] = [];
  const notices: string[] = [];
  const pictures = createPictures();
  let state: RunState = {
    phase: "new",
    done: 0,
    total: 0,
    rate: undefined,
    bytes: undefined,
    fault: undefined,
  };
  let extractor: WebExtractor | undefined;
  let rows: Rows | undefined;
  /** Whether the extractor computes no more. */
  let broken = false;
  let controller = new AbortController();
  let times: number[] = [];

  function set(change: Partial<RunState>): void {
    state = { ...state, ...change };
    changed();
  }

  async function open(signal: AbortSignal): Promise<WebExtractor> {
    set({ phase: "opening", fault: undefined });
    const opened = await createExtractor({
      ...options,
      signal,
      onBytes: (bytes) => set({ bytes }),
      onNotice(sentence) {
        notices.push(sentence);
        changed();
      },
    });
    const [{ shape }] = opened.endPoints;
    rows ??= createRows(shape.reduce((a, b) => a * b, 1));
    return opened;
  }

  function rateNow(): number | undefined {
    const now = performance.now();
    times = times.filter((time) => time > now - lately);
    return times.length > 1 ? (1000 * (times.length - 1)) / (now - times[0]) : undefined;
  }

  function* left(): Generator<Named> {
    for (let i = state.done; i < images.length; i++) {
      const { file, path } = images[i];
      yield Object.assign(file, { path });
    }
  }

  async function go(): Promise<void> {
    controller = new AbortController();
    const { signal } = controller;
    try {
      if (!extractor || broken) extractor = await open(signal);
      broken = false;
      const [{ name }, logits] = extractor.endPoints;
      times = [];
      set({ phase: "running", bytes: undefined });
      for await (const { image, features, error } of extractor.stream(left(), { signal, onError: "skip" })) {
        if (error) failures.push({ path: image.path, reason: error.message });
        else {
          rows?.push(features[name]);
          paths.push(image.path);
          if (logits) classes.push(largestOf(features[logits.name]));
          await pictures.add(image);
        }
        times.push(performance.now());
        set({ done: state.done + 1, rate: rateNow() });
      }
      set({ phase: "done", rate: undefined });
    } catch (error) {
      if (signal.aborted) set({ phase: "stopped", rate: undefined, bytes: undefined });
      else {
        // Another try takes another one: the worker of this may be gone.
        broken = true;
        await extractor?.close().catch(() => {});
        set({ phase: "failed", rate: undefined, bytes: undefined, fault: told(error) });
      }
    }
  }

  return {
    get state() {
      return state;
    },
    get extractor() {
      return extractor;
    },
    get rows() {
      return rows;
    },
    mode: options.preprocess ?? "slim",
    jpeg: options.preprocess === "seed" ? "accurate" : "fast",
    ...{ paths, failures, classes, notices, pictures, go },
    add(more) {
      images.push(...more);
      set({ total: images.length });
    },
    stop: () => controller.abort(),
    async close() {
      controller.abort();
      await extractor?.close();
    },
  };
}
