/**
 * What a chip of its own takes for a product that shares tiles in workgroup memory: an estimate by which tiles, splits of
 * the depth and algorithms are chosen where nothing was measured. Fitted to tiles of many shapes on an NVIDIA H100; of
 * another chip it says well enough which of two ways is the shorter.
 */

/** A workgroup's share of a product: the tile that it computes, in steps of `depth`, and each lane's part of the tile. */
export interface SharedTile {
  readonly pixels: number;
  readonly channels: number;
  /** Products of depth that lie in workgroup memory together. */
  readonly depth: number;
  readonly lanePixels: number;
  readonly laneChannels: number;
}

export const lanesOf = (t: SharedTile): number => (t.pixels / t.lanePixels) * (t.channels / t.laneChannels);

/** Bytes of workgroup memory. */
export const sharedBytes = (t: SharedTile): number => 4 * t.depth * (t.pixels + t.channels);

/** Multiprocessors, lanes that each holds at once, and its registers. */
const chip = { processors: 132, lanes: 2048, registers: 65536, sharedBytes: 200 * 1024 };

/** Nanoseconds: of a dispatch that waits for the one before, of a workgroup's beginning and end. */
const dispatch = 2200;
const workgroup = 2500;

/** Bytes a nanosecond of the memory, and of what lies in the cache between two dispatches. */
const memory = 2000;
const cache = 3000;

/** Multiply-adds a nanosecond of a full multiprocessor, by the sums of a lane: fewer sums load more for each. */
const full: Readonly<Record<number, number>> = { 64: 140, 32: 132, 16: 122, 8: 90, 4: 55 };

/** Sums that a multiprocessor must have under way to be half as fast as it can be. */
const halfSpeed = 120 * 32;

/** Multiply-adds a nanosecond of a multiprocessor that works on `groups` workgroups at once. */
function speed(tile: SharedTile, groups: number): number {
  const sums = groups * tile.pixels * tile.channels;
  return Math.min(full[tile.lanePixels * tile.laneChannels], (160 * sums) / (sums + halfSpeed));
}

/** Workgroups that one multiprocessor holds at once. */
function resident(tile: SharedTile): number {
  const lanes = lanesOf(tile);
  // Two levels of sums, what is fetched for the next step, and addresses.
  const registers = 2 * tile.lanePixels * tile.laneChannels + 2 * (tile.lanePixels + tile.laneChannels) + 40;
  return Math.max(
    1,
    Math.min(
      Math.floor(chip.lanes / lanes),
      Math.floor(chip.registers / (lanes * Math.min(registers, 255))),
      Math.floor(chip.sharedBytes / sharedBytes(tile)),
    ),
  );
}

export interface ProductWork {
  readonly tile: SharedTile;
  readonly pixels: number;
  readonly channels: number;
  /** Products of depth, with what fills them up to whole steps. */
  readonly depth: number;
  /** Groups of workgroups that the depth is divided among, and the partial sums that they write for each output. */
  readonly groups: number;
  readonly partials: number;
  /** Products of the same sizes that run together. */
  readonly places: number;
}

/** Estimated nanoseconds. */
export function productWork({
  tile,
  pixels,
  channels,
  depth,
  groups,
  partials,
  places,
}: ProductWork): number {
  const workgroups = places * groups * Math.ceil(pixels / tile.pixels) * Math.ceil(channels / tile.channels);
  const each = (tile.pixels * tile.channels * depth) / groups;
  const most = resident(tile);
  const own = Math.ceil(workgroups / chip.processors);
  const rounds = Math.floor(own / most);
  const rest = own % most;
  const computing =
    (rounds * most * each) / speed(tile, most) + (rest > 0 ? (rest * each) / speed(tile, rest) : 0);
  const weights = (4 * places * depth * channels) / memory;
  const moved = partials > 1 ? dispatch + (8 * partials * pixels * channels) / cache : 0;
  return dispatch + workgroup + Math.max(computing, weights) + moved;
}

/** Estimated nanoseconds of a dispatch that does little besides moving bytes. */
export const movingWork = (bytes: number): number => dispatch + bytes / cache;

/** A tile of small matrices: the part of a subgroup, and how many subgroups lie below and beside each other. */
export interface MatrixTile {
  readonly pixels: number;
  readonly channels: number;
  readonly down: number;
  readonly across: number;
}

/** Multiply-adds a nanosecond of a multiprocessor's units for small matrices that are kept busy. */
const matrixFull = 1000;

/** Estimated nanoseconds of a product of small matrices, whose depth is divided among `groups`. */
export function matrixWork({
  tile: { pixels, channels, down, across },
  pixels: allPixels,
  channels: allChannels,
  depth,
  groups,
}: Pick<ProductWork, "pixels" | "channels" | "depth" | "groups"> & { readonly tile: MatrixTile }): number {
  const sums = down * across * pixels * channels;
  const workgroups =
    groups * Math.ceil(allPixels / (down * pixels)) * Math.ceil(allChannels / (across * channels));
  const own = Math.ceil(workgroups / chip.processors);
  // A piece of the input is used for a subgroup's channels, one of the filter for its pixels.
  const reuse = (2 * pixels * channels) / (pixels + channels) / 64;
  const busy = Math.min(own, 4) * sums;
  const rate = matrixFull * reuse * (busy / (busy + 16384));
  const computing = (own * sums * depth) / groups / rate;
  const moved = groups > 1 ? dispatch + (8 * groups * allPixels * allChannels) / cache : 0;
  const bytes = (2 * depth * allChannels + 4 * allPixels * allChannels) / memory;
  return dispatch + workgroup + Math.max(computing, bytes) + moved;
}
