/** Finding images by their places on the map, quickly. */
import type { Box, Point } from "./camera.ts";
import { boxOf } from "./camera.ts";

export interface Places {
  /** The images in a box, in ascending order. */
  within(box: Box): number[];
  /** The image nearest to a place, at most `most` away. */
  nearest(at: Point, most: number): number | undefined;
  /** The nearest image of those that lie in a direction from another, more ahead than aside. */
  towards(from: number, dx: number, dy: number): number | undefined;
}

/** How many images a cell of the grid has on average. */
const perCell = 4;

/** Sorts the places into the cells of a grid, once. */
export function placesOf(xy: Float32Array): Places {
  const count = xy.length / 2;
  const { left, right, low, high } = boxOf(xy);
  const side = Math.max(1, Math.ceil(Math.sqrt(count / perCell)));
  const step = Math.max(right - left, high - low, 1e-9) / side;
  const column = (x: number) => Math.max(0, Math.min(side - 1, Math.floor((x - left) / step)));
  const row = (y: number) => Math.max(0, Math.min(side - 1, Math.floor((y - low) / step)));
  const starts = new Int32Array(side * side + 1);
  const cells = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    cells[i] = row(xy[2 * i + 1]) * side + column(xy[2 * i]);
    starts[cells[i] + 1]++;
  }
  for (let c = 0; c < side * side; c++) starts[c + 1] += starts[c];
  const next = starts.slice();
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[next[cells[i]]++] = i;

  function within(box: Box): number[] {
    const found: number[] = [];
    const [c0, c1] = [column(box.left), column(box.right)];
    for (let r = row(box.low); r <= row(box.high); r++) {
      for (let at = starts[r * side + c0]; at < starts[r * side + c1 + 1]; at++) {
        const i = order[at];
        const [x, y] = [xy[2 * i], xy[2 * i + 1]];
        if (x >= box.left && x <= box.right && y >= box.low && y <= box.high) found.push(i);
      }
    }
    return found.sort((a, b) => a - b);
  }

  function nearest({ x, y }: Point, most: number): number | undefined {
    let best: number | undefined;
    let least = most;
    for (const i of within({ left: x - most, right: x + most, low: y - most, high: y + most })) {
      const distance = Math.hypot(xy[2 * i] - x, xy[2 * i + 1] - y);
      if (distance > least || (distance === least && best !== undefined)) continue;
      least = distance;
      best = i;
    }
    return best;
  }

  function towards(from: number, dx: number, dy: number): number | undefined {
    let best: number | undefined;
    let least = Infinity;
    for (let i = 0; i < count; i++) {
      const [x, y] = [xy[2 * i] - xy[2 * from], xy[2 * i + 1] - xy[2 * from + 1]];
      const ahead = x * dx + y * dy;
      const aside = Math.abs(x * dy - y * dx);
      // What lies aside counts more, so that steps keep their line.
      if (i === from || ahead <= 0 || aside > ahead || ahead + 2 * aside >= least) continue;
      least = ahead + 2 * aside;
      best = i;
    }
    return best;
  }

  return { within, nearest, towards };
}

/** The images whose places are inside a closed line, by the even-odd rule, in ascending order. */
export function inside(line: readonly Point[], xy: Float32Array): number[] {
  const found: number[] = [];
  for (let i = 0; i < xy.length / 2; i++) {
    const [x, y] = [xy[2 * i], xy[2 * i + 1]];
    let odd = false;
    for (const [k, a] of line.entries()) {
      const b = line[(k + 1) % line.length];
      if (a.y > y !== b.y > y && x < a.x + ((y - a.y) / (b.y - a.y)) * (b.x - a.x)) odd = !odd;
    }
    if (odd) found.push(i);
  }
  return found;
}
