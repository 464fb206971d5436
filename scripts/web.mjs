/**
 * `npm run web`: builds the page and serves it on this machine. `npm run web:build` writes it as a folder, web/site, that any host
 * can serve.
 */
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { parseArgs } from "node:util";
import { checkout } from "./dist.mjs";
import { buildSite, headers } from "./site.mjs";

const help = `Serves the page of slimfeatures, which computes features in a browser's tab.

  npm run web                   builds the page and serves it on this machine
  npm run web -- --port 9000    on another port; 8080, or the next that is free, when left out
  npm run web:build             writes it as the folder web/site, which any host can serve
  npm run web:build -- --out F  into another folder, which is made anew`;

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".json": "application/json",
  ".jpg": "image/jpeg",
  ".png": "image/png",
};

/** Answers for a folder, with parts of files where they are asked for. */
function serve(folder) {
  return createServer((request, answer) => {
    for (const [name, value] of Object.entries(headers)) answer.setHeader(name, value);
    const refuse = (status) => answer.writeHead(status, { "content-type": "text/plain" }).end();
    if (request.method !== "GET" && request.method !== "HEAD") return refuse(405);
    let path;
    try {
      path = decodeURIComponent(new URL(request.url ?? "/", "http://localhost").pathname);
    } catch {
      return refuse(400);
    }
    if (path.includes("\0") || path.split("/").includes("..")) return refuse(400);
    const file = join(folder, path.endsWith("/") ? `${path}index.html` : path);
    const stats = statSync(file, { throwIfNoEntry: false });
    if (!stats?.isFile()) return refuse(404);
    const { size, mtimeMs } = stats;
    const part = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
    const start = part ? Number(part[1]) : 0;
    const end = part?.[2] ? Math.min(Number(part[2]), size - 1) : size - 1;
    if (part && (start > end || start >= size)) return refuse(416);
    answer.writeHead(part ? 206 : 200, {
      "content-type": types[extname(file)] ?? "application/octet-stream",
      "content-length": end - start + 1,
      "accept-ranges": "bytes",
      "cache-control": "no-cache",
      etag: `"${size}-${Math.round(mtimeMs)}"`,
      ...(part && { "content-range": `bytes ${start}-${end}/${size}` }),
    });
    if (request.method === "HEAD" || size === 0) return answer.end();
    createReadStream(file, { start, end }).pipe(answer);
  });
}

function listen(server, port, tries = 20) {
  server.once("error", (error) => {
    if (error.code !== "EADDRINUSE" || tries === 0) {
      console.error(
        `Port ${port} cannot be used (${error.code}). Name another one: npm run web -- --port 9000`,
      );
      process.exit(1);
    }
    listen(server, port + 1, tries - 1);
  });
  server.listen(port, "127.0.0.1", () => {
    server.removeAllListeners("error");
    console.log(`Open http://127.0.0.1:${server.address().port}/ in a browser. Ctrl+C ends it.`);
  });
}

function argumentsOf() {
  const number = (text) => {
    const port = Number(text);
    if (Number.isInteger(port) && port >= 0 && port < 65536) return port;
    throw new Error(`--port ${text} is no port: ports are whole numbers below 65536.`);
  };
  try {
    const { values } = parseArgs({
      options: {
        build: { type: "boolean" },
        out: { type: "string" },
        port: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    return { ...values, port: number(values.port ?? "8080") };
  } catch (error) {
    console.error(`${error.message}\n\n${help}`);
    process.exit(2);
  }
}

const { build, out = join(checkout(), "web/site"), port, help: asked } = argumentsOf();
if (asked) console.log(help);
else {
  await buildSite(out);
  if (build) console.log(`The page is in ${out}: serve that folder.`);
  else listen(serve(out), port);
}
