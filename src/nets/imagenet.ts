/** The names of ImageNet's classes, as the published networks number them. */
import { readFile } from "node:fs/promises";
import { sourceUrl } from "../bundle.mjs";
import type { Model } from "./registry.ts";

/** With the background as class 0, and without it: the widths of logits that were trained on ImageNet. */
const widths = [1001, 1000];

/**
 * The names of a network's classes by index, where its logits have `classes` and are ImageNet's: the thousand sorted by
 * their WordNet identifiers, behind the background or without it. Undefined for other networks and other widths.
 */
export async function imagenetNames(model: Model, classes: number): Promise<readonly string[] | undefined> {
  if (!widths.includes(model.classes) || !widths.includes(classes)) return undefined;
  const names = (await readFile(sourceUrl("nets/imagenet.txt"), "utf8")).trimEnd().split("\n");
  return names.slice(names.length - classes);
}
