/** GET over https, through the proxy that the environment names: Node's own fetch knows of no proxy before Node 24. */
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { UsageError, UserError } from "../errors.ts";

export interface GetOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Certificates to trust instead of the system's, as PEM; for tests. */
  readonly ca?: string;
  /** Where the proxy is looked for; the process's environment when left out. */
  readonly env?: NodeJS.ProcessEnv;
  /** Is told of a proxy that is used. */
  readonly notice?: (sentence: string) => void;
}

export type Answer = http.IncomingMessage;

const mostRedirects = 10;

/** How long a server may say nothing, in milliseconds. */
const patience = 60_000;

/** @throws UsageError where the address is not one of https. */
function secure(address: string, what: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === "https:") return url;
  throw new UsageError(
    `${what} is not an https address.`,
    "Weights are downloaded over https only: on the way, nobody can read or change them.",
  );
}

/**
 * The answer to a GET, behind all redirects, whatever its status. Its body is to be read, or destroyed.
 * @throws UsageError for an address without https, UserError for a redirect to one, or whatever ended the connection.
 */
export async function get(address: string, options: GetOptions): Promise<Answer> {
  let url = secure(address, address);
  for (let redirects = 0; redirects <= mostRedirects; redirects++) {
    const answer = await ask(url, options);
    const { location } = answer.headers;
    if (![301, 302, 303, 307, 308].includes(answer.statusCode ?? 0) || location === undefined) return answer;
    answer.destroy();
    const next = new URL(location, url).href;
    url = secure(next, `${next}, to which ${url.href} sends on,`);
  }
  throw new UserError(`${address} sends on more than ${mostRedirects} times.`);
}

async function ask(url: URL, options: GetOptions): Promise<Answer> {
  const { headers, signal, ca, env = process.env, notice } = options;
  const proxy = proxyFor(url, env);
  if (proxy) notice?.(`through the proxy ${proxy.host}`);
  const socket = proxy && (await tunnel(proxy, url, options));
  const servername = isIP(bare(url.hostname)) ? undefined : url.hostname;
  const connection = socket && { createConnection: () => connect({ socket, servername, ca }) };
  return new Promise((resolve, reject) => {
    const request = https.get(url, { headers, signal, ca, ...connection }, resolve).on("error", reject);
    giveUp(request);
  });
}

function giveUp(request: http.ClientRequest): void {
  request.setTimeout(patience, () =>
    request.destroy(new Error(`nothing came for ${patience / 1000} seconds`)),
  );
}

/** A connection to the host of `url` that a proxy passes on (RFC 9110, 9.3.6). */
function tunnel(proxy: URL, url: URL, { signal, ca }: GetOptions): Promise<Duplex> {
  const path = `${url.hostname}:${url.port || 443}`;
  const { username, password } = proxy;
  const secret = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = username && {
    "proxy-authorization": `Basic ${Buffer.from(secret).toString("base64")}`,
  };
  const headers = { host: path, ...authorization };
  const { request } = proxy.protocol === "https:" ? https : http;
  return new Promise((resolve, reject) => {
    const asking = request({
      host: bare(proxy.hostname),
      port: proxy.port || (proxy.protocol === "https:" ? 443 : 80),
      method: "CONNECT",
      path,
      headers,
      signal,
      ca,
      agent: false,
    });
    asking.on("error", (error: NodeJS.ErrnoException) =>
      reject(new Error(`the proxy ${proxy.host} cannot be reached: ${error.code ?? error.message}`)),
    );
    asking.on("connect", ({ statusCode, statusMessage }, socket) => {
      socket.setTimeout(0);
      if (statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new Error(`the proxy ${proxy.host} answered ${statusCode} ${statusMessage}`.trim()));
    });
    giveUp(asking);
    asking.end();
  });
}

/**
 * The proxy for an address, by the variables that curl obeys: https_proxy, else all_proxy, unless no_proxy names the host.
 * @throws UsageError where it is none that speaks http.
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const value = (name: string) => env[name] || env[name.toUpperCase()];
  const named = value("https_proxy") || value("all_proxy");
  if (!named || isExempt(url, value("no_proxy") ?? "")) return undefined;
  const address = /^[\w+.-]+:\/\//.test(named) ? named : `http://${named}`;
  const proxy = URL.canParse(address) ? new URL(address) : undefined;
  if (proxy && /^https?:$/.test(proxy.protocol)) return proxy;
  throw new UsageError(
    "The environment's https_proxy or all_proxy is not the address of an HTTP proxy.",
    "It should look like http://proxy:3128; no_proxy lists the hosts that need none.",
  );
}

const bare = (host: string) => host.replace(/^\[|\]$/g, "");

/** Whether no_proxy names a host: itself, a domain above it, or *; with a port, only at that port. */
function isExempt(url: URL, list: string): boolean {
  const host = bare(url.hostname).toLowerCase();
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => {
      if (entry === "*") return true;
      const [, name = "", port] = /^(\[[^\]]*\]|[^:]*|.*:.*:.*?)(?::(\d+))?$/.exec(entry) ?? [];
      const domain = bare(name).replace(/^\*?\./, "");
      if (domain === "" || (port !== undefined && port !== (url.port || "443"))) return false;
      return host === domain || host.endsWith(`.${domain}`);
    });
}
