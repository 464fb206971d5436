/** A worker of a page, which has the network, decodes, or keeps checkpoints, as it is called. */
import { UserError } from "../errors.ts";
import { partOf } from "../parts.ts";
import type { CallEvent, CallName, Calls, FromWorker, SentCheckpoint, SentError, ToWorker } from "./calls.ts";
import type { OpenOptions } from "./checkpoint.ts";
import { download, nameOfAddress } from "./downloads.ts";
import { choose, createEngine } from "./engine.ts";
import type { Incoming } from "./kept.ts";
import { prepare } from "./prepare.ts";

declare const self: {
  onmessage: ((event: { readonly data: ToWorker }) => void) | null;
  postMessage(message: FromWorker, transfer?: readonly object[]): void;
};

interface Meanwhile {
  readonly signal: AbortSignal;
  tell(event: CallEvent): void;
}

type Functions = {
  readonly [K in CallName]: (
    argument: Calls[K]["argument"],
    meanwhile: Meanwhile,
  ) => Promise<Calls[K]["value"]>;
};

const engine = createEngine();
/** Tells sentences of the network to the call that it works for. */
let say: (sentence: string) => void = () => {};

const opening = ({ signal, tell }: Meanwhile): OpenOptions => ({ signal, onProgress: tell });

/** The files of a checkpoint as they come. */
async function incoming(sent: SentCheckpoint, options: OpenOptions): Promise<Incoming[]> {
  if (sent.kind === "addresses") {
    return sent.addresses.map((address) => ({
      name: nameOfAddress(address),
      send: (take) => download(address, take, options),
    }));
  }
  const { copied, keptFiles, sendBlob } = await partOf(import("./kept.ts"));
  const files = sent.kind === "kept" ? await keptFiles(sent.name) : sent.files;
  return files.map((file) => ({
    name: file.path.split("/").at(-1) as string,
    send: (take) => sendBlob(file.blob, take, copied(file, options.onProgress)),
  }));
}

const functions: Functions = {
  choose: (argument, meanwhile) => choose(argument, opening(meanwhile)),
  open(argument, meanwhile) {
    say = meanwhile.tell;
    return engine.open(argument, { ...opening(meanwhile), notice: (sentence) => say(sentence) });
  },
  run(inputs, meanwhile) {
    say = meanwhile.tell;
    return engine.run(inputs);
  },
  explain: (input) => engine.explain(input),
  async close() {
    await engine.close();
    return undefined;
  },
  prepare,
  async kept() {
    const { keptCheckpoints } = await partOf(import("./kept.ts"));
    return keptCheckpoints();
  },
  async keep({ name, checkpoint }, meanwhile) {
    const { keep } = await partOf(import("./kept.ts"));
    return keep(name, await incoming(checkpoint, opening(meanwhile)));
  },
  async remove(name) {
    const { removeKept } = await partOf(import("./kept.ts"));
    await removeKept(name);
    return undefined;
  },
};

/** What can be handed over of an answer instead of being copied. */
function transferOf(value: unknown): readonly object[] {
  const { outputs, input } = (value ?? {}) as { outputs?: readonly Float32Array[]; input?: Float32Array };
  return [...(outputs ?? []), ...(input ? [input] : [])].map(({ buffer }) => buffer).filter(isOwn);
}

/** Memory that threads share is copied instead. */
const isOwn = (buffer: object): boolean => buffer instanceof ArrayBuffer;

function sent(error: unknown): SentError {
  const { name, message, stack } = error as Error;
  if (error instanceof UserError)
    return { name, message, ...(error.hint !== undefined && { hint: error.hint }) };
  // A fault of ours, which a person has to find.
  return { name: name ?? "Error", message: name === "AbortError" ? message : (stack ?? String(error)) };
}

const cancels = new Map<number, AbortController>();

async function answer(id: number, name: CallName, argument: unknown): Promise<void> {
  const controller = new AbortController();
  cancels.set(id, controller);
  const meanwhile = {
    signal: controller.signal,
    tell: (event: CallEvent) => self.postMessage({ id, event }),
  };
  try {
    const value: unknown = await functions[name](argument as never, meanwhile as never);
    self.postMessage({ id, value }, [...new Set(transferOf(value))]);
  } catch (error) {
    self.postMessage({ id, error: sent(error) });
  } finally {
    cancels.delete(id);
  }
}

self.onmessage = ({ data }) => {
  if ("cancel" in data) cancels.get(data.id)?.abort();
  else void answer(data.id, data.name, data.argument);
};
