/**
 * Chromium told what to do over a pipe, by the DevTools protocol (https://chromedevtools.github.io/devtools-protocol): no
 * package besides is needed for clicks, keys and screenshots.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { unpackChromium } from "./chromium.ts";

export interface Browser {
  /** Opens a page and waits until it has loaded. */
  open(url: string, view?: View): Promise<Tab>;
  close(): Promise<void>;
}

export interface View {
  readonly width?: number;
  readonly height?: number;
  readonly scale?: number;
  readonly dark?: boolean;
  /** Whether the page is told that motion is unwelcome; true when left out, so that nothing has to be waited for. */
  readonly still?: boolean;
}

export interface Tab {
  /** Addresses that were asked for, but for data and blobs. */
  readonly requests: readonly string[];
  /** Errors, and what the policy of the page refused. */
  readonly complaints: readonly string[];
  /** The value of an expression in the page, awaited. */
  value<T>(expression: string): Promise<T>;
  /** Waits until an expression is true. */
  until(expression: string): Promise<void>;
  click(selector: string): Promise<void>;
  /** Presses a pixel, with `shift` held or not. */
  press(x: number, y: number, shift?: boolean): Promise<void>;
  /** Drags along pixels. */
  drag(points: readonly (readonly [x: number, y: number])[], shift?: boolean): Promise<void>;
  wheel(x: number, y: number, deltaY: number): Promise<void>;
  key(key: string): Promise<void>;
  type(text: string): Promise<void>;
  screenshot(): Promise<Buffer>;
}

type Listener = (method: string, params: Record<string, unknown>, session: string | undefined) => void;
type Send = (method: string, params?: object, session?: string) => Promise<Record<string, unknown>>;

/** Speaks with a process over its descriptors 3 and 4: JSON between zero bytes. */
function speakWith(child: ChildProcess): { send: Send; listeners: Set<Listener> } {
  const to = child.stdio[3] as Writable;
  const from = child.stdio[4] as Readable;
  const answers = new Map<
    number,
    { resolve: (v: Record<string, unknown>) => void; reject: (e: Error) => void }
  >();
  const listeners = new Set<Listener>();
  let rest = Buffer.alloc(0);
  let ids = 0;
  from.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = rest.indexOf(0); end >= 0; end = rest.indexOf(0)) {
      const message = JSON.parse(rest.toString("utf8", 0, end));
      rest = rest.subarray(end + 1);
      const answer = answers.get(message.id);
      if (!answer)
        for (const listener of listeners) listener(message.method, message.params, message.sessionId);
      else if (message.error) answer.reject(new Error(message.error.message));
      else answer.resolve(message.result);
      answers.delete(message.id);
    }
  });
  child.on("exit", () => {
    for (const { reject } of answers.values()) reject(new Error("Chromium has ended"));
  });
  const send: Send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      answers.set(++ids, { resolve, reject });
      to.write(`${JSON.stringify({ id: ids, method, params, sessionId })}\0`);
    });
  return { send, listeners };
}

