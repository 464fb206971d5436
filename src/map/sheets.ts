/** Thumbnails of a map: in the page itself, or, of many images, in a folder beside it. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { openAtomic } from "../node/atomic.ts";
import { type ImageInput, type SheetEvents, type SheetShape, thumbnailSheets } from "../node/images/index.ts";
import type { Thumbnails } from "../page/data.ts";

/** Up to so many images, one file holds all. */
export const mostInOneFile = 5000;

/** Cells by the number of images: a page of many is to stay of a size that one sends. */
const shapes: readonly { readonly most: number; readonly shape: SheetShape }[] = [
  { most: 400, shape: { cell: 160, columns: 10, rows: 10 } },
  { most: 1500, shape: { cell: 96, columns: 16, rows: 16 } },
  { most: mostInOneFile, shape: { cell: 64, columns: 24, rows: 24 } },
  { most: Number.POSITIVE_INFINITY, shape: { cell: 64, columns: 16, rows: 16 } },
];

/** The folder of a page's sheets: `map_files` beside `map.html`. */
const folderOf = (page: string): string => join(dirname(page), `${basename(page, extname(page))}_files`);

const sheetName = (number: number): string => `${String(number).padStart(4, "0")}.webp`;

/**
 * Makes the thumbnails of a page. Images that lie near each other on the map share sheets, so that looking at a part of it takes
 * few of them.
 */
export async function makeThumbnails(
  page: string,
  inputs: readonly (ImageInput | undefined)[],
  xy: Float32Array,
  events: SheetEvents,
  check: () => void,
): Promise<{ readonly thumbnails: Thumbnails; readonly folder?: string }> {
  const count = inputs.length;
  const { shape } = shapes.find(({ most }) => count <= most) ?? shapes[0];
  const folder = count > mostInOneFile ? folderOf(page) : undefined;
  const perSheet = shape.columns * shape.rows;
  const order = alongTheMap(xy);
  const slots = new Int32Array(count).fill(-1);
  const sizes = new Uint8Array(2 * count);
  const sheets: string[] = [];
  if (folder !== undefined) await mkdir(folder, { recursive: true });
  const made = thumbnailSheets(
    Array.from(order, (image) => inputs[image]),
    shape,
    {
      progressed: events.progressed,
      failed: (at, reason) => events.failed?.(order[at], reason),
    },
  );
  for await (const sheet of made) {
    check();
    const from = sheets.length * perSheet;
    for (let i = 0; i < sheet.sizes.length / 2; i++) {
      if (sheet.sizes[2 * i] === 0) continue;
      slots[order[from + i]] = from + i;
      sizes.set(sheet.sizes.subarray(2 * i, 2 * i + 2), 2 * order[from + i]);
    }
    const name = sheetName(sheets.length);
    if (folder === undefined) sheets.push(`data:image/webp;base64,${sheet.bytes.toString("base64")}`);
    else {
      await write(join(folder, name), sheet.bytes);
      sheets.push(`${encodeURIComponent(basename(folder))}/${name}`);
    }
  }
  if (folder !== undefined) await removeOlder(folder, sheets.length);
  return { thumbnails: { cell: shape.cell, columns: shape.columns, perSheet, sheets, slots, sizes }, folder };
}

/** Writes a file whole. @throws OutputError */
export async function write(path: string, bytes: Uint8Array): Promise<void> {
  const file = await openAtomic(path);
  try {
    await file.append(bytes);
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** Sheets of an earlier, larger map under the same name. */
async function removeOlder(folder: string, count: number): Promise<void> {
  for (const name of await readdir(folder)) {
    if (/^\d{4,}\.webp$/.test(name) && Number.parseInt(name, 10) >= count) await rm(join(folder, name));
  }
}

/** The images along a line that fills the plane (Morton's), which keeps near ones near. */
function alongTheMap(xy: Float32Array): Int32Array {
  const count = xy.length / 2;
  const [least, most] = [
    [Infinity, Infinity],
    [-Infinity, -Infinity],
  ];
  for (let i = 0; i < xy.length; i++) {
    least[i % 2] = Math.min(least[i % 2], xy[i]);
    most[i % 2] = Math.max(most[i % 2], xy[i]);
  }
  const cell = (i: number, d: number) =>
    Math.min(1023, Math.floor((1024 * (xy[2 * i + d] - least[d])) / (most[d] - least[d] || 1)));
  const keys = Float64Array.from({ length: count }, (_, i) => {
    let key = 0;
    for (let bit = 9; bit >= 0; bit--)
      key = 4 * key + 2 * ((cell(i, 1) >> bit) & 1) + ((cell(i, 0) >> bit) & 1);
    return key;
  });
  return Int32Array.from({ length: count }, (_, i) => i).sort((a, b) => keys[a] - keys[b] || a - b);
}
