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
  let kept: { readonly asked: string; readonly network: Network } | undefined;
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
        // Functions are left out: they say how batches are loaded and what is told, not which network it is.
        const asked = JSON.stringify(options);
        if (kept?.asked !== asked) {
          await close();
          kept = { asked, network: await rooms.openNetwork(options) };
        }
        const { network } = kept;
        // Some of its members are asked each time: they say what computes now.
        return Object.create(network, { close: { value: async () => {} } }) as Network;
      },
    },
  };
}
