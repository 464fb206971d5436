/**
 * Kernels that were measured on an adapter instead of estimated: which algorithm computes a layer, and in which tiles.
 * The algorithm decides bits, so it is kept without the batch; tiles decide none, and are kept for each.
 */
import { createHash } from "node:crypto";
import type { WindowGeometry } from "../kernels/geometry.ts";
import type { Step } from "./program.ts";

export interface Tuning {
  /** The name of the adapter, with its driver's version. */
  readonly adapter: string;
  /** Variants by `algorithmKey`. */
  readonly variants: Readonly<Record<string, string>>;
  /** Tiles by `layerKey`. */
  readonly tiles: Readonly<Record<string, string>>;
}

/** A layer's sizes, its batch among them. */
export const layerKey = ({ op, geometry }: Step): string => `${op} ${JSON.stringify(geometry)}`;

/** A layer's sizes without the batch; the rows of a matrix product are one. */
export function algorithmKey({ op, geometry }: Step): string {
  const { batch, out, ...rest } = geometry as WindowGeometry;
  const { inH, outH, ...columns } = rest;
  return `${op} ${JSON.stringify(out.length === 2 ? columns : rest)} to ${out.slice(1).join("x")}`;
}

/** What of a tuning decides bits, as the end of a device's name; nothing where it has only tiles. */
export function tuningMark({ variants }: Tuning): string {
  const entries = Object.entries(variants).sort();
  if (entries.length === 0) return "";
  return `, tuned ${createHash("sha256").update(JSON.stringify(entries)).digest("hex").slice(0, 8)}`;
}

/** What was measured to be best for a step. */
export const tunedFor = (
  tuning: Tuning | undefined,
  step: Step,
): { readonly variant?: string; readonly tile?: string } => ({
  variant: tuning?.variants[algorithmKey(step)],
  tile: tuning?.tiles[layerKey(step)],
});
