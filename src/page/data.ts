/** What a map of images shows, wherever it comes from: a page's own data, or objects in a tab. */

/** A way to tell images apart by colour: clusters, labels, classes. */
export interface Colouring {
  /** Of what the groups are, such as "Cluster". */
  readonly name: string;
  /** The groups' names, the largest group first. */
  readonly groups: readonly string[];
  /** The group of each image; -1 for one of no group. */
  readonly of: Int32Array;
}

/** Images that show the same. */
export interface DuplicateGroup {
  /** In what they agree, such as "same content". */
  readonly kind: string;
  /** The first is the one to keep. */
  readonly images: readonly number[];
  /** How far the farthest is from the first, where that is not nothing. */
  readonly distance?: number;
}

export interface Outlier {
  readonly image: number;
  /** How far it is from those nearest to it. */
  readonly distance: number;
}

/** Small pictures of the images, in sheets of square cells. Slots are counted along rows, and on from sheet to sheet. */
export interface Thumbnails {
  /** The side of a cell in pixels. */
  readonly cell: number;
  readonly columns: number;
  /** Cells of a sheet. */
  readonly perSheet: number;
  /** Addresses of the sheets: data, blobs, or files beside the page. */
  readonly sheets: readonly string[];
  /** The slot of each image; -1 where there is no picture of it. */
  readonly slots: Int32Array;
  /** Width and height of each picture in its cell, whose upper left corner it fills: 2 values an image. */
  readonly sizes: Uint8Array;
}

/** The nearest of the others for each image, the nearest first: `k` an image. */
export interface NearImages {
  readonly k: number;
  readonly indices: Int32Array;
  readonly distances: Float32Array;
}

/** A map of images. Images go by their number, their place in `paths`. */
export interface MapData {
  readonly title: string;
  /** What was computed by what, in a line. */
  readonly about: string;
  /** What its reader should know, a sentence each, such as that images have gone. */
  readonly notes: readonly string[];
  readonly paths: readonly string[];
  /** The place of each image: 2 values an image, y upwards; as `spread` gives them. */
  readonly xy: Float32Array;
  /** How far apart images are where they are dense, which says how large they are drawn. */
  readonly apart: number;
  readonly neighbours: NearImages;
  readonly colourings: readonly Colouring[];
  readonly duplicates: readonly DuplicateGroup[];
  /** The farthest from the others first. */
  readonly outliers: readonly Outlier[];
  readonly thumbnails: Thumbnails;
}
