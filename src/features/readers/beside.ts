/** What the metadata beside a file says that its reader needs. */
import { readFileSync } from "node:fs";
import { UserError } from "../../errors.ts";
import { metadataPath } from "../formats/index.ts";

export interface Beside {
  /** The paths of the rows, where the format has no place for them. */
  readonly paths?: readonly string[];
  /** What numbers of eight bits are multiplied by. */
  readonly scale?: number;
}

/** Nothing for a file that came from elsewhere. @throws UserError when the metadata is damaged. */
export function readBeside(path: string): Beside {
  try {
    const { paths, dtype } = JSON.parse(readFileSync(metadataPath(path), "utf8")) as {
      paths?: string[];
      dtype?: { scale?: number };
    };
    return { paths: Array.isArray(paths) ? paths : undefined, scale: dtype?.scale };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new UserError(`${metadataPath(path)} cannot be read: ${(error as Error).message}`, undefined, {
      cause: error,
    });
  }
}
