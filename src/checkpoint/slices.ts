/** Joining the parts of a partitioned variable. */
import { sizeOf } from "../tensor.ts";
import { damaged } from "./bytes.ts";
import type { TensorData } from "./dtypes.ts";
import type { Extent } from "./proto.ts";

/** A slice with its lengths made plain and checked against the tensor. */
export function resolveSlice(slice: readonly Extent[], shape: readonly number[], what: string): Extent[] {
  if (slice.length !== shape.length)
    throw damaged(what, `a slice of rank ${slice.length} of a tensor of rank ${shape.length}`);
  return slice.map(({ start, length }, axis) => {
    // TensorSlice: a length of -1 stands for the whole axis, and then the start is 0.
    const whole = length === -1;
    const resolved = { start, length: whole ? shape[axis] : length };
    const inside = start >= 0 && resolved.length >= (whole ? 0 : 1) && start + resolved.length <= shape[axis];
    if (!inside || (whole && start !== 0)) {
      throw damaged(what, `a slice from ${start} of ${length} does not fit an axis of ${shape[axis]}`);
    }
    return resolved;
  });
}

export const sliceSize = (slice: readonly Extent[]): number => sizeOf(slice.map((e) => e.length));

/** More slices than any partitioner makes; each is compared with its neighbours. */
const mostSlices = 10_000;

/** Checks that resolved slices cover a tensor exactly: no gap, no overlap. Nothing is read for it. */
export function checkCover(
  slices: readonly (readonly Extent[])[],
  shape: readonly number[],
  what: string,
): void {
  if (slices.length > mostSlices) throw damaged(what, `it has ${slices.length} slices`);
  const covered = slices.reduce((n, s) => n + sliceSize(s), 0);
  if (covered < sizeOf(shape)) throw damaged(what, "its slices do not cover it");
  // Sorted by their first axis, two slices can only overlap while the earlier one still lasts.
  const byStart = slices
    .filter((s) => sliceSize(s) > 0)
    .toSorted((a, b) => (a[0]?.start ?? 0) - (b[0]?.start ?? 0));
  let open: (readonly Extent[])[] = [];
  for (const slice of byStart) {
    open = open.filter((o) => !slice[0] || o[0].start + o[0].length > slice[0].start);
    for (const other of open) {
      const apart = slice.some(
        (e, axis) =>
          e.start >= other[axis].start + other[axis].length || other[axis].start >= e.start + e.length,
      );
      if (!apart) throw damaged(what, "two of its slices overlap");
    }
    open.push(slice);
  }
  if (covered !== sizeOf(shape)) throw damaged(what, "its slices do not cover it");
}

/** Copies a slice's values, `width` a cell (2 for complex pairs), to their place in the whole tensor. */
export function placeSlice(
  whole: TensorData,
  shape: readonly number[],
  slice: readonly Extent[],
  part: TensorData,
  width: number,
): void {
  const rank = shape.length;
  const run = rank === 0 ? width : slice[rank - 1].length * width;
  if (run === 0) return;
  const strides = shape.map((_, axis) => width * sizeOf(shape.slice(axis + 1)));
  const rows = sliceSize(slice.slice(0, -1));
  for (let row = 0; row < rows; row++) {
    let at = rank === 0 ? 0 : slice[rank - 1].start * width;
    let rest = row;
    for (let axis = rank - 2; axis >= 0; axis--) {
      at += (slice[axis].start + (rest % slice[axis].length)) * strides[axis];
      rest = Math.floor(rest / slice[axis].length);
    }
    if (Array.isArray(whole)) {
      for (let i = 0; i < run; i++) whole[at + i] = (part as Uint8Array[])[row * run + i];
    } else {
      (whole as Float32Array).set((part as Float32Array).subarray(row * run, (row + 1) * run), at);
    }
  }
}

/** An empty array of the kind of `part`, for `length` values. */
export function emptyLike(part: TensorData, length: number): TensorData {
  if (Array.isArray(part)) return Array<Uint8Array>(length).fill(new Uint8Array(0));
  return new (part.constructor as new (n: number) => TensorData)(length);
}

/** Reads a tensor's slices, which cover it, one after another into one array. */
export async function joinSlices(
  shape: readonly number[],
  slices: readonly (readonly Extent[])[],
  what: string,
  read: (index: number) => Promise<TensorData>,
): Promise<TensorData> {
  const size = sizeOf(shape);
  let whole: TensorData | undefined;
  for (const [i, slice] of slices.entries()) {
    const part = await read(i);
    const cells = sliceSize(slice);
    // Complex values lie as pairs.
    const width = cells > 0 ? part.length / cells : 1;
    if (slices.length === 1) return part;
    whole ??= emptyLike(part, size * width);
    placeSlice(whole, shape, slice, part, width);
  }
  if (!whole) throw damaged(what, "it has no slices");
  return whole;
}
