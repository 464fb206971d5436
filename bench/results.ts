/** Results on disk: one file a bench and machine in bench/results. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { UsageError } from "../src/errors.ts";

export const resultsDirectory = join(import.meta.dirname, "results");

/** A file of bench/results by what it is of: `llvmpipe: Mesa 25.0.7 (LLVM 15)` becomes `llvmpipe-mesa-25.0.7-llvm-15`. */
export function resultPath(...parts: readonly string[]): string {
  const plain = parts
    .join("-")
    .toLowerCase()
    .replace(/[^a-z0-9._]+/g, "-")
    .replace(/^-+|-+$/g, "");
  return join(resultsDirectory, `${plain}.json`);
}

export async function writeResult(path: string, result: object): Promise<void> {
  await mkdir(resultsDirectory, { recursive: true });
  await writeFile(path, `${JSON.stringify(result, null, 2)}\n`);
}

/**
 * A result that a bench wrote; `list` is the field that tells it from other files.
 * @throws UsageError when there is none in the file.
 */
export async function readResult<T extends object>(path: string, list: keyof T & string): Promise<T> {
  try {
    const result = JSON.parse(await readFile(path, "utf8")) as T;
    if (Array.isArray(result[list])) return result;
  } catch (cause) {
    throw new UsageError(`The result ${path} cannot be read: ${cause}`, undefined, { cause });
  }
  throw new UsageError(`${path} is not a result of this bench: it has no list called "${list}".`);
}
