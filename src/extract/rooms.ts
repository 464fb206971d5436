/** The other rooms that the pipeline leans on, as one value: a test may put others in their place. */
import { describePreprocess } from "../images/index.ts";
import type { Model } from "../nets/index.ts";
import {
  type IdentifyOptions,
  identifyCheckpoint,
  type Network,
  type NetworkOptions,
  openNetwork,
} from "../network/network.ts";
import { listSources, openDecodePool } from "../node/images/index.ts";
import { nodePlatform } from "../node/platform.ts";

export interface ExtractRooms {
  readonly openNetwork: (options: NetworkOptions) => Promise<Network>;
  readonly identifyCheckpoint: (path: string, options?: IdentifyOptions) => Promise<Model>;
  readonly listSources: typeof listSources;
  readonly openDecodePool: typeof openDecodePool;
  readonly describePreprocess: typeof describePreprocess;
  /** Where checkpoints are looked for; `checkpoints` in the working folder when left out. */
  readonly checkpointDirectory?: string;
}

export const ownRooms: ExtractRooms = {
  openNetwork: (options) => openNetwork(options, nodePlatform),
  identifyCheckpoint: (path, options = {}) => identifyCheckpoint(path, options, nodePlatform),
  listSources,
  openDecodePool,
  describePreprocess,
};
