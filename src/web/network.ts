/** A network in a worker, as the extractor uses it. */
import type { Network } from "../network/network.ts";
import type { Caller, CallOptions } from "./caller.ts";
import type { OpenArgument, OpenedNetwork } from "./calls.ts";

/** Opens a network in the worker behind `caller`, which ends with it. @throws as `openNetwork` */
export async function openRemote(
  caller: Caller,
  argument: OpenArgument,
  options: CallOptions,
): Promise<Network> {
  const opened: OpenedNetwork = await caller.call("open", argument, options);
  let { backend, adapter } = opened;
  return {
    ...opened,
    get backend() {
      return backend;
    },
    get adapter() {
      return adapter;
    },
    async run(images) {
      // Copies go over: an input may have to be explained afterwards.
      const ran = await caller.call("run", images, { onEvent: options.onEvent });
      ({ backend, adapter } = ran);
      return ran;
    },
    explain: (image) => caller.call("explain", image),
    async close() {
      try {
        await caller.call("close", undefined);
      } finally {
        caller.end();
      }
    },
  };
}
