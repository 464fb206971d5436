/** Images and archives from web servers: politely, again where it helps, and each address for itself. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { checkShards, runShard } from "../../src/shards/index.ts";
import { downloadUrl, HttpError, openStorage, usualLimits } from "../../src/shards/storage/index.ts";
import { tar } from "../checkpoint/support.ts";
import { temporaryFolder } from "../support/features.ts";
import { planSmall } from "../support/shards.ts";

type Answer = (request: IncomingMessage, response: ServerResponse, before: number) => void;

let server: Server;
let host = "";
let folder = "";
const answers = new Map<string, Answer>();
const asked: { readonly path: string; readonly headers: IncomingMessage["headers"] }[] = [];
const limits = { ...usualLimits, perSecond: 1000, wait: 5, patience: 10_000 };
/** Waits that take no time, and how long they would have been. */
const waits: number[] = [];
const clock = {
  now: () => 1e9,
  sleep: async (milliseconds: number) => void waits.push(Math.round(milliseconds)),
};
const timesOf = (path: string) => asked.filter((a) => a.path === path).length;

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? "";
    const before = timesOf(path);
    asked.push({ path, headers: request.headers });
    const answer = answers.get(path);
    if (answer) answer(request, response, before);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  folder = temporaryFolder();
  answers.clear();
  asked.length = 0;
  waits.length = 0;
});

const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));
const whole: Answer = (_, response) =>
  response.writeHead(200, { "content-length": bytes.length, etag: '"1"' }).end(bytes);

