/** The network that a worker has open. */
import { givenFiles } from "../browser/files.ts";
import { platformOf } from "../browser/platform.ts";
import { CheckpointError, UsageError } from "../errors.ts";
import type { ModelFacts } from "../library/parts.ts";
import { findModel, type Model } from "../nets/index.ts";
import { identifyCheckpoint, type Network, openNetwork } from "../network/network.ts";
import { chooseModel } from "../network/weights.ts";
import type { Files, Platform } from "../platform/index.ts";
import type { Calls, OpenArgument, OpenedNetwork, Ran, SentCheckpoint } from "./calls.ts";
import { type Gathered, gather, type OpenOptions } from "./checkpoint.ts";
import { openCpuWorker } from "./places.ts";

declare const self: {
  readonly crossOriginIsolated: boolean;
  readonly navigator: { readonly gpu?: GPU; readonly hardwareConcurrency?: number };
};

const platformWith = (files: Files, own: string): Platform =>
  platformOf({
    gpu: self.navigator.gpu,
    cores: self.navigator.hardwareConcurrency ?? 1,
    isolated: self.crossOriginIsolated,
    openWorker: openCpuWorker,
    own: new URL(own),
    files,
  });

/** The checkpoint that was gathered last: it is identified and then opened, and fetched once for both. */
let last: { readonly sent: string; readonly gathered: Promise<Gathered> } | undefined;

async function gatherOnce(sent: SentCheckpoint, options: OpenOptions): Promise<Gathered> {
  if (sent.kind !== "addresses") return gather(sent, options);
  const key = sent.addresses.join("\n");
  if (last?.sent !== key) last = { sent: key, gathered: gather(sent, options) };
  const { gathered } = last;
  return gathered.catch((error: unknown) => {
    last = undefined;
    throw error;
  });
}

/** The network that is asked for by name, or the one that the checkpoint holds. */
export async function choose(
  { model, checkpoint, ...options }: Calls["choose"]["argument"],
  open: OpenOptions,
): Promise<ModelFacts> {
  const asked = { model, checkpoint: checkpoint && "the checkpoint" };
  const found = await chooseModel(asked, async () => {
    const { path, files } = await gatherOnce(checkpoint as SentCheckpoint, open);
    return identifyCheckpoint(path, options, { files });
  });
  const { name, inputChannels, preprocess } = found;
  return { name, inputChannels, preprocess };
}

/** Where the included weights of a network lie on the site. @throws CheckpointError for a network that has none. */
function includedWeights(model: Model, own: string): SentCheckpoint {
  if (!model.included) {
    throw new CheckpointError(
      `No trained weights of ${model.name} are included.`,
      `Give a checkpoint${model.archive ? `, such as the published one (${model.archive.url})` : ""}; or weights: "seeded" for untrained ones.`,
    );
  }
  const { checkpoint } = model.included;
  const addresses = ["index", "data-00000-of-00001"].map((end) => `${own}weights/${checkpoint}.${end}`);
  return { kind: "addresses", addresses };
}

export interface Engine {
  open(
    argument: OpenArgument,
    options: OpenOptions & { notice(sentence: string): void },
  ): Promise<OpenedNetwork>;
  run(inputs: readonly Float32Array[]): Promise<Ran>;
  explain(input: Float32Array): Promise<string>;
  close(): Promise<void>;
}

export function createEngine(): Engine {
  let network: Network | undefined;

  function opened(): Network {
    if (!network) throw new Error("no network is open");
    return network;
  }

  return {
    async open({ model: name, options, checkpoint, own }, { notice, ...opening }) {
      const model = findModel(name);
      const { weights, ...wishes } = options;
      const seeded = weights === "seeded";
      if (checkpoint && seeded) {
        throw new UsageError(
          "--weights seeded and --checkpoint contradict each other.",
          "Leave one of them out: seeded weights are untrained and come from no file.",
        );
      }
      const gathered = seeded
        ? undefined
        : await gatherOnce(checkpoint ?? includedWeights(model, own), opening);
      network = await openNetwork(
        {
          ...wishes,
          model: name,
          device: wishes.device ?? "auto",
          weights: seeded ? "seeded" : "checkpoint",
          checkpoint: gathered?.path,
          notice,
        },
        platformWith(gathered?.files ?? givenFiles([]), own),
      );
      last = undefined;
      const { endPoints, logits, inputShape, largestBatch, software, choice, halfError } = network;
      const { backend, adapter } = network;
      return {
        model: name,
        ...{ endPoints, logits, inputShape, largestBatch, software, choice, halfError, backend, adapter },
        weights: network.weights,
      };
    },
    async run(inputs) {
      const { outputs, device } = await opened().run(inputs);
      const { backend, adapter } = opened();
      return { outputs, device, backend, adapter };
    },
    explain: (input) => opened().explain(input),
    async close() {
      await network?.close();
      network = undefined;
    },
  };
}
