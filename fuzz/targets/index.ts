/** Everything of ours that reads files from strangers. */
import type { Target } from "../target.ts";
import { archive } from "./archive.ts";
import { checkpoint } from "./checkpoint.ts";
import { features, hdf5, pickle } from "./features.ts";
import { image, imageArchive } from "./image.ts";

export const targets: readonly Target[] = [checkpoint, archive, pickle, features, hdf5, image, imageArchive];
