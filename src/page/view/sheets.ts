/** Sheets of thumbnails, each loaded when one of its pictures is first wanted. */
import type { MapData } from "../data.ts";

export interface Sheets {
  /** Draws a thumbnail into a box, its shape kept. Whether there was one to draw: it may be on its way, or never come. */
  draw(
    context: CanvasRenderingContext2D,
    image: number,
    x: number,
    y: number,
    width: number,
    height: number,
  ): boolean;
  /** Width and height of a picture whose longer side is 1. */
  shape(image: number): readonly [width: number, height: number];
  /** Whether there is no picture of an image, and will be none. */
  isGone(image: number): boolean;
}

type Sheet = HTMLImageElement | "waiting" | "failed";

/** `loaded` is called whenever a sheet has come. */
export function openSheets({ thumbnails: t }: MapData, loaded: () => void): Sheets {
  const sheets: (Sheet | undefined)[] = [];

  function sheetOf(number: number): Sheet {
    const there = sheets[number];
    if (there) return there;
    const element = new Image();
    element.decoding = "async";
    sheets[number] = "waiting";
    element.src = t.sheets[number];
    element.decode().then(
      () => {
        sheets[number] = element;
        loaded();
      },
      () => {
        sheets[number] = "failed";
        loaded();
      },
    );
    return "waiting";
  }

  const isGone = (image: number) =>
    t.slots[image] < 0 || sheets[Math.floor(t.slots[image] / t.perSheet)] === "failed";

  return {
    isGone,
    shape(image) {
      const [w, h] = [t.sizes[2 * image], t.sizes[2 * image + 1]];
      if (isGone(image) || w === 0 || h === 0) return [0.8, 0.8];
      return [w / Math.max(w, h), h / Math.max(w, h)];
    },
    draw(context, image, x, y, width, height) {
      const slot = t.slots[image];
      if (slot < 0) return false;
      const sheet = sheetOf(Math.floor(slot / t.perSheet));
      if (typeof sheet === "string") return false;
      const cell = slot % t.perSheet;
      const [left, top] = [(cell % t.columns) * t.cell, Math.floor(cell / t.columns) * t.cell];
      context.drawImage(sheet, left, top, t.sizes[2 * image], t.sizes[2 * image + 1], x, y, width, height);
      return true;
    },
  };
}
