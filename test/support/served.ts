/** The page of web/ as `npm run web` serves it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dirname, "../..");

export interface Served {
  readonly address: string;
  close(): Promise<void>;
}

/** Builds the site into a folder and serves it. */
export async function servePage(out: string): Promise<Served> {
  const child: ChildProcess = spawn(
    process.execPath,
    [join(root, "scripts/web.mjs"), "--out", out, "--port", "0"],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(child, "exit");
  const [said] = (await once(child.stdout as NodeJS.ReadableStream, "data")) as [Buffer];
  const address = /http:\S+/.exec(String(said))?.[0] ?? "";
  return {
    address,
    async close() {
      child.kill();
      await ended;
    },
  };
}
