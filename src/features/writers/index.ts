/** The table of output formats, and the one writer that serves them all. */
import { UsageError } from "../../errors.ts";
import type { Shape } from "../../tensor.ts";
import { openAtomic } from "../atomic.ts";
import type { FeatureFormat } from "./format.ts";
import { jsonl } from "./jsonl.ts";
import { npy } from "./npy.ts";
import { pkl } from "./pkl.ts";

export const formats: readonly FeatureFormat[] = [pkl, npy, jsonl];

/** The format called `name`. @throws UsageError that lists the formats there are. */
export function findFormat(name: string): FeatureFormat {
  const format = formats.find((f) => f.name === name);
  if (format) return format;
  const names = formats.map((f) => f.name).join(", ");
  throw new UsageError(`There is no output format called "${name}".`, `The formats are: ${names}.`);
}

/** Where the metadata of a features file lies: beside it, since a pickle must hold nothing but the features. */
export function metadataPath(featuresPath: string): string {
  return `${featuresPath}.json`;
}

/** The shape that a feature has on disk: as numpy.squeeze leaves it, but never without a dimension. */
export function storedShape(shape: Shape): Shape {
  const squeezed = shape.filter((d) => d !== 1);
  return squeezed.length === 0 ? [1] : squeezed;
}

export interface FeatureWriter {
  /** How many rows were appended. */
  readonly rows: number;
  append(path: string, feature: Float32Array): Promise<void>;
  /** Completes the file and puts it and its metadata in place. */
  commit(metadata: object): Promise<void>;
  /** Removes what was written. Harmless after `commit`. */
  abandon(): Promise<void>;
}

/** Opens `path` for rows of `shape`. Nothing appears under that name before `commit`. @throws OutputError */
export async function openWriter(path: string, format: FeatureFormat, shape: Shape): Promise<FeatureWriter> {
  const file = await openAtomic(path);
  const beside = await openAtomic(metadataPath(path)).catch(async (error: unknown) => {
    await file.abandon();
    throw error;
  });
  const paths: string[] = [];
  let rows = 0;
  const abandon = async () => {
    await file.abandon();
    await beside.abandon();
  };
  await file.append(format.head(shape, 0)).catch(async (error: unknown) => {
    await abandon();
    throw error;
  });
  return {
    get rows() {
      return rows;
    },
    async append(rowPath, feature) {
      await file.append(format.row(rowPath, feature, shape));
      if (format.pathsBeside) paths.push(rowPath);
      rows++;
    },
    async commit(metadata) {
      await file.append(format.tail);
      if (format.headTellsRows) await file.patch(0, format.head(shape, rows));
      const described = format.pathsBeside ? { ...metadata, paths } : metadata;
      await beside.append(Buffer.from(`${JSON.stringify(described, null, 2)}\n`));
      await file.seal();
      await beside.seal();
      await file.commit();
      await beside.commit();
    },
    abandon,
  };
}
