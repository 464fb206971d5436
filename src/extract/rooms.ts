/** The other rooms that the pipeline leans on, as one value: a test may put others in their place. */
import { describePreprocess } from "../images/index.ts";
import { identifyCheckpoint, openNetwork } from "../network/network.ts";
import { listSources, openDecodePool } from "../node/images/index.ts";

export interface ExtractRooms {
  readonly openNetwork: typeof openNetwork;
  readonly identifyCheckpoint: typeof identifyCheckpoint;
  readonly listSources: typeof listSources;
  readonly openDecodePool: typeof openDecodePool;
  readonly describePreprocess: typeof describePreprocess;
  /** Where checkpoints are looked for; `checkpoints` in the working folder when left out. */
  readonly checkpointDirectory?: string;
}

export const ownRooms: ExtractRooms = {
  openNetwork,
  identifyCheckpoint,
  listSources,
  openDecodePool,
  describePreprocess,
};
