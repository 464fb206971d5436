import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer, type IncomingHttpHeaders, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { fetchArchive } from "../../src/features/fetch.ts";
import { Stopped } from "../../src/features/stopped.ts";
import { temporaryFolder } from "./helpers.ts";

let state = 1;
/** Bytes that do not compress. */
const noise = Uint8Array.from({ length: 300_000 }, () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state >>> 24;
});
const archive = gzipSync(noise);
const half = 100_000;

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Behaviour {
  readonly etag?: string;
  readonly ranges?: boolean;
  readonly body?: Uint8Array;
  readonly type?: string;
  /** Ends the connection after so many bytes. */
  readonly cut?: number;
  readonly status?: number;
}

/** A server on this machine, and the headers of the requests it got. Its behaviour may be changed while it runs. */
async function serve(behaviour: Behaviour) {
  const asked: IncomingHttpHeaders[] = [];
  const state = { behaviour };
  const listener: RequestListener = (request, response) => {
    asked.push(request.headers);
    const { etag, ranges = true, body = archive, type = "application/gzip", cut, status } = state.behaviour;
    if (status) return void response.writeHead(status).end("no");
    const range = ranges && request.headers["if-range"] === etag ? request.headers.range : undefined;
    const from = Number(/bytes=(\d+)-/.exec(range ?? "")?.[1] ?? 0);
    if (from > 0 && from >= body.length) return void response.writeHead(416).end();
    const rest = body.subarray(from);
    const headers = { "content-length": rest.length, "content-type": type, ...(etag ? { etag } : {}) };
    if (from > 0) {
      response.writeHead(206, {
        ...headers,
        "content-range": `bytes ${from}-${body.length - 1}/${body.length}`,
      });
    } else {
      response.writeHead(200, headers);
    }
    if (cut === undefined) return void response.end(rest);
    response.write(rest.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
  };
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const folder = temporaryFolder();
  return {
    state,
    asked,
    url: `http://127.0.0.1:${port}/net.tar.gz`,
    folder,
    path: join(folder, "deep", "net.tar.gz"),
  };
}

describe("fetchArchive", () => {
  it("downloads the whole, tells how far it is, and leaves only the file", async () => {
    const { url, path } = await serve({ etag: '"1"' });
    const seen: [number, number | undefined][] = [];
    const progressed = (...now: [number, number | undefined]) => seen.push(now);
    expect(await fetchArchive({ url, path, progressed })).toEqual({
      path,
      bytes: archive.length,
      outcome: "downloaded",
    });
    expect(archive.equals(readFileSync(path))).toBe(true);
    expect(readdirSync(join(path, ".."))).toEqual(["net.tar.gz"]);
    expect(seen.at(-1)).toEqual([archive.length, archive.length]);
  });

  it("asks nothing when the file is there", async () => {
    const { url, path, asked } = await serve({});
    await fetchArchive({ url, path });
    expect(await fetchArchive({ url, path })).toMatchObject({ outcome: "present", bytes: archive.length });
    expect(asked).toHaveLength(1);
  });

  it("goes on where a cut download ended", async () => {
    const { state, url, path, asked } = await serve({ etag: '"1"', cut: half });
    await expect(fetchArchive({ url, path })).rejects.toThrow(/after 100000 bytes \(run the command again/);
    expect(existsSync(path)).toBe(false);
    expect(statSync(`${path}.part`).size).toBe(half);
    state.behaviour = { etag: '"1"' };
    expect(await fetchArchive({ url, path })).toMatchObject({ outcome: "resumed", bytes: archive.length });
    expect(asked[1]).toMatchObject({ range: `bytes=${half}-`, "if-range": '"1"' });
    expect(archive.equals(readFileSync(path))).toBe(true);
    expect(readdirSync(join(path, ".."))).toEqual(["net.tar.gz"]);
  });

  it.each<[string, Behaviour, Behaviour]>([
    ["the server knows no ranges", { etag: '"1"', ranges: false }, { etag: '"1"', ranges: false }],
    [
      "the file has changed since",
      { etag: '"1"', body: gzipSync(Buffer.alloc(half * 9, "old")) },
      { etag: '"2"' },
    ],
    ["the server gives nothing to know the file by", {}, {}],
    ["the server's tag is a weak one", { etag: 'W/"1"' }, { etag: 'W/"1"' }],
  ])("starts again from the beginning when %s", async (_name, before, after) => {
    const { state, url, path } = await serve({ ...before, cut: 500 });
    await expect(fetchArchive({ url, path })).rejects.toThrow(UserError);
    state.behaviour = after;
    expect(await fetchArchive({ url, path })).toMatchObject({ outcome: "downloaded" });
    expect(archive.equals(readFileSync(path))).toBe(true);
  });

  it("starts again when what lies here is longer than the file", async () => {
    const { url, path, state, asked } = await serve({ etag: '"1"', cut: half });
    await expect(fetchArchive({ url, path })).rejects.toThrow(UserError);
    writeFileSync(`${path}.part`, Buffer.alloc(archive.length + 5));
    state.behaviour = { etag: '"1"' };
    await fetchArchive({ url, path });
    expect(asked).toHaveLength(3);
    expect(archive.equals(readFileSync(path))).toBe(true);
  });

  it.each<[string, Behaviour, RegExp]>([
    ["the file is not there", { status: 404 }, /answered 404 Not Found/],
    ["the server is broken", { status: 503 }, /answered 503/],
    [
      "a web page comes instead",
      { body: Buffer.from("<html>login</html>"), type: "text/html" },
      /not a gzip archive/,
    ],
    ["nothing comes", { body: new Uint8Array(0) }, /not a gzip archive/],
  ])("fails with the address and the place for the file when %s", async (_name, behaviour, message) => {
    const { url, path } = await serve(behaviour);
    const error = await fetchArchive({ url, path }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toMatch(message);
    expect((error as UserError).message).toContain(url);
    expect((error as UserError).hint).toContain(path);
    expect(existsSync(path)).toBe(false);
    expect(existsSync(`${path}.part`)).toBe(false);
  });

  it("keeps what came when the server answers with an error", async () => {
    const { state, url, path } = await serve({ etag: '"1"', cut: half });
    await expect(fetchArchive({ url, path })).rejects.toThrow(UserError);
    state.behaviour = { status: 503 };
    await expect(fetchArchive({ url, path })).rejects.toThrow(/503/);
    expect(statSync(`${path}.part`).size).toBe(half);
  });

  it("fails with the address and the place for the file when there is no network", async () => {
    const path = join(temporaryFolder(), "net.tar.gz");
    const error = await fetchArchive({ url: "http://127.0.0.1:1/net.tar.gz", path }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain("http://127.0.0.1:1/net.tar.gz");
    expect((error as UserError).hint).toContain(path);
  });

  it("stops when asked and keeps what came", async () => {
    const { url, path } = await serve({ etag: '"1"' });
    const controller = new AbortController();
    const progressed = () => controller.abort("SIGINT");
    await expect(fetchArchive({ url, path, progressed, signal: controller.signal })).rejects.toThrow(Stopped);
    expect(existsSync(path)).toBe(false);
    expect(statSync(`${path}.part`).size).toBeGreaterThan(0);
  });
});
