/** The colours in which images stand just now. */
import { cssOf, groupColour, noColour, type Rgb } from "../colours.ts";
import type { MapData } from "../data.ts";
import type { State } from "./store.ts";

/** The colour of an image by the chosen colouring. */
export function tintOf(data: MapData, { colouring, dark }: State, image: number): Rgb {
  const group = data.colourings[colouring]?.of[image] ?? -1;
  return group < 0 ? noColour(dark) : groupColour(group, dark);
}

export const groupTint = (group: number, dark: boolean): string => cssOf(groupColour(group, dark));
