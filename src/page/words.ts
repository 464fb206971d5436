/** Texts of a map: what is searched, what is saved, how numbers are told. */
import type { MapData } from "./data.ts";

/** The images whose paths have all words of a query in them, whatever their case; none for an empty query. */
export function matching(paths: readonly string[], query: string): number[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  return paths.flatMap((path, i) => (words.every((word) => path.toLowerCase().includes(word)) ? [i] : []));
}

/** The paths, a line each. */
export const pathsText = (data: MapData, images: readonly number[]): string =>
  images.map((i) => `${data.paths[i]}\n`).join("");

const cell = (value: string): string => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);

/** A table with each image's path, its groups and its place. */
export function csvText(data: MapData, images: readonly number[]): string {
  const head = ["path", ...data.colourings.map(({ name }) => name.toLowerCase()), "x", "y"];
  const lines = images.map((i) => [
    cell(data.paths[i]),
    ...data.colourings.map(({ groups, of }) => cell(groups[of[i]] ?? "")),
    String(data.xy[2 * i]),
    String(data.xy[2 * i + 1]),
  ]);
  return [head, ...lines].map((line) => `${line.join(",")}\n`).join("");
}

/** How a map's places were found. */
export const methodName = { umap: "UMAP", pca: "principal components" } as const;

/** Distances as short as they tell something. */
export const shortNumber = (value: number): string => String(Number(value.toPrecision(3)));

/** A path's last part, which is what fits under a picture. */
export const nameOfPath = (path: string): string => path.slice(path.lastIndexOf("/") + 1) || path;
