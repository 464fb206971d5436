/**
 * As much of S3 as the tests need, on loopback, with its faults: objects of buckets by paths, If-None-Match, ranges, lists in
 * pages. It checks no signatures.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Asked {
  readonly method: string;
  /** `bucket/key` */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  /** How often the same was asked before. */
  readonly before: number;
}

/**
 * What goes wrong with a request: a status instead of an answer; "cut", the connection ends before anything is done; "half",
 * it ends in the middle of what is sent; "unanswered", it is done, and the connection ends.
 */
export type Fault = number | "cut" | "half" | "unanswered" | undefined;

export interface S3Server {
  readonly endpoint: string;
  readonly objects: Map<string, { readonly bytes: Buffer; readonly sha256?: string }>;
  readonly asked: readonly Asked[];
  /** Names of objects below a prefix. */
  names(prefix: string): string[];
  close(): Promise<void>;
}

const escaped = (text: string) => text.replace(/[<>&]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Starts a server; `fault` is asked about every request. */
export async function startS3(fault: (asked: Asked) => Fault = () => undefined): Promise<S3Server> {
  const objects: Map<string, { bytes: Buffer; sha256?: string }> = new Map();
  const asked: Asked[] = [];

  function error(response: ServerResponse, status: number, code: string): void {
    response.writeHead(status, { "content-type": "application/xml" });
    response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`);
  }

  function list(url: URL, bucket: string, response: ServerResponse): void {
    const prefix = `${bucket}/${url.searchParams.get("prefix") ?? ""}`;
    const after = url.searchParams.get("continuation-token") ?? "";
    const names = [...objects.keys()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const page = names.slice(0, 3);
    const contents = page.map((name) => {
      const size = objects.get(name)?.bytes.length;
      return `<Contents><Key>${escaped(name.slice(bucket.length + 1))}</Key><Size>${size}</Size></Contents>`;
    });
    const next =
      names.length > page.length
        ? `<IsTruncated>true</IsTruncated><NextContinuationToken>${escaped(page[page.length - 1])}</NextContinuationToken>`
        : "<IsTruncated>false</IsTruncated>";
    response.writeHead(200, { "content-type": "application/xml" });
    response.end(`<?xml version="1.0"?><ListBucketResult>${next}${contents.join("")}</ListBucketResult>`);
  }

  function get(path: string, request: IncomingMessage, response: ServerResponse, kind: Fault) {
    const object = objects.get(path);
    if (!object) return error(response, 404, request.method === "HEAD" ? "NotFound" : "NoSuchKey");
    const { bytes, sha256 } = object;
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
    const part =
      first === undefined ? bytes : bytes.subarray(Number(first), last ? Number(last) + 1 : undefined);
    response.writeHead(first === undefined ? 200 : 206, {
      "content-length": part.length,
      etag: `"${createHash("md5").update(bytes).digest("hex")}"`,
      ...(sha256 && { "x-amz-meta-sha256": sha256 }),
      ...(first !== undefined && {
        "content-range": `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`,
      }),
    });
    if (request.method === "HEAD") return void response.end();
    if (kind !== "half") return void response.end(part);
    response.write(part.subarray(0, part.length / 2), () => response.destroy());
  }

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "", "http://localhost");
    const path = decodeURIComponent(url.pathname).slice(1).replace(/\/$/, "");
    const { method = "" } = request;
    const before = asked.filter((a) => a.method === method && a.path === path).length;
    const now: Asked = { method, path, headers: request.headers, before };
    asked.push(now);
    const kind = fault(now);
    const parts: Buffer[] = [];
    if (kind === "cut") return void request.socket.destroy();
    request.on("data", (part: Buffer) => {
      parts.push(part);
      if (kind === "half" && method === "PUT") request.socket.destroy();
    });
    request.on("error", () => {});
    request.on("end", () => {
      if (typeof kind === "number") return error(response, kind, kind === 503 ? "SlowDown" : "Fault");
      if (method === "GET" && !path.includes("/")) return list(url, path, response);
      if (method === "GET" || method === "HEAD") return get(path, request, response, kind);
      if (method === "DELETE") {
        objects.delete(path);
        return void response.writeHead(204).end();
      }
      if (method !== "PUT") return error(response, 405, "MethodNotAllowed");
      if (request.headers["if-none-match"] === "*" && objects.has(path))
        return error(response, 412, "PreconditionFailed");
      const sha256 = request.headers["x-amz-meta-sha256"] as string | undefined;
      objects.set(path, { bytes: Buffer.concat(parts), sha256 });
      if (kind === "unanswered") return void request.socket.destroy();
      response.writeHead(200, { etag: '"put"' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    asked,
    names: (prefix) => [...objects.keys()].filter((name) => name.startsWith(prefix)).sort(),
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
