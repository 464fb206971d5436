/** Sheets of thumbnails, each loaded when one of its pictures is first wanted. */
import type { MapData } from "../data.ts";

export interface Sheets {
  /** Draws a thumbnail into a box in the shape of it, `ratio` pixels of the canvas to one of the box. Whether there was one to draw: it may be on its way, or never come. */
  draw(
    context: CanvasRenderingContext2D,
    ratio: number,
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

/** A sheet as it is, and at halves and quarters of it, from which small pictures are drawn sooner and smoother. */
interface Loaded {
  readonly levels: readonly (HTMLImageElement | ImageBitmap)[];
}
type Sheet = Loaded | "waiting" | "failed";

/** How often a sheet is halved. */
const halvings = 3;

async function load(address: string): Promise<Loaded> {
  const image = new Image();
  image.decoding = "async";
  image.src = address;
  await image.decode();
  const levels: (HTMLImageElement | ImageBitmap)[] = [image];
  for (let i = 1; i <= halvings; i++) {
    const [resizeWidth, resizeHeight] = [image.width, image.height].map((v) => Math.ceil(v / 2 ** i));
    levels.push(
      await createImageBitmap(levels[i - 1], { resizeWidth, resizeHeight, resizeQuality: "medium" }),
    );
  }
  return { levels };
}

/** `loaded` is called whenever a sheet has come. */
export function openSheets({ thumbnails: t }: MapData, loaded: () => void): Sheets {
  const sheets: (Sheet | undefined)[] = [];

  function sheetOf(number: number): Sheet {
    const there = sheets[number];
    if (there) return there;
    sheets[number] = "waiting";
    void load(t.sheets[number])
      .catch((): "failed" => "failed")
      .then((sheet) => {
        sheets[number] = sheet;
        loaded();
      });
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
    draw(context, ratio, image, x, y, width, height) {
      const slot = t.slots[image];
      if (slot < 0) return false;
      const sheet = sheetOf(Math.floor(slot / t.perSheet));
      if (typeof sheet === "string") return false;
      const cell = slot % t.perSheet;
      const [w, h] = [t.sizes[2 * image], t.sizes[2 * image + 1]];
      const smaller = Math.floor(Math.log2(Math.max(1, w / (width * ratio))));
      const level = Math.min(smaller, halvings);
      const part = 2 ** -level;
      context.drawImage(
        sheet.levels[level],
        (cell % t.columns) * t.cell * part,
        Math.floor(cell / t.columns) * t.cell * part,
        w * part,
        h * part,
        x,
        y,
        width,
        height,
      );
      return true;
    },
  };
}
