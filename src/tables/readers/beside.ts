/** What the metadata beside a file says that its reader needs. */
import { readFileSync } from "node:fs";
import { UserError } from "../../errors.ts";
import { textIn } from "../../text.ts";
import { metadataPath } from "../formats/index.ts";

export interface Beside {
  /** The paths of the rows, where the format has no place for them. */
  readonly paths?: readonly string[];
  /** What numbers of eight bits are multiplied by. */
  readonly scale?: number;
}

/** Nothing for a file that came from elsewhere. @throws UserError when the metadata is damaged. */
export function readBeside(path: string): Beside {
  const damaged = (why: string, cause?: unknown) =>
    new UserError(`${metadataPath(path)} cannot be read: ${why}`, undefined, { cause });
  let found: { paths?: unknown; dtype?: { scale?: unknown } } | null;
  try {
    found = JSON.parse(textIn(readFileSync(metadataPath(path))));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw damaged((error as Error).message, error);
  }
  const { paths, dtype } = found ?? {};
  const scale = dtype?.scale;
  if (Array.isArray(paths) && !paths.every((p) => typeof p === "string")) throw damaged("a path is no text.");
  if (scale !== undefined && typeof scale !== "number") throw damaged("its scale is no number.");
  return { ...(Array.isArray(paths) && { paths }), ...(scale !== undefined && { scale }) };
}
