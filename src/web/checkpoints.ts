/** Checkpoints that a page keeps in the browser, so that they need not be given or fetched again. */
import * as rule from "../arguments.ts";
import { type CallOptions, openCaller } from "./caller.ts";
import type { BytesProgress, CallName, Calls, KeptCheckpoint } from "./calls.ts";
import { type CheckpointSource, checkpointRule, sendable } from "./options.ts";

export interface KeepOptions {
  /** Is told how far each file is. */
  readonly onBytes?: (progress: BytesProgress) => void;
  /** Stops it, with nothing kept: the promise rejects with an error called AbortError. */
  readonly signal?: AbortSignal;
}

const keepRules: rule.Rules<KeepOptions> = { onBytes: rule.callback, signal: rule.signal };

async function once<K extends CallName>(name: K, argument: Calls[K]["argument"], options?: CallOptions) {
  const caller = openCaller();
  try {
    return await caller.call(name, argument, options);
  } finally {
    caller.end();
  }
}

/** @throws UsageError */
function checkName(who: string, name: unknown): void {
  if (!rule.text.fits(name)) throw rule.wrongArgument(who, "name", rule.text.must, name);
}

/** Those of this site, in the browser's origin private file system. */
export const checkpoints = {
  /** What is kept, with the sizes in bytes. @throws CheckpointError where the browser keeps nothing for this page. */
  list: (): Promise<readonly KeptCheckpoint[]> => once("kept", undefined),

  /**
   * Keeps a checkpoint under a name, by which `createExtractor({ checkpoint: name })` takes it then.
   * @throws CheckpointError where it cannot be fetched, or there is no room; an error called AbortError by the signal.
   */
  async keep(name: string, source: CheckpointSource, options: KeepOptions = {}): Promise<KeptCheckpoint> {
    checkName("checkpoints.keep", name);
    if (!checkpointRule.fits(source))
      throw rule.wrongArgument("checkpoints.keep", "source", checkpointRule.must, source);
    rule.checkArguments("checkpoints.keep", options, keepRules);
    const { onBytes, signal } = options;
    const onEvent: CallOptions["onEvent"] = (event) => {
      if (typeof event !== "string") onBytes?.(event);
    };
    return once("keep", { name, checkpoint: sendable("checkpoints.keep", source) }, { signal, onEvent });
  },

  /** Removes what is kept under a name; harmless where there is nothing. */
  async remove(name: string): Promise<void> {
    checkName("checkpoints.remove", name);
    await once("remove", name);
  },
};
