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

/** Nanoseconds: of a dispatch that waits for the one before, with what it takes to encode it, and of a workgroup's beginning. */
const dispatch = 5000;
const workgroup = 2500;

/** Bytes a nanosecond of the memory, of what lies in the cache between two dispatches, and of the cache for one multiprocessor. */
const memory = 2000;
const cache = 3000;
const ownCache = 40;

/** Multiply-adds a nanosecond of a full multiprocessor, by the sums of a lane: fewer sums load more for each. */
const full: Readonly<Record<number, number>> = { 64: 140, 32: 132, 16: 126, 8: 95, 4: 60 };

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

/** Nanoseconds in which a multiprocessor's share of the memory takes a tile's sums. */
const tileStore = (sums: number) => (4 * sums * chip.processors) / memory;

/** Of two things of which `beside` workgroups do one while others do the other. */
const overlapped = (a: number, b: number, beside: number) => Math.max(a, b) + Math.min(a, b) / beside;

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
  // A multiprocessor's share of the memory takes the tile's sums; workgroups beside each other hide that.
  const storing = own * tileStore(tile.pixels * tile.channels);
  const beside = Math.min(most, own);
  const loading = (own * 4 * (tile.pixels + tile.channels) * depth) / groups / ownCache;
  const weights = (4 * places * depth * channels) / memory;
  const moved = partials > 1 ? dispatch + (8 * partials * pixels * channels) / cache : 0;
  return (
    dispatch +
    workgroup +
    Math.max(overlapped(Math.max(computing, loading), storing, beside), weights) +
    moved
  );
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

/**
 * Multiply-adds a nanosecond of a multiprocessor's units for small matrices, kept busy with parts of 64x64 a subgroup; and
 * the sums that it must have under way to be half as fast.
 */
const matrixFull = 560;
const matrixHalfSpeed = 8192;

/** Registers of a subgroup's lane besides its sums: what is multiplied, what is fetched for the next step, addresses. */
const matrixRegisters = 100;

/** Bytes a nanosecond of the memory for sums on their way out and what they are added to, which come in bursts. */
const matrixMemory = 1400;

/**
 * Nanoseconds that a workgroup waits: for its first tiles, and for each sum of a lane on its way out, with what it is added
 * to. Reckoned, not measured: a strip of 32 sums takes two barriers and the way through workgroup memory, and most of a
 * memory's latency where there is a residual, whose reading is under way for as long as the strip before takes.
 */
const matrixWaits = { begin: 1500, sum: 12, residual: 20 };

export interface MatrixWork extends Pick<ProductWork, "pixels" | "channels" | "depth" | "groups"> {
  readonly tile: MatrixTile;
  /** Bytes of the input, each counted once. */
  readonly input: number;
  /** Whether the sums are added to a value that is read beside. */
  readonly residual: boolean;
}

/** Estimated nanoseconds of a product of small matrices, whose depth is divided among `groups`. */
export function matrixWork({
  tile: { pixels, channels, down, across },
  pixels: allPixels,
  channels: allChannels,
  depth,
  groups,
  input,
  residual,
}: MatrixWork): number {
  const subgroups = down * across;
  const sums = subgroups * pixels * channels;
  const laneSums = (pixels * channels) / 32;
  const [rows, columns] = [down * pixels, across * channels];
  const own = Math.ceil(
    (groups * Math.ceil(allPixels / rows) * Math.ceil(allChannels / columns)) / chip.processors,
  );
  const registers = 32 * subgroups * (laneSums + matrixRegisters);
  const beside = Math.min(own, Math.max(1, Math.floor(chip.registers / registers)));
  // A piece of the input is used for a subgroup's channels, one of the filter for its pixels.
  const reuse = Math.sqrt((2 * pixels * channels) / (pixels + channels) / 64);
  const busy = beside * sums;
  const speed = (matrixFull * reuse * busy) / (busy + matrixHalfSpeed);
  const computing = (own * sums * depth) / groups / speed;
  const loading = (own * (4 * rows + 2 * columns) * depth) / groups / ownCache;
  const values = allPixels * allChannels * (residual ? 2 : 1);
  const moving = (own * 4 * sums * (residual ? 2 : 1) * chip.processors) / matrixMemory;
  const waiting =
    (own / beside) *
    (matrixWaits.begin + laneSums * (matrixWaits.sum + (residual ? matrixWaits.residual : 0)));
  const bytes = input + 2 * depth * allChannels + 4 * groups * values;
  const moved = groups > 1 ? dispatch + (8 * groups * allPixels * allChannels) / cache : 0;
  return (
    dispatch +
    workgroup +
    Math.max(overlapped(Math.max(computing, loading), moving, beside) + waiting, bytes / memory) +
    moved
  );
}
