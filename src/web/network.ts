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
      // Those that give inputs need them no longer, but they may lie in one memory together.
      const whole = images.every(({ buffer, byteLength }) => buffer.byteLength === byteLength);
      const transfer = whole ? images.map(({ buffer }) => buffer) : [];
      const ran = await caller.call("run", images, { transfer, onEvent: options.onEvent });
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
