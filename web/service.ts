/**
 * Keeps the site's own files in the browser, so that the page works without a network, and gives them the headers that a host may
 * not set: those that isolate the page (threads need it), and the policy that lets nothing out.
 */
declare const FILES: readonly string[];
declare const HEADERS: Readonly<Record<string, string>>;
declare const BUILT: string;

/** What is used of a service worker's globals (https://w3c.github.io/ServiceWorker). */
interface Extendable {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends Extendable {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
declare const self: {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
  addEventListener(name: "install" | "activate", listener: (event: Extendable) => void): void;
  addEventListener(name: "fetch", listener: (event: FetchEvent) => void): void;
};
interface Cache {
  addAll(requests: readonly Request[]): Promise<void>;
  match(request: Request, options: { readonly ignoreSearch: boolean }): Promise<Response | undefined>;
  put(request: Request, answer: Response): Promise<void>;
}
declare const caches: {
  open(name: string): Promise<Cache>;
  keys(): Promise<readonly string[]>;
  delete(name: string): Promise<boolean>;
};

const cacheName = `slimfeatures ${BUILT}`;
const scope = () => new URL(self.registration.scope);

self.addEventListener("install", (event) => {
  const fill = async () => {
    const cache = await caches.open(cacheName);
    await cache.addAll(
      FILES.map((file) => new Request(new URL(file, scope()), { cache: "reload" } as RequestInit)),
    );
    await self.skipWaiting();
  };
  event.waitUntil(fill());
});

self.addEventListener("activate", (event) => {
  const clear = async () => {
    for (const name of await caches.keys())
      if (name.startsWith("slimfeatures ") && name !== cacheName) await caches.delete(name);
    await self.clients.claim();
  };
  event.waitUntil(clear());
});

async function answerOf(request: Request): Promise<Response> {
  const cache = await caches.open(cacheName);
  const there = await cache.match(request, { ignoreSearch: true });
  const found = there ?? (await fetch(request));
  // Weights and samples are kept when they were fetched once.
  if (!there && found.status === 200 && !request.headers.has("range"))
    await cache.put(request, found.clone());
  const headers = new Headers(found.headers);
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  return new Response(found.body, { status: found.status, statusText: found.statusText, headers });
}

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== scope().origin || !pathname.startsWith(scope().pathname)) return;
  event.respondWith(answerOf(request));
});
