/** Checkpoints among the files of this machine. */
import * as checkpoints from "../checkpoint/index.ts";
import { nodeFiles } from "./files.ts";

export { type WritableTensor, writeCheckpoint } from "./checkpoint-writer.ts";

/**
 * Opens the checkpoint that `path` names: a V1 file, a prefix, any file of a V2 checkpoint, a frozen graph, a SavedModel, a
 * folder, a `.tar.gz`, or what lies in one (`logs.tar.gz/logs/model.ckpt-100`).
 * @throws CheckpointError that says what is wrong with it.
 */
export const openCheckpoint = (path: string): Promise<checkpoints.Checkpoint> =>
  checkpoints.openCheckpoint(path, nodeFiles);
