/**
 * How a product that shares tiles in workgroup memory is cut up (see conv-shared.ts): the tiles there are, the order of
 * its sums, which is the same for all of them, and the choice by estimated time.
 */
import type { WindowGeometry } from "./geometry.ts";
import { lanesOf, productWork, type SharedTile, sharedBytes } from "./hardware.ts";
import { type WindowRows, windowRows } from "./input-walk.ts";
import type { Caps } from "./op.ts";

/** Channels of a panel of the filter. Tiles take whole panels, so that one layout suits them all. */
export const panelChannels = 32;

/** The unit of depth that all tiles share: they walk it in steps of one or two. */
export const block = 16;

const tile = (
  pixels: number,
  channels: number,
  depth: number,
  lanePixels: number,
  laneChannels: number,
): SharedTile => ({ pixels, channels, depth, lanePixels, laneChannels });

const tiles: readonly SharedTile[] = [
  tile(128, 128, 16, 8, 8),
  tile(64, 128, 16, 8, 8),
  tile(128, 64, 16, 8, 4),
  tile(64, 64, 16, 8, 4),
  tile(64, 64, 16, 4, 4),
  tile(128, 32, 16, 8, 4),
  tile(64, 32, 16, 4, 4),
  tile(32, 64, 16, 4, 4),
  tile(32, 64, 32, 4, 4),
  tile(32, 32, 32, 2, 4),
  tile(32, 32, 16, 2, 4),
  tile(16, 64, 32, 2, 4),
  tile(16, 64, 16, 2, 4),
  tile(8, 128, 32, 2, 4),
  tile(4, 128, 32, 1, 4),
];

/** The depth of a convolution's sums, in blocks. */
export interface Depth {
  readonly rows: WindowRows;
  /** Of the whole, with what fills the last one up. */
  readonly blocks: number;
  /** Blocks of a segment, whose products are summed first, and of a part, whose segments are summed next. */
  readonly segment: number;
  readonly part: number;
  /** Parts of the whole; they are summed last, or written where the depth is divided. */
  readonly parts: number;
}

export function depthOf(g: WindowGeometry, { roundsFreely }: Caps): Depth {
  const rows = windowRows(g, block);
  const blocks = rows.depth / block;
  // A sum of two levels is most exact with about as many segments as products in each: 32 of them, more where the parts
  // would be many. Even numbers, so that steps of two blocks end with a segment. Deep networks need shorter segments to stay
  // as exact as TensorFlow: in their first layer, whose errors all others hand on, and with a third level where the window
  // is 1x1, as nearly all windows of those of separable convolutions are.
  const exact = !roundsFreely && (g.kernelH * g.kernelW === 1 || g.inC % 4 !== 0);
  const segment = exact ? 1 : Math.min(16, 2 * Math.ceil(blocks / 72));
  const part = exact && blocks > 16 ? 8 : segment;
  return { rows, blocks, segment, part, parts: Math.ceil(blocks / part) };
}

/** A tile, and the groups of workgroups that share the depth. */
export interface Plan {
  readonly tile: SharedTile;
  readonly groups: number;
}

export const nameOf = ({ tile: t, groups }: Plan): string =>
  `${t.pixels}x${t.channels}x${t.depth}, ${t.lanePixels}x${t.laneChannels}${groups > 1 ? `, depth in ${groups}` : ""}`;

export const pixelsOf = (g: WindowGeometry) => g.batch * g.outH * g.outW;

const tileFits = (g: WindowGeometry, t: SharedTile, caps: Caps): boolean =>
  lanesOf(t) <= caps.maxWorkgroupSize &&
  sharedBytes(t) <= caps.workgroupBytes &&
  (t.depth === block || (depthOf(g, caps).rows.run % t.depth === 0 && depthOf(g, caps).segment % 2 === 0)) &&
  // Three levels of the largest blocks of sums are more than a lane's registers.
  (t.lanePixels * t.laneChannels < 64 || depthOf(g, caps).segment === depthOf(g, caps).part) &&
  Math.ceil(pixelsOf(g) / t.pixels) <= caps.maxWorkgroupsPerDimension;

/** Whole parts for each group; the last one may get fewer. */
function groupsOf(g: WindowGeometry, caps: Caps): number[] {
  const { parts } = depthOf(g, caps);
  const partialBytes = 16 * parts * pixelsOf(g) * Math.ceil(g.outC / 4);
  if (partialBytes > caps.maxBindingBytes) return [1];
  const counts = Array.from({ length: parts }, (_, i) => Math.ceil(parts / (i + 1)));
  return [...new Set(counts)];
}

export const plansOf = (g: WindowGeometry, caps: Caps): Plan[] =>
  tiles
    .filter((t) => tileFits(g, t, caps))
    .flatMap((t) => groupsOf(g, caps).map((groups) => ({ tile: t, groups })));

const workOf = (g: WindowGeometry, { tile, groups }: Plan, caps: Caps, places = 1): number => {
  const { blocks, parts } = depthOf(g, caps);
  return productWork({
    tile,
    pixels: pixelsOf(g),
    channels: g.outC,
    depth: blocks * block,
    groups,
    partials: groups > 1 ? parts : 1,
    places,
  });
};

export const best = (g: WindowGeometry, plans: readonly Plan[], caps: Caps, places?: number): Plan =>
  plans.reduce((least, p) => (workOf(g, p, caps, places) < workOf(g, least, caps, places) ? p : least));

/** Whether `sharedConvolution` can be had: the rows of a window must lie in memory as they are. */
export const sharedFits = (g: WindowGeometry, caps: Caps): boolean =>
  caps.hardware && g.dilationW === 1 && tiles.some((t) => tileFits(g, t, caps));

/** Estimated nanoseconds of the best tile. */
export const sharedWork = (g: WindowGeometry, caps: Caps): number => {
  const plans = plansOf(g, caps);
  return workOf(g, best(g, plans, caps), caps);
};

/** Names of the tiles and splits that can be asked for, the one that is estimated best first. */
export const sharedTiles = (g: WindowGeometry, caps: Caps): string[] => {
  const plans = plansOf(g, caps);
  return plans.toSorted((a, b) => workOf(g, a, caps) - workOf(g, b, caps)).map(nameOf);
};

/** Whether `sharedPlaces` can be had for products of this depth. */
export const placesFit = (depth: number): boolean => depth % block === 0;

/** Estimated nanoseconds of `places` products of the 1x1 convolution `g` each. */
export const placesWork = (g: WindowGeometry, places: number, caps: Caps): number =>
  workOf(g, bestOfPlaces(g, places, caps), caps, places);

export const bestOfPlaces = (g: WindowGeometry, places: number, caps: Caps): Plan =>
  best(
    g,
    tiles.filter((t) => tileFits(g, t, caps)).map((t) => ({ tile: t, groups: 1 })),
    caps,
    places,
  );

/** The name of the tile that `sharedPlaces` takes. */
export const placesTile = (g: WindowGeometry, places: number, caps: Caps): string =>
  nameOf(bestOfPlaces(g, places, caps));