/** A server that knows ranges, and whose first answers break off. */
const breaking =
  (times: number, tag = () => '"1"'): Answer =>
  ({ headers: { range, "if-range": wanted } }, response, before) => {
    const from = range && wanted === tag() ? Number(/\d+/.exec(range)?.[0]) : 0;
    const part = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, {
      "content-length": part.length,
      etag: tag(),
      ...(from > 0 && { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
    });
    if (before >= times) return response.end(part);
    response.write(part.subarray(0, 3000), () => setTimeout(() => response.destroy(), 20));
  };

const download = async (path: string, change: object = {}) => {
  const to = join(folder, "file");
  await downloadUrl(`${host}${path}`, to, { ...limits, ...change });
  return readFileSync(to);
};

describe("a file from a web server", () => {
  it("comes whole, by one request that says who asks", async () => {
    answers.set("/a", whole);
    expect((await download("/a")).equals(bytes)).toBe(true);
    expect(asked).toHaveLength(1);
    expect(asked[0].headers["user-agent"]).toMatch(/^slimfeatures\/\d/);
    expect(existsSync(join(folder, "file.part"))).toBe(false);
  });

  it("that breaks off goes on where it broke, where it is the same file still", async () => {
    answers.set("/a", breaking(2));
    expect((await download("/a")).equals(bytes)).toBe(true);
    expect(asked.map(({ headers }) => headers.range)).toEqual([undefined, "bytes=3000-", "bytes=6000-"]);
  });

  it("that became another meanwhile is taken from its beginning", async () => {
    answers.set(
      "/b",
      breaking(1, () => `"${timesOf("/b")}"`),
    );
    expect((await download("/b")).equals(bytes)).toBe(true);
  });

  it.each([429, 500, 502, 503, 504, 408])(
    "is asked for again behind %i, as late as the server says",
    async (status) => {
      answers.set("/a", (request, response, before) =>
        before < 1
          ? response.writeHead(status, { "retry-after": "7" }).end()
          : whole(request, response, before),
      );
      expect((await download("/a", { clock, perSecond: 1e9 })).equals(bytes)).toBe(true);
      expect(waits).toContain(7000);
    },
  );

  it.each([404, 403, 410, 401])("is not asked for again behind %i", async (status) => {
    answers.set("/a", (_, response) => response.writeHead(status).end());
    await expect(download("/a")).rejects.toMatchObject({ reason: `HTTP ${status}`, passing: false });
    expect(asked).toHaveLength(1);
  });

  it("is given up after some attempts, by what happened", async () => {
    answers.set("/silent", () => {});
    await expect(download("/silent", { patience: 100, attempts: 2 })).rejects.toMatchObject({
      reason: "the server says nothing",
      passing: true,
    });
    answers.set("/busy", (_, response) => response.writeHead(503).end());
    await expect(download("/busy", { attempts: 3 })).rejects.toThrow(HttpError);
    expect(timesOf("/busy")).toBe(3);
    await expect(
      downloadUrl("http://127.0.0.1:9/x", join(folder, "x"), { ...limits, attempts: 1 }),
    ).rejects.toThrow(HttpError);
  });

  it("may take long, as long as something comes", async () => {
    answers.set("/slow", (_, response) => {
      response.writeHead(200, { "content-length": 20 });
      let sent = 0;
      const timer = setInterval(() => {
        response.write("xx");
        sent += 2;
        if (sent === 20) response.end(() => clearInterval(timer));
        if (sent === 20) clearInterval(timer);
      }, 200);
    });
    expect(await download("/slow", { patience: 1500, attempts: 1 })).toHaveLength(20);
  });

  it("that is too large is not taken, whether it says so or not", async () => {
    answers.set("/a", whole);
    await expect(download("/a", { mostBytes: 5000 })).rejects.toThrow(/larger than 5000 bytes/);
    answers.set("/b", (_, response) => {
      response.writeHead(200);
      response.write(bytes);
      response.end();
    });
    await expect(download("/b", { mostBytes: 5000 })).rejects.toThrow(/larger than 5000 bytes/);
  });

  it("is asked for no oftener than was agreed, and later with each attempt", async () => {
    for (let i = 0; i < 6; i++) answers.set(`/${i}`, whole);
    const each = { ...limits, perSecond: 20, clock: { ...clock, now: () => 2e9 } };
    await Promise.all([0, 1, 2, 3, 4, 5].map((i) => downloadUrl(`${host}/${i}`, join(folder, `${i}`), each)));
    expect(waits).toEqual([50, 100, 150, 200, 250]);
    waits.length = 0;
    answers.set("/busy", (_, response) => response.writeHead(503).end());
    const hurried = { clock: { ...clock, now: () => 3e9 }, perSecond: 1e9, wait: 500 };
    await expect(download("/busy", hurried)).rejects.toThrow(HttpError);
    expect(waits.filter((wait) => wait > 0)).toEqual([500, 1000, 2000]);
  });

  it("is read by ranges, also from a server that knows none", async () => {
    const storage = await openStorage(host);
    answers.set("/all", whole);
    expect(await storage.read("all", 10, 20)).toEqual(bytes.subarray(10, 20));
    expect(await storage.find("nothing")).toBeUndefined();
    expect(await storage.read("nothing")).toBeUndefined();
    await expect(storage.put("x", Buffer.from("x"), { ifAbsent: true })).rejects.toThrow(
      /Nothing can be written/,
    );
  });
});

describe("a server that is not as others", () => {
  const text = Buffer.from("url\nhttp://host/a.jpg\nhttp://host/b.jpg\n");
  const sizeOf = async () => (await openStorage(host)).find("t.csv");

  it.each<[string, Answer]>([
    ["refuses HEAD", ({ method }, response) => response.writeHead(method === "HEAD" ? 405 : 200).end(text)],
    [
      "forbids HEAD, as signed addresses do",
      ({ method, headers: { range } }, response) =>
        method === "HEAD"
          ? response.writeHead(403).end()
          : response
              .writeHead(range ? 206 : 200, {
                "content-range": `bytes 0-0/${text.length}`,
                "content-length": 1,
              })
              .end("u"),
    ],
    ["does not say how long a file is", (_, response) => response.writeHead(200).end(text)],
    [
      "says 0 to HEAD",
      ({ method }, response) =>
        response
          .writeHead(200, { "content-length": method === "HEAD" ? 0 : text.length })
          .end(method === "HEAD" ? undefined : text),
    ],
    [
      "packs what it was asked not to",
      (_, response) => {
        const packed = gzipSync(text);
        response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length }).end(packed);
      },
    ],
  ])("(it %s) tells how long a table is all the same", async (_, answer) => {
    answers.set("/t.csv", answer);
    expect(await sizeOf()).toEqual({ name: "t.csv", bytes: text.length });
  });

  it("and has an empty file, or none, is believed", async () => {
    answers.set("/t.csv", ({ method }, response) =>
      method === "HEAD"
        ? response.writeHead(200, { "content-length": 0 }).end()
        : response.writeHead(416, { "content-range": "bytes */0" }).end("<html>no such range</html>"),
    );
    expect(await sizeOf()).toEqual({ name: "t.csv", bytes: 0 });
    answers.set("/t.csv", (_, response) => response.writeHead(404).end());
    expect(await sizeOf()).toBeUndefined();
  });

  it("packs a file comes to its own bytes, from its beginning where it broke", async () => {
    const packed = gzipSync(bytes);
    answers.set("/a", (_, response, before) => {
      response.writeHead(200, { "content-encoding": "gzip", "content-length": packed.length, etag: '"1"' });
      if (before > 0) return response.end(packed);
      response.write(packed.subarray(0, packed.length >> 1), () => setTimeout(() => response.destroy(), 20));
    });
    expect((await download("/a")).equals(bytes)).toBe(true);
    expect(asked.map(({ headers }) => headers.range)).toEqual([undefined, undefined]);
  });

  it.each([206, 416])("answers %i unasked gives no file", async (status) => {
    answers.set("/a", (_, response) =>
      response.writeHead(status, { "content-range": "bytes 0-99/10000" }).end(bytes.subarray(0, 100)),
    );
    await expect(download("/a")).rejects.toMatchObject({ reason: `HTTP ${status}` });
    expect(existsSync(join(folder, "file"))).toBe(false);
  });

  it("sends another range than was asked for, or a page about it, is not read as the file", async () => {
    const storage = await openStorage(host);
    answers.set("/a", (_, response) =>
      response.writeHead(206, { "content-range": "bytes 0-9/10000" }).end(bytes.subarray(0, 10)),
    );
    await expect(storage.read("a", 10, 20)).rejects.toThrow(/other bytes came than were asked for/);
    answers.set("/b", (_, response) =>
      response.writeHead(416, { "content-range": "bytes */5" }).end("<html>no such range</html>"),
    );
    expect(await storage.read("b", 10, 20)).toEqual(Buffer.alloc(0));
  });

  it("sends a page instead of an archive is named, and asked again the next time", async () => {
    const data = await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    answers.set("/0.tar", (_, response, before) =>
      response.end(before < 1 ? "<html>please log in</html>" : tar([{ name: "a.png", data }])),
    );
    const { plan, out } = await planSmall(join(folder, "out"), { inputs: [`${host}/0.tar`] });
    const run = () => runShard({ plan, out, shard: 0, scratch: folder });
    await expect(run()).rejects.toThrow(`${host}/0.tar is no tar archive`);
    expect(await run()).toMatchObject({ outcome: "published" });
  });
});

