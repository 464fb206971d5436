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
  const { left, right, low, high } = boxOf(xy);
  // Cells of at least `apart`, in a grid that a few far ones do not blow up.
  const size = Math.max(apart, Math.sqrt(((right - left) * (high - low)) / (4 * count)) || 0);
  const columns = Math.floor((right - left) / size) + 1;
  const rows = Math.floor((high - low) / size) + 1;
  const cellOf = (i: number) =>
    Math.floor((xy[2 * i + 1] - low) / size) * columns + Math.floor((xy[2 * i] - left) / size);
  const starts = new Int32Array(columns * rows + 1);
  const cells = Int32Array.from({ length: count }, (_, i) => cellOf(i));
  for (const cell of cells) starts[cell + 1]++;
  for (let c = 0; c < columns * rows; c++) starts[c + 1] += starts[c];
  const next = starts.slice();
  const order = new Int32Array(count);
  for (let i = 0; i < count; i++) order[next[cells[i]]++] = i;
  let pushed = false;
  for (let i = 0; i < count; i++) {
    const [column, row] = [cells[i] % columns, Math.floor(cells[i] / columns)];
    for (let r = Math.max(0, row - 1); r <= Math.min(rows - 1, row + 1); r++) {
      const end = starts[r * columns + Math.min(columns - 1, column + 1) + 1];
      for (let at = starts[r * columns + Math.max(0, column - 1)]; at < end; at++) {
        const j = order[at];
        if (j > i && push(xy, i, j, apart)) pushed = true;
      }
    }
  }
  return pushed;
}

function push(xy: Float32Array, i: number, j: number, apart: number): boolean {
  const [dx, dy] = [xy[2 * j] - xy[2 * i], xy[2 * j + 1] - xy[2 * i + 1]];
  const square = dx * dx + dy * dy;
  if (square > (apart * 0.995) ** 2) return false;
  const distance = Math.sqrt(square);
  const step = 0.25 * (apart - distance);
  // Two at one place part in a direction of their own.
  const [ux, uy] =
    distance > 1e-7 ? [dx / distance, dy / distance] : [Math.cos(i + 2.4 * j), Math.sin(i + 2.4 * j)];
  xy[2 * i] -= ux * step;
  xy[2 * i + 1] -= uy * step;
  xy[2 * j] += ux * step;
  xy[2 * j + 1] += uy * step;
  return true;
}
