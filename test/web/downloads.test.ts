/** Files that pages fetch: whole, however often the connection breaks, and never put together out of two versions. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { seededUnits } from "../../src/seeded.ts";
import { download, downloadBlob } from "../../src/web/downloads.ts";

const content = Buffer.from(seededUnits("a file", 2 ** 16).buffer);

interface Told {
  readonly ranges: (string | undefined)[];
  readonly last?: { readonly done: number; readonly total: number | undefined };
}

/** Fetches from a server that answers as `handle` says; gives what came, and what was asked for. */
async function fetchFrom(
  handle: (request: IncomingMessage, answer: ServerResponse, time: number) => void,
  signal = new AbortController().signal,
): Promise<Told & { bytes: Buffer }> {
  const ranges: (string | undefined)[] = [];
  const server = createServer((request, answer) => {
    handle(request, answer, ranges.length);
    ranges.push(request.headers.range);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  const { port } = server.address() as AddressInfo;
  let last: Told["last"];
  try {
    const blob = await downloadBlob(`http://127.0.0.1:${port}/folder/weights%201.ckpt`, {
      signal,
      onProgress: (progress) => {
        expect(progress.file).toBe("weights 1.ckpt");
        last = progress;
      },
    });
    return { bytes: Buffer.from(await blob.arrayBuffer()), ranges, last };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

const startOf = (request: IncomingMessage) =>
  Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);

/** Gives a part, and breaks off behind `most` bytes. */
function part(answer: ServerResponse, from: number, most: number, etag: string): void {
  const headers = { "content-length": content.length - from, etag };
  const range = { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` };
  answer.writeHead(from > 0 ? 206 : 200, { ...headers, ...(from > 0 && range) });
  const piece = content.subarray(from, from + most);
  if (from + most >= content.length) answer.end(piece);
  else answer.write(piece, () => setTimeout(() => answer.destroy(), 20));
}

describe("a download", () => {
  it("goes on where it broke off, in parts", async () => {
    const third = Math.ceil(content.length / 3);
    const { bytes, ranges, last } = await fetchFrom((request, answer) =>
      part(answer, startOf(request), third, '"1"'),
    );
    expect(bytes.equals(content)).toBe(true);
    expect(ranges.length).toBeGreaterThan(2);
    expect(ranges[0]).toBeUndefined();
    expect(ranges.slice(1).every((range) => /^bytes=\d+-$/.test(range ?? ""))).toBe(true);
    expect(last).toMatchObject({ done: content.length, total: content.length });
  });

  it("passes over what it has where a server gives no parts", async () => {
    const { bytes, last } = await fetchFrom((_, answer, time) =>
      part(answer, 0, time === 0 ? 1000 : content.length, '"1"'),
    );
    expect(bytes.equals(content)).toBe(true);
    expect(last?.done).toBe(content.length);
  });

  it("asks for no parts of what is packed on its way", async () => {
    const packed = gzipSync(content);
    const send = (request: IncomingMessage, answer: ServerResponse, most: number) => {
      const from = startOf(request);
      answer.writeHead(from > 0 ? 206 : 200, {
        "content-encoding": "gzip",
        "content-length": packed.length - from,
        etag: '"1"',
        ...(from > 0 && { "content-range": `bytes ${from}-${packed.length - 1}/${packed.length}` }),
      });
      if (from + most >= packed.length) answer.end(packed.subarray(from));
      else answer.write(packed.subarray(from, from + most), () => setTimeout(() => answer.destroy(), 50));
    };
    const { bytes, ranges } = await fetchFrom((request, answer, time) =>
      send(request, answer, time === 0 ? packed.length >> 1 : packed.length),
    );
    expect(bytes.equals(content)).toBe(true);
    expect(ranges).toEqual([undefined, undefined]);
  });

  it("refuses to put two versions together", async () => {
    const answers = fetchFrom((request, answer, time) =>
      part(answer, startOf(request), time === 0 ? 1000 : content.length, `"${time}"`),
    );
    await expect(answers).rejects.toThrow(/changed while it was fetched/);
  });

  it("says what a server answers", async () => {
    const answers = fetchFrom((_, answer) => answer.writeHead(403).end());
    await expect(answers).rejects.toMatchObject({
      message: expect.stringMatching(/cannot be fetched: the server answered 403 Forbidden\.$/),
      hint: "Look whether the address is right.",
    });
  });

  it("gives up on a server that is not there, in a sentence", async () => {
    const signal = new AbortController().signal;
    const gone = download("http://127.0.0.1:9/weights.ckpt", () => {}, { signal, onProgress: () => {} });
    await expect(gone).rejects.toMatchObject({
      name: "CheckpointError",
      message: expect.stringMatching(/^http:\/\/127\.0\.0\.1:9\/weights\.ckpt cannot be fetched: .*[^.]\.$/),
    });
  }, 30_000);

  it("stops by its signal", async () => {
    const controller = new AbortController();
    const stopped = fetchFrom((request, answer) => {
      part(answer, startOf(request), 1000, '"1"');
      setTimeout(() => controller.abort(), 5);
    }, controller.signal);
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
  });
});