describe("a table of addresses", () => {
  it("gives a row for each image that can be had, and a reason for each other", async () => {
    const picture = await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    answers.set("/good?size=1", (_, response) => response.end(picture));
    answers.set("/page", (_, response) => response.end("<html>not here</html>"));
    answers.set("/busy", (_, response, before) =>
      before < 1 ? response.writeHead(503).end() : response.end(picture),
    );
    const rows = ["/good?size=1", "/page", "/gone.jpg", "/busy"].map(
      (path, i) => `${host}${path},caption ${i}`,
    );
    const table = join(folder, "t.csv");
    writeFileSync(table, `url,text\n${rows.join("\n")}\nno address,x\n`);
    const { plan, out } = await planSmall(join(folder, "out"), {
      lists: [table],
      captionColumn: "text",
      perShard: 10,
    });
    const { stats } = await runShard({
      plan,
      out,
      shard: 0,
      scratch: folder,
      limits: { wait: 5, perSecond: 1000 },
    });
    expect(stats).toMatchObject({
      count: 5,
      successes: 2,
      failed_to_download: 1,
      status_dict: { success: 2, "it cannot be fetched: HTTP 404": 1 },
    });
    const records = readFileSync(join(folder, "out/_manifest/00000.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(records.map(({ path, status }) => [path, status])).toEqual([
      ["000000000", "ok"],
      ["000000001", "failed"],
      ["000000002", "failed"],
      ["000000003", "ok"],
      ["000000004", "failed"],
    ]);
    const { asyncBufferFromFile, parquetReadObjects } = await import("hyparquet");
    const file = await asyncBufferFromFile(join(folder, "out/features/00000.parquet"));
    expect(
      (await parquetReadObjects({ file })).map(({ url, caption, key }) => ({ url, caption, key })),
    ).toEqual([
      { url: `${host}/good?size=1`, caption: "caption 0", key: "000000000" },
      { url: `${host}/busy`, caption: "caption 3", key: "000000003" },
    ]);
  });

  it("may be at an address with more than a path, as signed ones have; a page in its place is none", async () => {
    const table = Buffer.from("url,text\nhttps://host/a.jpg,x\n");
    for (const path of ["/t.csv?download=true", "/t.csv?key=a/b.txt"])
      answers.set(path, (_, response) => response.end(table));
    for (const [i, path] of ["/t.csv?download=true", "/t.csv?key=a/b.txt"].entries()) {
      const wishes = { lists: [`${host}${path}`], captionColumn: "text" };
      const { plan } = await planSmall(join(folder, `out ${i}`), wishes);
      expect(plan.tables).toMatchObject([{ format: "csv", header: ["url", "text"] }]);
      expect(plan.shards).toMatchObject([{ kind: "rows", count: 1 }]);
    }
    const { plan } = await planSmall(join(folder, "tar"), { inputs: [`${host}/{0..1}.tar?key=a/b`] });
    expect(plan.shards).toEqual([
      { kind: "tar", place: `${host}/0.tar?key=a/b`, prefix: "0.tar/" },
      { kind: "tar", place: `${host}/1.tar?key=a/b`, prefix: "1.tar/" },
    ]);
    answers.set("/list.txt", (_, response) => response.end("<html>please log in</html>"));
    await expect(planSmall(join(folder, "page"), { lists: [`${host}/list.txt`] })).rejects.toThrow(
      /The first line of .* is no address/,
    );
  });

  it("may have keys that are not its own: each image keeps its caption and address", async () => {
    for (const [i, background] of ["red", "lime"].entries()) {
      const picture = await sharp({ create: { width: 9, height: 9, channels: 3, background } })
        .png()
        .toBuffer();
      answers.set(`/${i}.png`, (_, response) => response.end(picture));
    }
    const table = join(folder, "t.csv");
    writeFileSync(table, `url,text,id\n${host}/0.png,red,same\n${host}/1.png,lime,same\n`);
    const wishes = { lists: [table], captionColumn: "text", keyColumn: "id" };
    const { plan, out } = await planSmall(join(folder, "out"), wishes);
    await runShard({ plan, out, shard: 0, scratch: folder, limits: { perSecond: 1000 } });
    const { asyncBufferFromFile, parquetReadObjects } = await import("hyparquet");
    const file = await asyncBufferFromFile(join(folder, "out/features/00000.parquet"));
    expect(
      (await parquetReadObjects({ file })).map(({ url, caption, key }) => ({ url, caption, key })),
    ).toEqual([
      { url: `${host}/0.png`, caption: "red", key: "same" },
      { url: `${host}/1.png`, caption: "lime", key: "same" },
    ]);
  });

  it("cannot be where results go: a web server takes none", async () => {
    const { plan } = await planSmall(join(folder, "out"), { inputs: [`${host}/{0..1}.tar`] });
    const out = await openStorage(host);
    await expect(runShard({ plan, out, shard: 0, scratch: folder })).rejects.toThrow(
      /nothing can be written/,
    );
    expect(asked).toEqual([]);
  });

  it("may be of archives instead, which are fetched whole", async () => {
    const data = await sharp({ create: { width: 9, height: 9, channels: 3, background: "red" } })
      .png()
      .toBuffer();
    for (const i of [0, 1])
      answers.set(`/${i}.tar`, (_, response) => response.end(tar([{ name: "a.png", data }])));
    const { plan, out } = await planSmall(join(folder, "out"), { inputs: [`${host}/{0..1}.tar`] });
    for (const shard of [0, 1]) await runShard({ plan, out, shard, scratch: folder });
    expect((await checkShards(plan, out, { thorough: true })).done.size).toBe(2);
  });
});
