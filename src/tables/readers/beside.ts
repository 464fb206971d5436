/** What the metadata beside a file says that its reader needs. */
import { existsSync, readFileSync } from "node:fs";
import { UserError } from "../../errors.ts";
import { textIn } from "../../text.ts";
import { besidePlaces } from "../formats/index.ts";

export interface Beside {
  /** Where it stands. */
  readonly place?: string;
  /** The paths of the rows, where the format has no place for them. */
  readonly paths?: readonly string[];
  /** What numbers of eight bits are multiplied by. */
  readonly scale?: number;
}

/** Nothing for a file that came from elsewhere. @throws UserError when the metadata is damaged. */
export function readBeside(path: string): Beside {
  const place = besidePlaces(path, ".json").find((p) => existsSync(p));
  if (place === undefined) return {};
  const damaged = (why: string, cause?: unknown) =>
    new UserError(`${place} cannot be read: ${why}`, undefined, { cause });
  let found: { paths?: unknown; dtype?: { scale?: unknown } } | null;
  try {
    found = JSON.parse(textIn(readFileSync(place)));
  } catch (error) {
    throw damaged((error as Error).message, error);
  }
  const { paths, dtype } = found ?? {};
  const scale = dtype?.scale;
  if (Array.isArray(paths) && !paths.every((p) => typeof p === "string")) throw damaged("a path is no text.");
  if (scale !== undefined && typeof scale !== "number") throw damaged("its scale is no number.");
  return { place, ...(Array.isArray(paths) && { paths }), ...(scale !== undefined && { scale }) };
}
