/** The page: features as Node computes and writes them, by keys alone, without a network, and with nothing that leaves it. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createExtractor } from "../../src/extract/extractor.ts";
import { openAtomic } from "../../src/node/atomic.ts";
import { findFormat } from "../../src/tables/formats/index.ts";
import { bytesOf } from "../../src/tables/numbers.ts";
import { hasChromium } from "../support/chromium.ts";
import { contrastsIn } from "../support/contrasts.ts";
import { type Served, servePage } from "../support/served.ts";
import { type Browser, openChromium, type Tab } from "../support/tabs.ts";

const root = resolve(import.meta.dirname, "../..");

/** Asks another place for something, and tells what came of it; served by the page's own site, so that it may run. */
const probe = (elsewhere: string) => `
const tries = {
  fetch: () => fetch(${JSON.stringify(elsewhere)}, { mode: "no-cors" }),
  post: () => fetch(${JSON.stringify(elsewhere)}, { method: "POST", body: "pixels", mode: "no-cors" }),
  socket: () => new Promise((resolve, reject) => {
    const socket = new WebSocket(${JSON.stringify(elsewhere.replace("http", "ws"))});
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error("refused"));
  }),
};
const outcome = {};
for (const [name, attempt] of Object.entries(tries))
  outcome[name] = await attempt().then(() => "went out", () => "refused");
self.postMessage?.(outcome, ...(self.window ? ["*"] : []));
self.outcome = outcome;
`;

