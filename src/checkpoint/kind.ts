/** What of a checkpoint a file may be, by its content. */
import { equals, latin1 } from "../bytes.ts";
import { partOf } from "../parts.ts";
import type { ByteSource } from "../platform/files.ts";
import { footerSize, tableMagic } from "./sstable.ts";

export type Kind = "table" | "archive" | "graph" | "other";

/** A table by its last bytes, an archive by its first, a graph by its first node, or something else. */
export async function kindOf(file: ByteSource): Promise<Kind> {
  const start = await file.read(0, Math.min(file.size, 512));
  if (start.length >= 2 && start[0] === 0x1f && start[1] === 0x8b) return "archive";
  if (latin1(start, 257, 262) === "ustar") return "archive";
  const end = file.size < footerSize ? start : await file.read(file.size - 8, 8);
  if (equals(end, tableMagic)) return "table";
  const { isGraphFile } = await partOf(import("./seldom.ts"));
  return (await isGraphFile(file)) ? "graph" : "other";
}
