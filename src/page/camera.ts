/** What part of a map is seen: places of the map to pixels of the screen, whose y runs downwards. */

export interface Camera {
  /** The place of the map in the middle of the screen. */
  readonly x: number;
  readonly y: number;
  /** Pixels for a unit of the map. */
  readonly scale: number;
}

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Box {
  readonly left: number;
  readonly right: number;
  readonly low: number;
  readonly high: number;
}

export const toScreen = (camera: Camera, size: Size, x: number, y: number): Point => ({
  x: size.width / 2 + (x - camera.x) * camera.scale,
  y: size.height / 2 - (y - camera.y) * camera.scale,
});

export const toMap = (camera: Camera, size: Size, x: number, y: number): Point => ({
  x: camera.x + (x - size.width / 2) / camera.scale,
  y: camera.y - (y - size.height / 2) / camera.scale,
});

/** The part of the map that a screen shows, and `margin` pixels around it. */
export function seen(camera: Camera, size: Size, margin = 0): Box {
  const [w, h] = [(size.width / 2 + margin) / camera.scale, (size.height / 2 + margin) / camera.scale];
  return { left: camera.x - w, right: camera.x + w, low: camera.y - h, high: camera.y + h };
}

/** The box around some places: all of them, or those of `images`. */
export function boxOf(xy: Float32Array, images?: Iterable<number>): Box {
  let [left, right, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  const include = (i: number) => {
    left = Math.min(left, xy[2 * i]);
    right = Math.max(right, xy[2 * i]);
    low = Math.min(low, xy[2 * i + 1]);
    high = Math.max(high, xy[2 * i + 1]);
  };
  if (images) for (const i of images) include(i);
  else for (let i = 0; i < xy.length / 2; i++) include(i);
  return left > right ? { left: 0, right: 0, low: 0, high: 0 } : { left, right, low, high };
}

/** The camera that shows a whole box, with `margin` pixels around it, and `left` more on the left that something else covers. */
export function framed(box: Box, size: Size, margin: number, left = 0): Camera {
  const free = (pixels: number) => Math.max(1, pixels - 2 * margin);
  const scale = Math.min(
    free(size.width - left) / Math.max(box.right - box.left, 1e-9),
    free(size.height) / Math.max(box.high - box.low, 1e-9),
  );
  return { x: (box.left + box.right) / 2 - left / 2 / scale, y: (box.low + box.high) / 2, scale };
}

/** Closer by `factor`, about a pixel of the screen, which keeps showing the same place. */
export function zoomAbout(camera: Camera, size: Size, at: Point, factor: number): Camera {
  const { x, y } = toMap(camera, size, at.x, at.y);
  const scale = camera.scale * factor;
  return {
    x: x - (at.x - size.width / 2) / scale,
    y: y + (at.y - size.height / 2) / scale,
    scale,
  };
}

export const panned = (camera: Camera, dx: number, dy: number): Camera => ({
  ...camera,
  x: camera.x - dx / camera.scale,
  y: camera.y + dy / camera.scale,
});

/** Between two cameras: 0 is the first, 1 the second. The scale goes by equal factors. */
export function between(a: Camera, b: Camera, part: number): Camera {
  const scale = a.scale * (b.scale / a.scale) ** part;
  // As the scale changes, an even move of the middle would look like a swing.
  const way =
    Math.abs(a.scale - b.scale) < 1e-9 ? part : (1 / a.scale - 1 / scale) / (1 / a.scale - 1 / b.scale);
  return { x: a.x + (b.x - a.x) * way, y: a.y + (b.y - a.y) * way, scale };
}
