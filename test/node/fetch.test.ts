import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import {
  createServer as createProxy,
  type IncomingHttpHeaders,
  type RequestListener,
  type Server,
} from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { UserError } from "../../src/errors.ts";
import { archiveHashes } from "../../src/nets/archive-hashes.ts";
import { models } from "../../src/nets/index.ts";
import { archiveName } from "../../src/network/weights.ts";
import { type FetchRequest, fetchArchive as fetchFrom } from "../../src/node/fetch.ts";
import { proxyFor } from "../../src/node/https.ts";
import { Stopped } from "../../src/stopped.ts";
import { runMain } from "../cli/helpers.ts";
import { ownCertificate } from "../support/certificate.ts";
import { temporaryFolder } from "../support/features.ts";
import { root } from "../support/runs.ts";

let state = 1;
/** Bytes that do not compress. */
const noise = Uint8Array.from({ length: 300_000 }, () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state >>> 24;
});
const archive = gzipSync(noise);
const sha256 = createHash("sha256").update(archive).digest("hex");
const { key, cert } = ownCertificate();

const fetchArchive = (request: FetchRequest) => fetchFrom({ ca: cert, env: {}, ...request });
const half = 100_000;

/** How much of a cut download is kept. Node gives up what has come and was not read when the connection breaks. */
function keptOf(path: string): number {
  const { size } = statSync(`${path}.part`);
  expect(size).toBeGreaterThan(0);
  expect(size).toBeLessThanOrEqual(half);
  return size;
}

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
  /** Where the first request is sent on to. */
  readonly location?: string;
}

