/** Features as other programs open them: one record a program, and what each needs to know of the images. */
import { join } from "node:path";
import { openAtomic } from "../node/atomic.ts";
import { shellWord } from "../text.ts";
import { findFormat, writeTable } from "./formats/index.ts";
import { parquet, writeTexts } from "./formats/parquet.ts";
import type { FeatureTable, TextColumn } from "./formats/table.ts";
import { bytesOf, shortestFloat32, unitLength } from "./numbers.ts";
import { eachRow, type StoredRows } from "./row-store.ts";
import type { Vectors } from "./vectors.ts";

export interface ExportRequest {
  readonly vectors: Vectors<StoredRows>;
  /** The file or folder to write. */
  readonly out: string;
  /** Where each row's image lies; its path in the features file where that is not known. */
  readonly files: readonly string[];
  /** Small pictures of the images, where they are at hand. */
  readonly pictures?: Pictures;
}

export interface Pictures {
  /** A PNG with a tile of `size` pixels for each image, in a square. */
  sprite(size: number): Promise<Uint8Array>;
  /** A picture of each image as a data URL. */
  dataUrls(size: number): Promise<readonly string[]>;
}

export interface ExportTarget {
  readonly name: string;
  /** One clause for `--help`. */
  readonly description: string;
  /** Of the file that is written; a folder where there is none. */
  readonly extension: string;
  /** Writes it, and gives the command that opens it. */
  write(request: ExportRequest): Promise<string>;
}

/** The folder that an image lies in, as its label; empty for one that lies in none. */
const labelOf = (path: string): string => path.split("/").slice(0, -1).join("/");

function tableOf(
  { paths, rows, madeBy }: Vectors<StoredRows>,
  change: (row: Float32Array) => Float32Array,
): FeatureTable {
  return {
    paths,
    shape: [rows.width],
    dtype: "float32",
    metadata: madeBy,
    async *rows() {
      for await (const row of eachRow(rows)) yield bytesOf(change(row));
    },
  };
}

const asTheyAre = (row: Float32Array) => row;

async function writeFile(
  path: string,
  parts: Iterable<string | Uint8Array> | AsyncIterable<string>,
): Promise<void> {
  const file = await openAtomic(path);
  try {
    for await (const part of parts) await file.append(Buffer.from(part as Uint8Array));
    await file.commit();
  } finally {
    await file.abandon();
  }
}

