/** Folders that a site has beside its pages. */
import { CheckpointError } from "../errors.ts";
import type { Folder } from "../platform/index.ts";

/** The files under an address, which ends with a slash. */
export const folderAt = (base: URL): Folder => {
  const ask = async (name: string, method: "GET" | "HEAD"): Promise<Response | undefined> => {
    const address = new URL(name, base);
    const answer = await fetch(address, { method });
    if (answer.ok) return answer;
    await answer.body?.cancel();
    if (answer.status === 404) return undefined;
    throw new CheckpointError(
      `${address} cannot be read: the server answered ${answer.status} ${answer.statusText}`.trimEnd(),
      "Try again later.",
    );
  };
  return {
    path: base.href,
    at: (name) => new URL(name, base).href,
    has: async (name) => (await ask(name, "HEAD")) !== undefined,
    read: async (name) => {
      const answer = await ask(name, "GET");
      return answer && new Uint8Array(await answer.arrayBuffer());
    },
  };
};

/** A folder without files: a page has none of the user's. */
export const emptyFolder = (path: string): Folder => ({
  path,
  at: (name) => `${path}/${name}`,
  has: async () => false,
  read: async () => undefined,
});
