/** Everything of ours that reads files from strangers. */
import type { Target } from "../target.ts";
import { archive } from "./archive.ts";
import { checkpoint } from "./checkpoint.ts";
import { features, library, pickle } from "./features.ts";
import { frozen } from "./graph.ts";
import { image, imageArchive } from "./image.ts";
import { labels } from "./labels.ts";

export const targets: readonly Target[] = [
  checkpoint,
  archive,
  frozen,
  pickle,
  features,
  library,
  image,
  imageArchive,
  labels,
];
