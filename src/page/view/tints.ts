/** The colours in which images stand just now. */
import { cssOf, groupColour, noColour, type Rgb } from "../colours.ts";
import type { MapData } from "../data.ts";
import type { State } from "./store.ts";

/** A colour as numbers and as the style has it. */
export interface Tint {
  readonly rgb: Rgb;
  readonly css: string;
}

const tint = (rgb: Rgb): Tint => ({ rgb, css: cssOf(rgb) });

/** The tint of each image by the chosen colouring: worked out once, as every image asks in every frame. */
export function tintsOf(data: MapData, { colouring, dark }: State): (image: number) => Tint {
  const none = tint(noColour(dark));
  const chosen = data.colourings[colouring];
  if (!chosen) return () => none;
  const tints = chosen.groups.map((_, group) => tint(groupColour(group, dark)));
  return (image) => tints[chosen.of[image]] ?? none;
}

export const groupTint = (group: number, dark: boolean): string => cssOf(groupColour(group, dark));