/** A server on this machine, and the headers of the requests it got. Its behaviour may be changed while it runs. */
async function serve(behaviour: Behaviour) {
  const asked: IncomingHttpHeaders[] = [];
  const state = { behaviour };
  const listener: RequestListener = (request, response) => {
    asked.push(request.headers);
    const {
      etag,
      ranges = true,
      body = archive,
      type = "application/gzip",
      cut,
      status,
      location,
    } = state.behaviour;
    if (location && asked.length === 1) return void response.writeHead(302, { location }).end();
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
  const server = createServer({ key, cert }, listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const folder = temporaryFolder();
  return {
    state,
    asked,
    url: `https://127.0.0.1:${port}/net.tar.gz`,
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
      sha256,
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
    await expect(fetchArchive({ url, path })).rejects.toThrow(/after \d+ bytes \(run the command again/);
    expect(existsSync(path)).toBe(false);
    const kept = keptOf(path);
    state.behaviour = { etag: '"1"' };
    expect(await fetchArchive({ url, path })).toMatchObject({ outcome: "resumed", bytes: archive.length });
    expect(asked[1]).toMatchObject({ range: `bytes=${kept}-`, "if-range": '"1"' });
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
    const kept = keptOf(path);
    state.behaviour = { status: 503 };
    await expect(fetchArchive({ url, path })).rejects.toThrow(/503/);
    expect(keptOf(path)).toBe(kept);
  });

  it("fails with the address and the place for the file when there is no network", async () => {
    const path = join(temporaryFolder(), "net.tar.gz");
    const error = await fetchArchive({ url: "https://127.0.0.1:1/net.tar.gz", path }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as UserError).message).toContain("https://127.0.0.1:1/net.tar.gz");
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

describe("a download over https", () => {
  it("follows redirects that stay there, and refuses those that do not", async () => {
    const { url, path } = await serve({ location: "/elsewhere/net.tar.gz" });
    expect(await fetchArchive({ url, path })).toMatchObject({ outcome: "downloaded" });
    const plain = await serve({ location: url.replace("https", "http") });
    const leaving = fetchArchive({ url: plain.url, path: plain.path });
    await expect(leaving).rejects.toThrow(/^http:.* sends on, is not an https address/);
    expect(existsSync(plain.path)).toBe(false);
  });

  it.each(["http://127.0.0.1/net.tar.gz", "ftp://127.0.0.1/net.tar.gz", "net.tar.gz"])(
    "is the only kind: not of %s",
    async (url) => {
      expect(await runMain("fetch", "inception_v1", "--dir", temporaryFolder(), "--url", url)).toMatchObject({
        code: 2,
        err: expect.stringContaining(`${url} is not an https address`),
      });
    },
  );

  it("believes no server whose certificate is not trusted", async () => {
    const { url, path } = await serve({});
    await expect(fetchArchive({ url, path, ca: undefined })).rejects.toThrow(/SELF_SIGNED|self-signed/);
  });

  it("is checked against the hash that is known, also when it is there already", async () => {
    const { url, path } = await serve({ etag: '"1"' });
    const sha384 = createHash("sha384").update(archive).digest("hex");
    const wrong = `sha384:${sha384.replace(/^./, (c) => (c === "0" ? "1" : "0"))}`;
    const other = fetchArchive({ url, path, hash: wrong });
    await expect(other).rejects.toThrow(`not the published archive: its sha384 is ${sha384}`);
    expect(readdirSync(join(path, ".."))).toEqual([]);
    const hash = `sha384:${sha384}`;
    expect(await fetchArchive({ url, path, hash })).toMatchObject({ outcome: "downloaded", sha256 });
    expect(await fetchArchive({ url, path, hash })).toMatchObject({ outcome: "present", sha256 });
    await expect(fetchArchive({ url, path, hash: wrong })).rejects.toThrow(/is there already, and it is not/);
    expect(archive.equals(readFileSync(path))).toBe(true);
  });
});

/** A proxy on this machine that passes connections on, or answers with `status`; and what it was asked. */
async function proxy(status = 200) {
  const asked: { to?: string; as?: string }[] = [];
  const server = createProxy((_, response) => void response.writeHead(400).end());
  server.on("connect", (request, socket, head) => {
    asked.push({ to: request.url, as: request.headers["proxy-authorization"] });
    if (status !== 200) return socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
    const [host, port] = (request.url as string).split(":");
    const onward = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    for (const end of [onward, socket]) end.on("error", () => {});
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { asked, address: `127.0.0.1:${port}` };
}

describe("a proxy of the environment", () => {
  it("passes the download on, encrypted and resumed as without", async () => {
    const { state, url, path } = await serve({ etag: '"1"', cut: half });
    const { asked, address } = await proxy();
    const notices: string[] = [];
    const request = {
      url,
      path,
      env: { HTTPS_PROXY: `http://me:p%40ss@${address}` },
      notice: (sentence: string) => notices.push(sentence),
    };
    await expect(fetchArchive(request)).rejects.toThrow(/after \d+ bytes/);
    state.behaviour = { etag: '"1"' };
    expect(await fetchArchive(request)).toMatchObject({ outcome: "resumed", sha256 });
    const as = `Basic ${Buffer.from("me:p@ss").toString("base64")}`;
    expect(asked).toEqual([1, 2].map(() => ({ to: new URL(url).host, as })));
    expect(notices).toContain(`through the proxy ${address}`);
    expect(notices.join()).not.toContain("p%40ss");
  });

  it("is not asked for hosts that need none", async () => {
    const { url, path } = await serve({});
    const { asked, address } = await proxy();
    await fetchArchive({ url, path, env: { https_proxy: address, no_proxy: "localhost,127.0.0.1" } });
    expect(asked).toEqual([]);
  });

  it("is named when it refuses, or is not there", async () => {
    const { url, path } = await serve({});
    const { address } = await proxy(407);
    const by = (https_proxy: string) => fetchArchive({ url, path, env: { https_proxy } });
    await expect(by(address)).rejects.toThrow(`the proxy ${address} answered 407 No`);
    await expect(by("127.0.0.1:1")).rejects.toThrow(
      /the proxy 127\.0\.0\.1:1 cannot be reached: ECONNREFUSED/,
    );
    await expect(by("socks5://127.0.0.1:1")).rejects.toThrow(/is not the address of an HTTP proxy/);
  });

  it.each([
    ["storage.googleapis.com", {}, undefined],
    ["storage.googleapis.com", { HTTPS_PROXY: "proxy:3128" }, "http://proxy:3128/"],
    ["storage.googleapis.com", { all_proxy: "https://proxy" }, "https://proxy/"],
    ["storage.googleapis.com", { https_proxy: "a", HTTPS_PROXY: "b" }, "http://a/"],
    ["storage.googleapis.com", { https_proxy: "a", no_proxy: "googleapis.com" }, undefined],
    ["storage.googleapis.com", { https_proxy: "a", NO_PROXY: "x, .googleapis.com:443" }, undefined],
    ["storage.googleapis.com", { https_proxy: "a", no_proxy: "*.googleapis.com:80" }, "http://a/"],
    ["storage.googleapis.com", { https_proxy: "a", no_proxy: "apis.com,,storage" }, "http://a/"],
    ["storage.googleapis.com", { https_proxy: "a", no_proxy: "*" }, undefined],
    ["[::1]", { https_proxy: "a", no_proxy: "::1" }, undefined],
    ["[::1]:8443", { https_proxy: "a", no_proxy: "[::1]:8443" }, undefined],
    ["[::1]", { https_proxy: "a", no_proxy: "::2" }, "http://a/"],
  ])("for %s under %o is %s", (host, env, wanted) => {
    expect(proxyFor(new URL(`https://${host}/x`), env)?.href).toBe(wanted);
  });
});

describe("the published archives", () => {
  it("are at addresses of https, and the hashes that are known are theirs", () => {
    const archives = models.flatMap((m) => m.archive?.url ?? []);
    for (const url of archives) expect(url).toMatch(/^https:/);
    expect(archives.map(archiveName)).toEqual(expect.arrayContaining(Object.keys(archiveHashes)));
    for (const hash of Object.values(archiveHashes))
      expect(hash).toMatch(/^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96})$/);
  });

  it("are downloaded by the command, which prints their SHA-256 and gives the path alone as data", async () => {
    const { url, folder } = await serve({});
    writeFileSync(join(folder, "trusted.pem"), cert);
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      [join(root, "bin/slimfeatures.mjs"), "fetch", "vgg_16", "--dir", folder, "--url", url],
      { env: { NODE_EXTRA_CA_CERTS: join(folder, "trusted.pem") } },
    );
    expect(stdout).toBe(`${join(folder, "vgg_16_2016_08_28.tar.gz")}\n`);
    expect(stderr).toContain(`sha256: ${sha256}\n`);
  });
});
