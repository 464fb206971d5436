/** Pictures in lists: buttons that choose an image. */
import type { MapData } from "../data.ts";
import { nameOfPath } from "../words.ts";
import { h } from "./elements.ts";
import type { Sheets } from "./sheets.ts";

export interface PictureOptions {
  readonly image: number;
  /** Stands under the name. */
  readonly note?: string;
  readonly press: (image: number) => void;
}

export interface Pictures {
  /** A button with the picture and the name of an image. */
  button(options: PictureOptions): HTMLButtonElement;
  /** The picture alone: in the middle of a square of `side` pixels, or as large as it is, with a longer side of so many. */
  canvas(image: number, side: number, frame: "square" | "none"): HTMLCanvasElement;
  /** Draws again what waited for its sheet. */
  refresh(): void;
}

/** Pixels, wide and high. */
const small = 84;

export function createPictures(data: MapData, sheets: Sheets): Pictures {
  const waiting = new Map<HTMLCanvasElement, number>();

  function paint(canvas: HTMLCanvasElement, image: number): boolean {
    const context = canvas.getContext("2d");
    const side = Math.max(canvas.width, canvas.height);
    const [w, t] = sheets.shape(image);
    if (!context) return true;
    const drawn = sheets.draw(
      context,
      1,
      image,
      (canvas.width - w * side) / 2,
      (canvas.height - t * side) / 2,
      w * side,
      t * side,
    );
    return drawn || sheets.isGone(image);
  }

  function canvas(image: number, side: number, frame: "square" | "none"): HTMLCanvasElement {
    const element = h("canvas", {
      class: sheets.isGone(image) ? "picture gone" : "picture",
      aria: { hidden: true },
    });
    const [w, t] = frame === "none" ? sheets.shape(image) : [1, 1];
    const ratio = Math.min(devicePixelRatio || 1, 2);
    element.width = Math.round(w * side * ratio);
    element.height = Math.round(t * side * ratio);
    element.style.width = `${w * side}px`;
    element.style.height = `${t * side}px`;
    if (!paint(element, image)) waiting.set(element, image);
    return element;
  }

  return {
    canvas,
    button({ image, note, press }) {
      const path = data.paths[image];
      const gone = sheets.isGone(image) ? ", no picture" : "";
      return h(
        "button",
        {
          class: "item",
          type: "button",
          title: path,
          aria: { label: `${path}${note ? `, ${note}` : ""}${gone}` },
          on: { click: () => press(image) },
        },
        canvas(image, small, "square"),
        h("span", { class: "name" }, nameOfPath(path)),
        note !== undefined && h("span", { class: "note" }, note),
      );
    },
    refresh() {
      for (const [element, image] of waiting) {
        if (!element.isConnected) waiting.delete(element);
        else if (paint(element, image)) {
          waiting.delete(element);
          element.classList.toggle("gone", sheets.isGone(image));
        }
      }
    },
  };
}
