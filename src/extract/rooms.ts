/** The other rooms that the pipeline leans on, as one value: a test may put others in their place. */
import { describePreprocess, listSources, openDecodePool } from "../images/index.ts";
import { identifyCheckpoint, type Network, type NetworkOptions, openNetwork } from "../network/network.ts";
import { nodePlatform } from "../node/platform.ts";

export interface ExtractRooms {
  readonly openNetwork: (options: NetworkOptions) => Promise<Network>;
  readonly identifyCheckpoint: typeof identifyCheckpoint;
  readonly listSources: typeof listSources;
  readonly openDecodePool: typeof openDecodePool;
  readonly describePreprocess: typeof describePreprocess;
  /** Where checkpoints are looked for; `checkpoints` in the working folder when left out. */
  readonly checkpointDirectory?: string;
}

export const ownRooms: ExtractRooms = {
  openNetwork: (options) => openNetwork(options, nodePlatform),
  identifyCheckpoint,
  listSources,
  openDecodePool,
  describePreprocess,
};
