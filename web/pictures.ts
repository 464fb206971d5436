/** Small pictures of the images, in sheets, as the map shows them. */
import type { Thumbnails } from "../src/page/data.ts";

const cell = 96;
const columns = 12;
const perSheet = columns * columns;

export interface Pictures {
  /** Draws the next image; one that the browser cannot show leaves its cell empty. */
  add(image: Blob): Promise<void>;
  thumbnails(): Promise<Thumbnails>;
}

export function createPictures(): Pictures {
  const done: Blob[] = [];
  const addresses: string[] = [];
  const sizes: number[] = [];
  let canvas = new OffscreenCanvas(cell * columns, cell * columns);

  const sheetOf = (from: OffscreenCanvas) => from.convertToBlob({ type: "image/webp", quality: 0.8 });

  return {
    async add(image) {
      const at = sizes.length / 2 - done.length * perSheet;
      try {
        const bitmap = await createImageBitmap(image);
        const scale = Math.min(1, cell / Math.max(bitmap.width, bitmap.height));
        const [width, height] = [bitmap.width, bitmap.height].map((side) =>
          Math.max(1, Math.round(side * scale)),
        );
        const context = canvas.getContext("2d") as OffscreenCanvasRenderingContext2D;
        context.imageSmoothingQuality = "medium";
        context.drawImage(bitmap, (at % columns) * cell, Math.floor(at / columns) * cell, width, height);
        bitmap.close();
        sizes.push(width, height);
      } catch {
        sizes.push(0, 0);
      }
      if (at + 1 < perSheet) return;
      done.push(await sheetOf(canvas));
      canvas = new OffscreenCanvas(cell * columns, cell * columns);
    },
    async thumbnails() {
      for (const address of addresses.splice(0)) URL.revokeObjectURL(address);
      for (const sheet of [...done, await sheetOf(canvas)]) addresses.push(URL.createObjectURL(sheet));
      return {
        cell,
        columns,
        perSheet,
        sheets: [...addresses],
        slots: Int32Array.from({ length: sizes.length / 2 }, (_, i) => (sizes[2 * i] > 0 ? i : -1)),
        sizes: Uint8Array.from(sizes),
      };
    },
  };
}
