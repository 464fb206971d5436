/** Principal components in files. */
import { readFile } from "node:fs/promises";
import { UsageError } from "../errors.ts";
import { openAtomic } from "../node/atomic.ts";
import type { Pca } from "../pca.ts";
import { textIn } from "../text.ts";

export async function savePca(path: string, pca: Pca): Promise<void> {
  const file = await openAtomic(path);
  try {
    await file.append(Buffer.from(`${JSON.stringify(pca)}\n`));
    await file.commit();
  } finally {
    await file.abandon();
  }
}

/** Components that an earlier run fitted. @throws UsageError when the file is none, or for features of another length. */
export async function loadPca(path: string, width: number): Promise<Pca> {
  const refuse = (what: string, cause?: unknown) =>
    new UsageError(`${path} ${what}.`, "Name a file that --pca K wrote: <out>.pca.json.", { cause });
  let pca: Pca;
  try {
    pca = JSON.parse(textIn(await readFile(path))) as Pca;
  } catch (cause) {
    throw refuse(`cannot be read: ${(cause as Error).message}`, cause);
  }
  if (!Array.isArray(pca.mean) || !Array.isArray(pca.components))
    throw refuse("holds no principal components");
  if (pca.mean.length !== width)
    throw refuse(`is for features of ${pca.mean.length} numbers, these have ${width}`);
  return pca;
}