async function writeSheet(path: string, table: FeatureTable, more: readonly TextColumn[]): Promise<void> {
  const file = await openAtomic(path);
  try {
    await parquet.write({ ...table, columns: more }, file);
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** A cell of a table that is parted by tabs. */
const cell = (text: string) => text.replace(/[\t\r\n]/g, " ");

/** The largest picture that the projector takes, and its tiles. */
const mostSprite = 8192;
const mostTile = 64;

/** https://www.tensorflow.org/tensorboard/tensorboard_projector_plugin */
const projector: ExportTarget = {
  name: "projector",
  description: "a folder for TensorBoard's Embedding Projector: tensors.tsv, metadata.tsv, its configuration",
  extension: "",
  async write({ vectors, out, pictures }) {
    const { paths, rows } = vectors;
    const { count, width } = rows;
    await writeFile(
      join(out, "tensors.tsv"),
      (async function* () {
        for await (const row of eachRow(rows)) yield `${Array.from(row, shortestFloat32).join("\t")}\n`;
      })(),
    );
    // Only a table of several columns has a header.
    await writeFile(join(out, "metadata.tsv"), [
      "path\tlabel\n",
      ...paths.map((path) => `${cell(path)}\t${cell(labelOf(path))}\n`),
    ]);
    const tile = Math.min(mostTile, Math.floor(mostSprite / Math.ceil(Math.sqrt(count))));
    const sprite = tile > 0 ? await pictures?.sprite(tile) : undefined;
    if (sprite) await writeFile(join(out, "sprite.png"), [sprite]);
    await writeFile(join(out, "projector_config.pbtxt"), [
      'embeddings {\n  tensor_name: "features"\n  tensor_path: "tensors.tsv"\n  metadata_path: "metadata.tsv"\n',
      sprite
        ? `  sprite {\n    image_path: "sprite.png"\n    single_image_dim: ${tile}\n    single_image_dim: ${tile}\n  }\n`
        : "",
      "}\n",
    ]);
    const embedding = {
      tensorName: "features",
      tensorShape: [count, width],
      tensorPath: "tensors.tsv",
      metadataPath: "metadata.tsv",
      ...(sprite && { sprite: { imagePath: "sprite.png", singleImageDim: [tile, tile] } }),
    };
    await writeFile(join(out, "config.json"), [`${JSON.stringify({ embeddings: [embedding] }, null, 2)}\n`]);
    return `tensorboard --logdir ${shellWord(out)}`;
  },
};

/** https://apple.github.io/embedding-atlas/data-formats.html */
const embeddingAtlas: ExportTarget = {
  name: "embedding-atlas",
  description:
    "a Parquet file for Apple's Embedding Atlas, with the pictures inside where their folder is named",
  extension: ".parquet",
  async write({ vectors, out, files, pictures }) {
    const urls = await pictures?.dataUrls(128);
    await writeSheet(out, tableOf(vectors, asTheyAre), [
      { name: "label", values: vectors.paths.map(labelOf) },
      { name: "file", values: files },
      ...(urls ? [{ name: "image", values: urls }] : []),
    ]);
    return `embedding-atlas ${shellWord(out)} --vector feature`;
  },
};

/** https://github.com/Renumics/spotlight */
const spotlight: ExportTarget = {
  name: "spotlight",
  description: "a Parquet file for Renumics Spotlight, with the places of the images",
  extension: ".parquet",
  async write({ vectors, out, files }) {
    await writeSheet(out, tableOf(vectors, asTheyAre), [
      { name: "label", values: vectors.paths.map(labelOf) },
      { name: "image", values: files },
    ]);
    return `spotlight ${shellWord(out)} --dtype image=Image --dtype feature=Embedding`;
  },
};

/** The folder that `clip-retrieval inference` writes and `index` reads: https://github.com/rom1504/clip-retrieval */
const clipRetrieval: ExportTarget = {
  name: "clip-retrieval",
  description: "a folder that clip-retrieval makes an index of: embeddings of unit length, metadata",
  extension: "",
  async write({ vectors, out, files }) {
    const table = tableOf(vectors, unitLength);
    const embeddings = await openAtomic(join(out, "img_emb", "img_emb_0.npy"));
    try {
      await findFormat("npy").write(table, embeddings);
      await embeddings.commit();
    } finally {
      await embeddings.abandon();
    }
    const metadata = await openAtomic(join(out, "metadata", "metadata_0.parquet"));
    try {
      await writeTexts(metadata, [
        { name: "image_path", values: files },
        { name: "caption", values: vectors.paths },
      ]);
      await metadata.commit();
    } finally {
      await metadata.abandon();
    }
    return `clip-retrieval index --embeddings_folder ${shellWord(out)} --index_folder ${shellWord(`${out}-index`)}`;
  },
};

const openInFiftyOne = `"""Opens the images with their features in FiftyOne: python open.py [DATASET NAME]"""
import json
import os
import sys

import fiftyone as fo
import fiftyone.brain as fob
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "samples.json"), encoding="utf-8") as file:
    rows = json.load(file)
embeddings = np.load(os.path.join(here, "embeddings.npy"))

dataset = fo.Dataset(sys.argv[1] if len(sys.argv) > 1 else None)
samples = []
for row in rows:
    sample = fo.Sample(filepath=row["filepath"], path=row["path"])
    if row["label"]:
        sample["label"] = fo.Classification(label=row["label"])
    samples.append(sample)
dataset.add_samples(samples)
fob.compute_similarity(dataset, embeddings=embeddings, brain_key="similarity")
fob.compute_visualization(dataset, embeddings=embeddings, brain_key="map", method="pca")
if __name__ == "__main__":
    fo.launch_app(dataset).wait()
`;

/** https://docs.voxel51.com/user_guide/brain.html */
const fiftyone: ExportTarget = {
  name: "fiftyone",
  description: "a folder for FiftyOne: embeddings.npy, samples.json, and the program that opens them",
  extension: "",
  async write({ vectors, out, files }) {
    await writeTable(join(out, "embeddings.npy"), findFormat("npy"), tableOf(vectors, asTheyAre));
    const samples = vectors.paths.map((path, i) => ({ filepath: files[i], path, label: labelOf(path) }));
    await writeFile(join(out, "samples.json"), [`${JSON.stringify(samples, null, 1)}\n`]);
    await writeFile(join(out, "open.py"), [openInFiftyOne]);
    return `python ${shellWord(join(out, "open.py"))}`;
  },
};

export const exportTargets: readonly ExportTarget[] = [
  projector,
  embeddingAtlas,
  fiftyone,
  spotlight,
  clipRetrieval,
];
