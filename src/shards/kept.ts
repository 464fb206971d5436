/** A network that stays open from shard to shard: opening one takes a GPU longer than computing a small shard. */
import type { ExtractRooms } from "../extract/rooms.ts";
import type { Network } from "../network/network.ts";

export interface KeptRooms {
  readonly rooms: ExtractRooms;
  /** Closes what is open. */
  close(): Promise<void>;
}

/**
 * Rooms that open a network once for all that ask for the same, and for one at a time: what is asked for otherwise is opened
 * in its place. `close` of such a network leaves it open.
 */
export function keepNetwork(rooms: ExtractRooms): KeptRooms {
  let kept: { readonly asked: string; readonly network: Network; failed: boolean } | undefined;
  async function close(): Promise<void> {
    const { network } = kept ?? {};
    kept = undefined;
    await network?.close();
  }
  return {
    close,
    rooms: {
      ...rooms,
      async openNetwork(options) {
        // Functions are left out: they say how batches are loaded and what is told, not which network it is. So is the device
        // that a run is kept to, which decides nothing where one is named.
        const { keepTo, ...wanted } = options;
        const asked = JSON.stringify(options.device === "auto" ? { ...wanted, keepTo } : wanted);
        if (kept?.asked !== asked || kept.failed) {
          // What a network that has failed says at its end is of no use to the next.
          await close().catch(() => {});
          kept = { asked, network: await rooms.openNetwork(options), failed: false };
        }
        const own = kept;
        const { network } = own;
        const run: Network["run"] = (images) =>
          network.run(images).catch((error: unknown) => {
            own.failed = true;
            throw error;
          });
        // Its other members are asked each time: they say what computes now.
        return Object.create(network, { close: { value: async () => {} }, run: { value: run } }) as Network;
      },
    },
  };
}