describe.skipIf(!hasChromium)("the page", () => {
  let folder = "";
  let served: Served;
  let browser: Browser;
  let elsewhere: Server;
  /** What came to the other place. */
  const arrived: string[] = [];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "site-"));
    served = await servePage(join(folder, "site"));
    elsewhere = createServer((request, answer) => {
      arrived.push(`${request.method} ${request.url}`);
      answer.setHeader("access-control-allow-origin", "*");
      answer.end("x");
    });
    await new Promise<void>((ready) => elsewhere.listen(0, "127.0.0.1", ready));
    const { port } = elsewhere.address() as AddressInfo;
    await writeFile(join(folder, "site/probe.js"), probe(`http://127.0.0.1:${port}/leak`));
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await served?.close();
    elsewhere?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** Opens the page in an own storage, and waits until it is ready. */
  async function openPage(view = {}): Promise<Tab> {
    const tab = await browser.open(served.address, view);
    await tab.until("document.querySelectorAll('.networks tbody tr').length > 5");
    await tab.value(`(() => {
      window.saved = [];
      const create = URL.createObjectURL;
      URL.createObjectURL = (blob) => { saved.push(blob); return create.call(URL, blob); };
    })()`);
    return tab;
  }

  /** Gives files of the site to the page, as if they were chosen; each as often as `times` says. */
  const choose = (tab: Tab, input: string, paths: readonly string[], times = 1) =>
    tab.value(`(async () => {
      const chosen = new DataTransfer();
      for (const path of ${JSON.stringify(paths)}) {
        const blob = await (await fetch(path)).blob();
        for (let i = 0; i < ${times}; i++)
          chosen.items.add(new File([blob], (${times} > 1 ? i + "-" : "") + path.split("/").at(-1)));
      }
      const input = document.querySelector(${JSON.stringify(input)});
      input.files = chosen.files;
      input.dispatchEvent(new Event("change"));
    })()`);

  /** What Chromium says of a machine without a GPU is none. */
  const complaintsOf = ({ complaints }: Tab) => complaints.filter((c) => c !== "No available adapters.");

  const heading = "document.querySelector('#progress h2')?.textContent ?? ''";
  const isDone = (tab: Tab) => tab.until(`/^(Done|Ended)/.test(${heading})`);
  const text = (tab: Tab, selector: string) =>
    tab.value<string>(`document.querySelector(${JSON.stringify(selector)}).innerText`);

  async function savedBytes(tab: Tab, at: number): Promise<Buffer> {
    await tab.until(`saved.length > ${at}`);
    const base64 = await tab.value<string>(`new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result.split(",")[1] ?? "");
      reader.readAsDataURL(saved[${at}]);
    })`);
    return Buffer.from(base64, "base64");
  }

  it("gives, for its samples, the files that Node writes, in every format", async () => {
    const tab = await openPage();
    await tab.click("#start");
    await isDone(tab);
    const names = JSON.parse(await readFile(join(folder, "site/samples/list.json"), "utf8")) as string[];
    expect(await text(tab, "#progress")).toContain(`${names.length} of ${names.length} images`);
    expect(await text(tab, "#progress")).toContain('JPEG is decoded by the method "fast"');

    const extractor = await createExtractor({ device: "cpu" });
    const features = await extractor.features(names.map((name) => join(root, "samples", name)));
    await extractor.close();
    const buttons = await tab.value<string[]>(
      "[...document.querySelectorAll('#results [role=group] button')].map((b) => b.textContent)",
    );
    expect(buttons).toEqual(["npy", "npz", "parquet", "csv", "pkl"]);
    let at = 0;
    let beside: Record<string, unknown> = {};
    for (const [i, name] of buttons.entries()) {
      await tab.click(`#results [role=group] button:nth-child(${i + 1})`);
      const bytes = await savedBytes(tab, at++);
      if (name === "npy") beside = JSON.parse(String(await savedBytes(tab, at++)));
      const { paths, ...metadata } = beside;
      expect(paths).toEqual(names);
      const path = join(folder, `features.${name}`);
      const file = await openAtomic(path);
      await findFormat(name).write(
        {
          paths: names,
          shape: extractor.endPoints[0].shape,
          dtype: "float32",
          metadata: { ...metadata, format: name },
          async *rows() {
            for (const { AvgPool_1a } of features) yield bytesOf(AvgPool_1a);
          },
        },
        file,
      );
      await file.commit();
      expect(Buffer.compare(bytes, await readFile(path)), name).toBe(0);
    }
    expect(beside).toMatchObject({ model: "mobilenet_v1", backend: "cpu", images: { failed: 0 } });
    expect(complaintsOf(tab)).toEqual([]);
    expect(tab.requests.filter((url) => !url.startsWith(served.address))).toEqual([]);

    await tab.click("#show-map");
    await tab.until("document.querySelector('.app .panel') !== null");
    expect(await text(tab, ".bar")).toContain(`${names.length} images · mobilenet_v1 AvgPool_1a`);
    expect(await tab.value("document.activeElement.textContent")).toBe("Back to the run");
    expect(
      await tab.value("[...document.querySelectorAll('.legend select option')].map((o) => o.textContent)"),
    ).toEqual(expect.arrayContaining(["Cluster", "Likeliest class"]));
    await tab.value("document.querySelector('#map button').focus()");
    await tab.key("Enter");
    await tab.until("document.querySelector('#map').hidden");
    expect(complaintsOf(tab)).toEqual([]);
  });

  it("is worked by keys alone, and every control has a name", async () => {
    const tab = await openPage({ width: 360, height: 740, dark: true });
    expect(await tab.value("document.documentElement.scrollWidth")).toBe(360);
    const nameless = await tab.value<
      string[]
    >(`[...document.querySelectorAll("input, select, button, progress")]
      .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label")))
      .map((e) => e.outerHTML)`);
    expect(nameless).toEqual([]);
    const met: string[] = [];
    for (let i = 0; i < 40 && met.at(-1) !== "start"; i++) {
      await tab.key("Tab");
      met.push(await tab.value<string>("document.activeElement.id || document.activeElement.tagName"));
    }
    expect(met).toEqual(["images", "folder", "start"]);
    await tab.key("Enter");
    await isDone(tab);
    expect(await text(tab, "#progress")).toMatch(/^Done/);
    expect(await text(tab, "[role=status]")).toMatch(/All \d+ images are done/);
  });

  it.each([false, true])("can be read before, in and after a run (dark: %s)", async (dark) => {
    const tab = await openPage({ width: 1000, height: 900, dark });
    const read = async () => {
      const [low, ...faults] = await tab.value<[number, ...string[]]>(contrastsIn("#page"));
      expect(faults).toEqual([]);
      expect(low).toBeGreaterThanOrEqual(4.5);
      expect(low).toBeLessThan(99);
    };
    await read();
    await writeFile(join(folder, "site/bad.jpg"), "no picture\n".repeat(9));
    await choose(tab, "#images", ["bad.jpg", "samples/hills_01.jpg"]);
    await tab.click("#start");
    await isDone(tab);
    await tab.click("#progress summary");
    await read();
  });

  it("says what it cannot read, and goes on", async () => {
    const tab = await openPage();
    await writeFile(join(folder, "site/bad.jpg"), "no picture\n".repeat(9));
    await choose(tab, "#images", ["bad.jpg", "samples/hills_01.jpg"]);
    await tab.click("#start");
    await isDone(tab);
    expect(await text(tab, "#progress")).toMatch(/2 of 2 images · 1 failed/);
    await tab.click("#progress summary");
    expect(await text(tab, "#progress details")).toContain("bad.jpg cannot be decoded: it is a text file.");
    expect(await text(tab, "#results")).toContain("Features of 1 image");
  });

  it("begins one run, however often it is told to at once", async () => {
    const tab = await openPage();
    await tab.value("document.querySelector('#start').click(); document.querySelector('#start').click();");
    await isDone(tab);
    const names = JSON.parse(await readFile(join(folder, "site/samples/list.json"), "utf8")) as string[];
    expect(await text(tab, "#start")).toBe("All done");
    expect(await text(tab, "#results")).toContain(`Features of ${names.length} images`);
  });

  it("says so where its samples are not", async () => {
    const tab = await openPage();
    await tab.value("void (window.fetch = async () => new Response('', { status: 404 }))");
    await tab.click("#start");
    await tab.until("document.querySelector('[role=alert]') !== null");
    expect(await text(tab, "[role=alert]")).toBe(
      "The sample list.json is not on this site: it answered 404. Choose images of your own.",
    );
    expect(complaintsOf(tab)).toEqual([]);
  });

  it("tells what becomes of the files that come, and takes each image once", async () => {
    const tab = await openPage();
    const give = (names: readonly (readonly [name: string, bytes: string])[]) =>
      tab.value(`(() => {
        const chosen = new DataTransfer();
        for (const [name, bytes] of ${JSON.stringify(names)})
          chosen.items.add(new File([bytes], name, { lastModified: 1 }));
        const input = document.querySelector("#images");
        input.files = chosen.files;
        input.dispatchEvent(new Event("change"));
        return document.querySelector("#drop .told").textContent;
      })()`);
    const first = [
      ["a.jpg", "one"],
      ["a.jpg", "one"],
      ["._b.jpg", "hidden"],
      ["b.txt", "text"],
    ] as const;
    expect(await give(first)).toBe(
      "1 image here. 1 image added, 1 image here already, 1 other file passed over.",
    );
    expect(
      await give([
        ["a.jpg", "another"],
        ["c.png", "x"],
      ]),
    ).toBe(
      "2 images here. 1 image added, 1 image passed over, for another is called a.jpg: folders tell them apart.",
    );
    expect(await give([["._b.jpg", "hidden"]])).toBe("2 images here. No files came.");
  });

  it("saves how the images were preprocessed, whatever is chosen afterwards", async () => {
    const tab = await openPage();
    await choose(tab, "#images", ["samples/hills_01.jpg"]);
    await tab.click("#start");
    await isDone(tab);
    await tab.value(`(() => {
      const select = document.querySelector("#preprocess");
      select.value = "seed";
      select.dispatchEvent(new Event("change"));
    })()`);
    await tab.click("#results [role=group] button:nth-child(1)");
    expect(JSON.parse(String(await savedBytes(tab, 1))).preprocess).toMatchObject({
      mode: "slim",
      exif: "auto",
      jpeg: "fast",
    });
  });

  it("computes 200 images, is stopped in between, and goes on", async () => {
    const tab = await openPage();
    await choose(tab, "#images", ["samples/hills_01.jpg", "samples/towers_02.png"], 100);
    await tab.click("#start");
    await tab.until(
      "/^[1-9]\\d* of 200/.test(document.querySelector('#progress .facts')?.textContent ?? '')",
    );
    await tab.click("#start");
    await tab.until(`/^Stopped/.test(${heading})`);
    expect(await text(tab, "[role=status]")).toMatch(/^Stopped after \d+ images?\.$/);
    const before = Number(/Features of ([\d,]+)/.exec(await text(tab, "#results"))?.[1]);
    expect(before).toBeGreaterThan(0);
    expect(before).toBeLessThan(200);
    expect(await text(tab, "#start")).toBe("Go on");
    await tab.click("#start");
    await isDone(tab);
    expect(await text(tab, "#results")).toContain("Features of 200 images");
    await tab.click("#results [role=group] button:nth-child(4)");
    const lines = String(await savedBytes(tab, 0))
      .trim()
      .split("\r\n");
    expect(lines).toHaveLength(201);
    const rows = new Map(
      lines.slice(1).map((line) => [line.slice(0, line.indexOf(",")), line.slice(line.indexOf(","))]),
    );
    expect(rows.size).toBe(200);
    expect(new Set([...rows].map(([path, values]) => `${path.replace(/^\d+-/, "")}${values}`)).size).toBe(2);
  });

  it("works without a network once it has loaded, with a checkpoint that it is given", async () => {
    const away = await servePage(join(folder, "away"));
    const checkpoint = "mobilenet_v1_025_v2.ckpt";
    for (const end of ["index", "data-00000-of-00001"])
      await writeFile(
        join(folder, `away/${checkpoint}.${end}`),
        await readFile(join(root, `test/reference/checkpoints/${checkpoint}.${end}`)),
      );
    const tab = await browser.open(away.address);
    await tab.until("document.querySelectorAll('.networks tbody tr').length > 5");
    await tab.value("navigator.serviceWorker.ready.then(() => true)");
    await choose(tab, "#images", ["samples/hills_01.jpg", "samples/towers_02.png"]);
    await choose(
      tab,
      "#checkpoint",
      ["index", "data-00000-of-00001"].map((end) => `${checkpoint}.${end}`),
    );
    await away.close();
    await tab.click("#start");
    await isDone(tab);
    expect(await text(tab, "#progress")).toContain("mobilenet_v1_025");
    expect(await text(tab, "#results")).toContain("Features of 2 images");
    const again = await browser.open(away.address);
    await again.until("document.querySelectorAll('.networks tbody tr').length > 5");
    expect(await again.value("self.crossOriginIsolated")).toBe(true);
  });

  it("lets nothing out, neither from the page nor from a worker of it", async () => {
    const tab = await openPage();
    const refused = { fetch: "refused", post: "refused", socket: "refused" };
    expect(await tab.value("import('/probe.js').then(() => self.outcome)")).toEqual(refused);
    const worker = `new Promise((done) => {
      const worker = new Worker("/probe.js", { type: "module" });
      worker.onmessage = ({ data }) => done(data);
      worker.onerror = () => done("ended");
    })`;
    expect(await tab.value(worker)).toEqual(refused);
    // A worker out of a text would have no policy of its own.
    const made = `new Promise((done) => {
      try {
        new Worker(URL.createObjectURL(new Blob(["postMessage(1)"]))).onerror = () => done("refused");
      } catch { done("refused"); }
      setTimeout(() => done("ran"), 3000);
    })`;
    expect(await tab.value(made)).toBe("refused");
    const picture = `new Promise((done) => {
      const image = new Image();
      image.onload = image.onerror = ({ type }) => done(type);
      image.src = ${JSON.stringify(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/picture`)};
    })`;
    expect(await tab.value(picture)).toBe("error");
    expect(arrived).toEqual([]);
    // The other place is there, and would answer.
    const { port } = elsewhere.address() as AddressInfo;
    expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe("x");
    expect(arrived).toEqual(["GET /"]);
  });
});
