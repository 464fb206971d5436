/** `<out>.manifest.jsonl`: one line for every input, whatever became of it, in the order of the paths. */
import { existsSync, readFileSync } from "node:fs";
import { UserError } from "../errors.ts";
import type { JpegMethod } from "../images/index.ts";
import { openAtomic } from "../node/atomic.ts";
import { besidePlaces } from "../tables/formats/index.ts";

export interface ManifestRecord {
  readonly path: string;
  readonly status: "ok" | "failed" | "skipped";
  /** Why there is no feature. */
  readonly reason?: string;
  /** Of the file's content. */
  readonly sha256?: string;
  /** By content: jpeg, png ... */
  readonly format?: string;
  /** How it was decoded, where it is a JPEG. */
  readonly jpeg?: JpegMethod;
  /** In pixels, as they went on. */
  readonly width?: number;
  readonly height?: number;
  /** The EXIF orientation found, 1 where there is none, and whether the pixels were turned by it. */
  readonly orientation?: number;
  readonly turned?: boolean;
  /** What its user should know of its pixels. */
  readonly note?: string;
  /** Its row in the files of features. */
  readonly row?: number;
  /** The shard of the run's folder that holds it. */
  readonly shard?: number;
  /** What computed the row, where that is another device than the one the metadata name. */
  readonly device?: string;
}

/** Writes the manifest whole. @throws OutputError */
export async function writeManifest(path: string, records: readonly ManifestRecord[]): Promise<void> {
  const file = await openAtomic(path);
  try {
    for (let i = 0; i < records.length; i += 1000) {
      const lines = records.slice(i, i + 1000).map((record) => `${JSON.stringify(record)}\n`);
      await file.append(Buffer.from(lines.join("")));
    }
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** Where the manifest of a features file lies: beside it, or, where the file is one of several layers, beside the name they share. */
export function manifestOf(features: string, endPoint?: string): string | undefined {
  const shared = endPoint && features.replace(`.${endPoint.replaceAll("/", "_")}.`, ".");
  return [features, shared]
    .flatMap((file) => (file ? besidePlaces(file, ".manifest.jsonl") : []))
    .find((path) => existsSync(path));
}

/** The records of a manifest. @throws UserError for a file that is none */
export function readManifest(path: string): ManifestRecord[] {
  const lines = readFileSync(path, "utf8").split("\n");
  return lines.flatMap((line, i) => {
    if (line === "") return [];
    try {
      const record = JSON.parse(line) as ManifestRecord | null;
      if (typeof record?.path === "string") return [record];
    } catch {
      // It is told below.
    }
    throw new UserError(`${path} is damaged in line ${i + 1}.`, "Give the same extract command again.");
  });
}
