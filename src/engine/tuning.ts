/**
 * Kernels that were measured on an adapter instead of estimated: which algorithm computes a layer, and in which tiles.
 * The algorithm decides bits, so it is kept without the batch; tiles decide none, and are kept for each.
 */
import type { WindowGeometry } from "../kernels/geometry.ts";
import type { Tuning } from "../platform/index.ts";
import type { Step } from "./program.ts";

/** A layer's sizes, its batch among them, and whether it reads a residual beside, which takes as long as its output. */
export const layerKey = ({ op, geometry, epilogue }: Step): string =>
  `${op} ${JSON.stringify(geometry)}${epilogue.residual ? " with a residual" : ""}`;

/** A layer's sizes without the batch, and whether it is several joined, which fewer kernels can be; the rows of a matrix product are one. */
export function algorithmKey({ op, geometry, epilogue }: Step): string {
  const { batch, out, ...rest } = geometry as WindowGeometry;
  const { inH, outH, ...columns } = rest;
  return `${op} ${JSON.stringify(out.length === 2 ? columns : rest)} to ${out.slice(1).join("x")}${epilogue.parts ? " in parts" : ""}`;
}

/** What of a tuning decides bits, as the end of a device's name; nothing where it has only tiles. */
export async function tuningMark({ variants }: Tuning): Promise<string> {
  const entries = Object.entries(variants).sort();
  if (entries.length === 0) return "";
  const text = new TextEncoder().encode(JSON.stringify(entries));
  const hash = new DataView(await crypto.subtle.digest("SHA-256", text));
  return `, tuned ${hash.getUint32(0).toString(16).padStart(8, "0")}`;
}

/** What was measured to be best for a step. */
export const tunedFor = (
  tuning: Tuning | undefined,
  step: Step,
): { readonly variant?: string; readonly tile?: string } => ({
  variant: tuning?.variants[algorithmKey(step)],
  tile: tuning?.tiles[layerKey(step)],
});
