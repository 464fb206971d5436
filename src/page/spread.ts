/** Places moved apart a little, so that pictures at them cover each other less, and near ones stay near. */
import { boxOf } from "./camera.ts";

/** How far apart they are, as a part of what they would be if they filled the square. */
const wanted = 0.9;
const rounds = 120;

/**
 * Places scaled into a square of side 1 about the origin, and moved apart where they are nearer to each other
 * than `apart`. The same places give the same ones.
 */
export function spread(xy: Float32Array): { readonly xy: Float32Array; readonly apart: number } {
  const count = xy.length / 2;
  const { left, right, low, high } = boxOf(xy);
  const side = Math.max(right - left, high - low) || 1;
  const places = new Float32Array(xy.length);
  for (let i = 0; i < count; i++) {
    places[2 * i] = (xy[2 * i] - (left + right) / 2) / side;
    places[2 * i + 1] = (xy[2 * i + 1] - (low + high) / 2) / side;
  }
  const apart = count < 2 ? 1 : wanted / Math.sqrt(count);
  for (let round = 0; round < rounds; round++) if (!pushApart(places, apart)) break;
  return { xy: places, apart };
}

/** Pushes every two that are too near half the way that they lack. Whether there were any. */
function pushApart(xy: Float32Array, apart: number): boolean {
  const count = xy.length / 2;
  const cells = new Map<number, number[]>();
  const cellOf = (v: number) => Math.floor(v / apart) + 5000;
  for (let i = 0; i < count; i++) {
    const cell = cellOf(xy[2 * i]) * 10_000 + cellOf(xy[2 * i + 1]);
    const there = cells.get(cell);
    if (there) there.push(i);
    else cells.set(cell, [i]);
  }
  let pushed = false;
  for (let i = 0; i < count; i++) {
    const [column, row] = [cellOf(xy[2 * i]), cellOf(xy[2 * i + 1])];
    for (let c = column - 1; c <= column + 1; c++) {
      for (let r = row - 1; r <= row + 1; r++) {
        for (const j of cells.get(c * 10_000 + r) ?? []) {
          if (j <= i) continue;
          const [dx, dy] = [xy[2 * j] - xy[2 * i], xy[2 * j + 1] - xy[2 * i + 1]];
          const distance = Math.hypot(dx, dy);
          if (distance > apart * 0.995) continue;
          const step = 0.25 * (apart - distance);
          // Two at one place part in a direction of their own.
          const [ux, uy] =
            distance > 1e-7 ? [dx / distance, dy / distance] : [Math.cos(i + 2.4 * j), Math.sin(i + 2.4 * j)];
          xy[2 * i] -= ux * step;
          xy[2 * i + 1] -= uy * step;
          xy[2 * j] += ux * step;
          xy[2 * j + 1] += uy * step;
          pushed = true;
        }
      }
    }
  }
  return pushed;
}
