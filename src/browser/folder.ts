/** Folders that a site has beside its pages. */
import { CheckpointError } from "../errors.ts";
import type { Folder } from "../platform/index.ts";

/** The files under an address, which ends with a slash. */
export const folderAt = (base: URL): Folder => ({
  path: base.href,
  at: (name) => new URL(name, base).href,
  async read(name) {
    const address = new URL(name, base);
    const answer = await fetch(address);
    if (answer.ok) return new Uint8Array(await answer.arrayBuffer());
    await answer.body?.cancel();
    if (answer.status === 404) return undefined;
    throw new CheckpointError(
      `${address} cannot be read: the server answered ${answer.status} ${answer.statusText}`.trimEnd(),
      "Try again later.",
    );
  },
});
