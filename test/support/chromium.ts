/** A browser for tests: Chromium's headless shell, from the npm package @sparticuz/chromium, with WebGPU by SwiftShader. */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { filesOf, unpacked } from "./swiftshader.ts";

export const hasChromium = process.platform === "linux" && process.arch === "x64";

/** Unpacks the browser once; gives its path. */
export async function unpackChromium(): Promise<string> {
  const dir = join(import.meta.dirname, "../../node_modules/.cache/chromium");
  if (!(await stat(dir).catch(() => undefined))) {
    await mkdir(dirname(dir), { recursive: true });
    const fresh = await mkdtemp(`${dir}-`);
    for (const [name, bytes] of await filesOf("swiftshader.tar.br"))
      await writeFile(join(fresh, basename(name)), bytes, { mode: 0o755 });
    await writeFile(join(fresh, "chromium"), await unpacked("chromium.br"), { mode: 0o755 });
    // Another process may have been faster.
    await rename(fresh, dir).catch(() => rm(fresh, { recursive: true, force: true }));
  }
  return join(dir, "chromium");
}

export interface SiteFile {
  readonly type: string;
  readonly body: string | Uint8Array;
}

export interface VisitOptions {
  /** The file of a path, such as "/page.html"; nothing where there is none. */
  readonly file: (path: string) => Promise<SiteFile | undefined>;
  /** Whether the site's pages are isolated from other origins', so that they may share memory with workers. */
  readonly isolated: boolean;
}

/** Opens `/` of a site in a browser, and gives the JSON that it posts to `/result`. */
export async function visit<T>({ file, isolated }: VisitOptions): Promise<T> {
  const browser = await unpackChromium();
  const profile = await mkdtemp(join(tmpdir(), "chromium-"));
  let told: (result: T) => void;
  const result = new Promise<T>((resolve) => {
    told = resolve;
  });
  const server = createServer(async (request, answer) => {
    if (request.method === "POST") {
      let text = "";
      for await (const chunk of request.setEncoding("utf8")) text += chunk;
      answer.end();
      told(JSON.parse(text) as T);
      return;
    }
    const found = await file(request.url ?? "/");
    if (isolated) {
      answer.setHeader("cross-origin-opener-policy", "same-origin");
      answer.setHeader("cross-origin-embedder-policy", "require-corp");
    }
    const length = found ? { "content-length": Buffer.byteLength(found.body) } : {};
    answer.writeHead(found ? 200 : 404, { "content-type": found?.type ?? "text/plain", ...length });
    answer.end(request.method === "HEAD" ? undefined : found?.body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const flags = ["--headless=shell", "--no-sandbox", "--enable-unsafe-webgpu", "--disable-dev-shm-usage"];
  const child = spawn(browser, [...flags, `--user-data-dir=${profile}`, `http://127.0.0.1:${port}/`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  try {
    return await Promise.race([
      result,
      ended.then((): never => {
        throw new Error(`The browser ended without a result: ${said.slice(-2000)}`);
      }),
    ]);
  } finally {
    child.kill("SIGKILL");
    await ended;
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
