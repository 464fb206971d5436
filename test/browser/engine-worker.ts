/** The worker of a page that computes: opens devices on the browser's platform and posts what a network gives. */
import { type GivenFile, givenFiles } from "../../src/browser/files.ts";
import { platformOf } from "../../src/browser/platform.ts";
import type { PageWorker } from "../../src/browser/threads.ts";
import { type DeviceName, openDevice } from "../../src/engine/devices.ts";
import { imagenetNames } from "../../src/nets/imagenet.ts";
import { findModel } from "../../src/nets/index.ts";
import { seededWeights } from "../../src/nets/seeded-weights.ts";
import {
  type Computed,
  checkpoint,
  fromCheckpoint,
  imageOfWork,
  programOfWork,
  type Told,
  work,
} from "./work.ts";

/** What is used of a worker's globals. */
declare const self: {
  readonly location: { readonly href: string };
  readonly crossOriginIsolated: boolean;
  readonly navigator: { readonly gpu?: GPU };
  readonly Worker: new (url: string) => PageWorker;
};

/** Workers that were opened. */
let workers = 0;

const platformWith = (cores: number, given: readonly GivenFile[] = []) =>
  platformOf({
    gpu: self.navigator.gpu,
    cores,
    isolated: self.crossOriginIsolated,
    openWorker: () => {
      workers++;
      return new self.Worker("/cpu-worker.js");
    },
    own: new URL("/own/", self.location.href),
    files: givenFiles(given),
  });

async function compute(device: DeviceName, cores: number): Promise<Computed | string> {
  const platform = platformWith(cores);
  workers = 0;
  try {
    const opened = await openDevice(device, platform);
    const program = programOfWork();
    const weights = await seededWeights(work.model, program.variables, platform.own.statistics);
    const session = await opened.load(program, weights);
    const image = imageOfWork(program);
    // Twice: the second run begins with threads that sleep.
    await session.run([image]);
    const [features] = await session.run([image]);
    session.close();
    await opened.close();
    return { adapter: opened.adapter, software: opened.software, workers, features: [...features] };
  } catch (error) {
    return String((error as Error).stack);
  }
}

async function tell(): Promise<Told> {
  const { own } = platformWith(1);
  const blob = await (await fetch(`/${checkpoint}`)).blob();
  return {
    isolated: self.crossOriginIsolated,
    computed: {
      "one thread": await compute("cpu", 1),
      "three threads": await compute("cpu", 3),
      webgpu: await compute("webgpu", 1),
    },
    trained: await fromCheckpoint(checkpoint, platformWith(2, [{ path: checkpoint, blob }])),
    names: await imagenetNames(findModel("inception_v1"), 1001, own.names),
    missing: (await own.weights.read("no such file")) === undefined,
  };
}

void tell()
  .catch((error: Error): Told => ({ error: String(error.stack) }))
  .then((told) => fetch("/result", { method: "POST", body: JSON.stringify(told) }));
