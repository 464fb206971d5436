/** The other rooms that the pipeline leans on, as one value: a test may put others in their place. */
import { describePreprocess, listArchive, listFolder, listNamed, openDecodePool } from "../images/index.ts";
import { identifyCheckpoint, openNetwork } from "./network.ts";

export interface ExtractRooms {
  readonly openNetwork: typeof openNetwork;
  readonly identifyCheckpoint: typeof identifyCheckpoint;
  readonly listFolder: typeof listFolder;
  readonly listArchive: typeof listArchive;
  readonly listNamed: typeof listNamed;
  readonly openDecodePool: typeof openDecodePool;
  readonly describePreprocess: typeof describePreprocess;
  /** Where checkpoints are looked for; `checkpoints` in the working folder when left out. */
  readonly checkpointDirectory?: string;
}

export const ownRooms: ExtractRooms = {
  openNetwork,
  identifyCheckpoint,
  listFolder,
  listArchive,
  listNamed,
  openDecodePool,
  describePreprocess,
};
