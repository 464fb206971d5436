/** The names of ImageNet's classes, as the published networks number them. */
import type { Folder } from "../platform/index.ts";
import type { Model } from "./registry.ts";

/** With the background as class 0, and without it: the widths of logits that were trained on ImageNet. */
const widths = [1001, 1000];

/**
 * The names of a network's classes by index, where its logits have `classes` and are ImageNet's: the thousand sorted by
 * their WordNet identifiers, behind the background or without it. Undefined for other networks and other widths. The list of
 * names, imagenet.txt, lies in `folder`.
 */
export async function imagenetNames(
  model: Model,
  classes: number,
  folder: Folder,
): Promise<readonly string[] | undefined> {
  if (!widths.includes(model.classes) || !widths.includes(classes)) return undefined;
  const text = await folder.read("imagenet.txt");
  if (!text) throw new Error(`${folder.at("imagenet.txt")} is missing`);
  const names = new TextDecoder().decode(text).trimEnd().split("\n");
  return names.slice(names.length - classes);
}
