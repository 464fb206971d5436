/** The other rooms that the pipeline leans on, as one value: a test may put others in their place. */
import { decodeImage, describePreprocess, listImages, preprocess } from "../images/index.ts";
import { identifyCheckpoint, openNetwork } from "./network.ts";

export interface ExtractRooms {
  readonly openNetwork: typeof openNetwork;
  readonly identifyCheckpoint: typeof identifyCheckpoint;
  readonly listImages: typeof listImages;
  readonly decodeImage: typeof decodeImage;
  readonly preprocess: typeof preprocess;
  readonly describePreprocess: typeof describePreprocess;
  /** Where checkpoints are looked for; `checkpoints` in the working folder when left out. */
  readonly checkpointDirectory?: string;
}

export const ownRooms: ExtractRooms = {
  openNetwork,
  identifyCheckpoint,
  listImages,
  decodeImage,
  preprocess,
  describePreprocess,
};
