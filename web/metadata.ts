/** What stands beside saved features: how they were made. */
import type { Run } from "./run.ts";

declare const VERSION: string;

export function metadataOf({ extractor, state, failures, paths, mode, jpeg }: Run, format: string): object {
  if (!extractor) return {};
  const [{ name, shape }] = extractor.endPoints;
  const { weights } = extractor;
  return {
    tool: "slimfeatures",
    version: VERSION,
    model: extractor.model,
    endPoint: name,
    featureShape: shape,
    dtype: { name: "float32" },
    format,
    weights: { ...weights, trained: weights.kind === "checkpoint" },
    preprocess: {
      mode,
      exif: mode === "seed" ? "ignore" : "auto",
      jpeg,
      description: extractor.preprocess,
    },
    backend: extractor.backend,
    adapter: extractor.adapter,
    images: { found: state.total, written: paths.length, failed: failures.length, skipped: 0 },
    failures,
  };
}
