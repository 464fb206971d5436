/** Draws the map: points far off, pictures near by, what is chosen above the others. */
import { type Camera, type Point, type Size, seen, toScreen } from "../camera.ts";
import type { MapData } from "../data.ts";
import type { Places } from "../places.ts";
import { h } from "./elements.ts";
import { openPoints } from "./points.ts";
import type { Sheets } from "./sheets.ts";
import type { State, Store } from "./store.ts";
import { tintsOf } from "./tints.ts";

/** Above this many images, those that are small are points, drawn by WebGL. */
const mostWithoutPoints = 5000;
/** So many pictures at most are drawn in a frame where there are points besides. */
const mostPictures = 2500;
/** Pictures that are drawn smaller than this many pixels tell nothing. */
const leastPicture = 7;
const dimmed = 0.14;

export interface MapCanvas {
  readonly elements: readonly HTMLCanvasElement[];
  readonly size: Size;
  /** The side of the box in which pictures are drawn just now, in pixels. */
  pictureSide(camera: Camera): number;
  /** Takes the size of the element that it lies in. */
  resize(size: Size): void;
  draw(scene: Scene): void;
}

export interface Scene {
  readonly camera: Camera;
  /** The image under the pointer. */
  readonly hovered: number | undefined;
  /** The line that is being drawn around images, in pixels. */
  readonly line: readonly Point[];
}

export interface CanvasParts {
  readonly data: MapData;
  readonly places: Places;
  readonly sheets: Sheets;
  readonly store: Store;
}

export function createCanvas({ data, places, sheets, store }: CanvasParts): MapCanvas {
  const { xy, apart } = data;
  const under = h("canvas", { class: "points", aria: { hidden: true } });
  const over = h("canvas", { class: "pictures", aria: { hidden: true } });
  const context = over.getContext("2d") as CanvasRenderingContext2D;
  const count = data.paths.length;
  const isLarge = count > mostWithoutPoints;
  const points = isLarge ? openPoints(under, xy) : undefined;
  let ratio = 1;
  let size: Size = { width: 1, height: 1 };
  let listed: Set<number> | undefined;
  let tintOf = tintsOf(data, store.state);

  function recolour(state: State): void {
    listed = state.listed && new Set(state.listed.images);
    tintOf = tintsOf(data, state);
    points?.colour((i) => [tintOf(i).rgb, !listed || listed.has(i) ? 0.9 : dimmed]);
  }
  recolour(store.state);
  store.onChange((state, before) => {
    if (state.listed !== before.listed || state.colouring !== before.colouring || state.dark !== before.dark)
      recolour(state);
  });

  /** Pictures grow with the map at first, and end a little above what they are made of. */
  const pictureSide = ({ scale }: Camera) =>
    Math.min(1.4 * data.thumbnails.cell, Math.max(scale * apart * 0.86, isLarge ? 0 : leastPicture));

  function boxOf(camera: Camera, image: number, side: number) {
    const { x, y } = toScreen(camera, size, xy[2 * image], xy[2 * image + 1]);
    const [w, t] = sheets.shape(image);
    return { x: x - (w * side) / 2, y: y - (t * side) / 2, width: w * side, height: t * side };
  }

  function drawPicture(scene: Scene, image: number, side: number, faint: boolean): void {
    const { state } = store;
    const { x, y, width, height } = boxOf(scene.camera, image, side);
    context.globalAlpha = faint ? dimmed : 1;
    if (state.colouring >= 0) {
      const edge = Math.max(1, Math.min(2.5, side / 20));
      context.fillStyle = tintOf(image).css;
      context.fillRect(x - edge, y - edge, width + 2 * edge, height + 2 * edge);
    }
    if (sheets.draw(context, ratio, image, x, y, width, height)) return;
    context.fillStyle = state.dark ? "#2a2f38" : "#e3e6eb";
    context.fillRect(x, y, width, height);
    if (!sheets.isGone(image) || side < 14) return;
    // A picture that is not there: a box with a diagonal.
    context.strokeStyle = state.dark ? "#7d8594" : "#8b93a1";
    context.lineWidth = 1;
    context.strokeRect(x + 1.5, y + 1.5, width - 3, height - 3);
    context.beginPath();
    context.moveTo(x + 1.5, y + height - 1.5);
    context.lineTo(x + width - 1.5, y + 1.5);
    context.stroke();
  }

  /** Points where there is no WebGL. */
  function drawDots({ camera }: Scene, near: readonly number[], diameter: number): void {
    for (const image of near) {
      const { x, y } = toScreen(camera, size, xy[2 * image], xy[2 * image + 1]);
      context.globalAlpha = !listed || listed.has(image) ? 0.9 : dimmed;
      context.fillStyle = tintOf(image).css;
      context.fillRect(x - diameter / 2, y - diameter / 2, diameter, diameter);
    }
  }

  function drawAbove(scene: Scene, image: number, side: number, colour: string): void {
    const large = Math.min(Math.max(side * 1.35, 44), Math.max(96, side));
    drawPicture(scene, image, large, false);
    const { x, y, width, height } = boxOf(scene.camera, image, large);
    context.globalAlpha = 1;
    context.strokeStyle = colour;
    context.lineWidth = 3;
    context.beginPath();
    context.roundRect(x - 3, y - 3, width + 6, height + 6, 4);
    context.stroke();
  }

  function drawLine(line: readonly Point[], accent: string): void {
    if (line.length < 2) return;
    context.globalAlpha = 1;
    context.beginPath();
    for (const { x, y } of line) context.lineTo(x, y);
    context.closePath();
    context.fillStyle = `${accent}22`;
    context.fill();
    context.setLineDash([6, 4]);
    context.lineWidth = 2;
    context.strokeStyle = accent;
    context.stroke();
    context.setLineDash([]);
  }

  return {
    elements: [under, over],
    get size() {
      return size;
    },
    pictureSide,
    resize(next) {
      size = next;
      ratio = Math.min(devicePixelRatio || 1, 3);
      for (const canvas of [under, over]) {
        canvas.width = Math.max(1, Math.round(size.width * ratio));
        canvas.height = Math.max(1, Math.round(size.height * ratio));
      }
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
    },
    draw(scene) {
      const { camera, hovered, line } = scene;
      const { state } = store;
      const side = pictureSide(camera);
      const accent = state.dark ? "#8ab4ff" : "#1f5fd0";
      context.clearRect(0, 0, size.width, size.height);
      const near = places.within(seen(camera, size, side));
      points?.clear();
      if (isLarge && (side < 2 * leastPicture || near.length > mostPictures)) {
        const diameter = Math.max(2.5, Math.min(9, camera.scale * apart * 0.8));
        if (points) points.draw(camera, size, diameter);
        else drawDots(scene, near, diameter);
      } else {
        for (const image of near) if (listed && !listed.has(image)) drawPicture(scene, image, side, true);
        for (const image of near) if (!listed || listed.has(image)) drawPicture(scene, image, side, false);
      }
      const { current } = state;
      if (current !== undefined) {
        const { k, indices } = data.neighbours;
        for (const near of indices.subarray(current * k, current * k + Math.min(k, 5)).toReversed())
          drawAbove(scene, near, side / 1.2, `${accent}99`);
        drawAbove(scene, current, side, accent);
      }
      if (hovered !== undefined && hovered !== current) drawAbove(scene, hovered, side, accent);
      drawLine(line, accent);
      context.globalAlpha = 1;
    },
  };
}
