/** Images by the groups that they are in, as colours tell them apart. */
import type { Colouring } from "./data.ts";

/** More groups than these cannot be told apart by colour. */
export const mostGroups = 24;

/**
 * Images by the group that each is in, the largest group first, of equal ones the first met. Of too many groups the largest are
 * kept.
 */
export function colouringBy(name: string, groupOf: readonly (string | undefined)[]): Colouring {
  const counts = new Map<string, number>();
  for (const group of groupOf) if (group !== undefined) counts.set(group, (counts.get(group) ?? 0) + 1);
  const groups = [...counts].sort(([, a], [, b]) => b - a).map(([group]) => group);
  const kept = groups.length > mostGroups ? groups.slice(0, mostGroups) : groups;
  const numbers = new Map(kept.map((group, i) => [group, i]));
  return {
    name,
    groups: kept,
    of: Int32Array.from(groupOf, (group) => (group === undefined ? -1 : (numbers.get(group) ?? -1))),
  };
}

/** Names of groups, of which those that several have get the group's number. */
export const toldApart = (names: readonly string[]): string[] =>
  names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : `${name} (${i + 1})`));

/** By the folders that images are in; undefined where all are in one. */
export function folderColouring(paths: readonly string[]): Colouring | undefined {
  const folders = paths.map((path) => path.slice(0, Math.max(0, path.lastIndexOf("/"))) || "(top)");
  return new Set(folders).size > 1 ? colouringBy("Folder", folders) : undefined;
}