/** Starts Chromium. */
export async function openChromium(): Promise<Browser> {
  const profile = await mkdtemp(join(tmpdir(), "slimfeatures-chromium-"));
  const child = spawn(
    await unpackChromium(),
    [
      ...["--headless=shell", "--no-sandbox", "--remote-debugging-pipe", `--user-data-dir=${profile}`],
      ...[
        "--disable-dev-shm-usage",
        "--enable-unsafe-swiftshader",
        "--use-gl=angle",
        "--use-angle=swiftshader",
      ],
      ...[
        "--hide-scrollbars",
        "--force-color-profile=srgb",
        "--no-first-run",
        "--disable-background-networking",
      ],
    ],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const { send, listeners } = speakWith(child);

  async function open(url: string, view: View = {}): Promise<Tab> {
    const { targetId } = await send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await send("Target.attachToTarget", { targetId, flatten: true });
    const session = sessionId as string;
    const tell = (method: string, params?: object) => send(method, params, session);
    const requests: string[] = [];
    const complaints: string[] = [];
    let loaded = () => {};
    const isLoaded = new Promise<void>((resolve) => {
      loaded = resolve;
    });
    listeners.add((method, params, from) => {
      if (from !== session) return;
      if (method === "Page.loadEventFired") loaded();
      if (method === "Network.requestWillBeSent") {
        const { url: asked } = params.request as { url: string };
        if (!/^(data|blob):/.test(asked)) requests.push(asked);
      }
      if (method === "Log.entryAdded") complaints.push((params.entry as { text: string }).text);
      if (method === "Runtime.exceptionThrown") complaints.push(JSON.stringify(params.exceptionDetails));
    });
    const { width = 1280, height = 800, scale = 1, dark = false, still = true } = view;
    for (const room of ["Page", "Network", "Log", "Runtime"]) await tell(`${room}.enable`);
    await tell("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: scale,
      mobile: false,
    });
    await tell("Emulation.setEmulatedMedia", {
      features: [
        { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
        { name: "prefers-reduced-motion", value: still ? "reduce" : "no-preference" },
      ],
    });
    await tell("Page.navigate", { url });
    await isLoaded;

    const mouse = (type: string, x: number, y: number, more: object = {}) =>
      tell("Input.dispatchMouseEvent", { type, x, y, ...more });
    const shiftBit = 8;

    const tab: Tab = {
      requests,
      complaints,
      async value<T>(expression: string): Promise<T> {
        const answer = await tell("Runtime.evaluate", {
          expression,
          awaitPromise: true,
          returnByValue: true,
        });
        if (answer.exceptionDetails) throw new Error(JSON.stringify(answer.exceptionDetails));
        return (answer.result as { value: T }).value;
      },
      until: (expression) =>
        tab.value(
          `new Promise((done) => { const look = () => { if (${expression}) done(true); else setTimeout(look, 20); }; look(); })`,
        ),
      async click(selector) {
        const [x, y] = await tab.value<[number, number]>(
          `(() => { const e = document.querySelector(${JSON.stringify(selector)}); e.scrollIntoView({ block: "nearest" });
            const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()`,
        );
        await tab.press(x, y);
      },
      async press(x, y, shift = false) {
        await tab.drag([[x, y]], shift);
      },
      async drag([[x, y], ...more], shift = false) {
        const held = { button: "left", clickCount: 1, modifiers: shift ? shiftBit : 0 };
        await mouse("mouseMoved", x, y);
        await mouse("mousePressed", x, y, held);
        for (const [px, py] of more) await mouse("mouseMoved", px, py, { ...held, buttons: 1 });
        const [lx, ly] = more.at(-1) ?? [x, y];
        await mouse("mouseReleased", lx, ly, held);
      },
      wheel: async (x, y, deltaY) => void (await mouse("mouseWheel", x, y, { deltaX: 0, deltaY })),
      async key(key) {
        const text = key.length === 1 ? { text: key } : key === "Enter" ? { text: "\r" } : {};
        const code = {
          Tab: 9,
          Enter: 13,
          Escape: 27,
          ArrowLeft: 37,
          ArrowUp: 38,
          ArrowRight: 39,
          ArrowDown: 40,
        }[key];
        await tell("Input.dispatchKeyEvent", { type: "keyDown", key, windowsVirtualKeyCode: code, ...text });
        await tell("Input.dispatchKeyEvent", { type: "keyUp", key, windowsVirtualKeyCode: code });
      },
      type: async (text) => void (await tell("Input.insertText", { text })),
      async screenshot() {
        const { data } = await tell("Page.captureScreenshot", { format: "png" });
        return Buffer.from(data as string, "base64");
      },
    };
    return tab;
  }

  return {
    open,
    async close() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      await Promise.race([send("Browser.close").catch(() => {}), ended]);
      await ended;
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
