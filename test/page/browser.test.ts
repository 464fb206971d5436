/** The map of a features file in a real Chromium, opened from disk. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type MapReport, mapFeatures } from "../../src/map/map.ts";
import { makeThumbnails, mostInOneFile } from "../../src/map/sheets.ts";
import { mapPageParts } from "../../src/node/page-parts.ts";
import { boxOf, framed, type Point, toScreen } from "../../src/page/camera.ts";
import type { MapData } from "../../src/page/data.ts";
import { unpackData } from "../../src/page/packed.ts";
import { mapPage } from "../../src/page/page.ts";
import { spread } from "../../src/page/spread.ts";
import { seededUnits } from "../../src/seeded.ts";
import { hasChromium } from "../support/chromium.ts";
import { contrastsIn } from "../support/contrasts.ts";
import { type Browser, openChromium, type Tab, type View } from "../support/tabs.ts";

if (!hasChromium) console.warn("No Chromium for this machine: what the map's page does is not tried.");

const evil = "<img src=x onerror=document.title='caught'>&amp;.png";
const kinds = ["red", "green", "blue"] as const;
const colours = { red: "#c03030", green: "#30a040", blue: "#3050c0" } as const;
const perKind = 12;
const width = 32;

/** Three kinds of images, each in a folder of its own, with features by their kind. One has gone, one is named like HTML. */
async function makeMap(folder: string): Promise<{ page: string; paths: string[]; report: MapReport }> {
  const paths = kinds.flatMap((kind) =>
    Array.from({ length: perKind }, (_, i) => `${kind}/${kind === "blue" && i === 3 ? evil : `${i}.png`}`),
  );
  const lines: string[] = [];
  for (const [i, path] of paths.entries()) {
    const kind = path.split("/")[0] as (typeof kinds)[number];
    const noise = seededUnits(path, width);
    // The last two of the greens are the same.
    const own = i === 2 * perKind - 1 ? seededUnits(paths[i - 1], width) : noise;
    const feature = Array.from(own, (v, d) => (d % 3 === kinds.indexOf(kind) ? 4 : 0) + 2.5 * v);
    lines.push(`${JSON.stringify({ path, feature })}\n`);
    if (path === "red/5.png") continue;
    const file = join(folder, "photos", path);
    mkdirSync(dirname(file), { recursive: true });
    const create = { width: 60, height: 40 + i, channels: 3, background: colours[kind] } as const;
    writeFileSync(file, await sharp({ create }).png().toBuffer());
  }
  const features = join(folder, "photos.jsonl");
  writeFileSync(features, lines.join(""));
  const page = join(folder, "map.html");
  const report = await mapFeatures({ features, images: join(folder, "photos"), out: page, device: "cpu" });
  return { page, paths, report };
}

describe.skipIf(!hasChromium)("the map in Chromium", () => {
  const folder = mkdtempSync(join(tmpdir(), "slimfeatures-page-"));
  let browser: Browser;
  let made: Awaited<ReturnType<typeof makeMap>>;
  /** The places of the images as they are shown. */
  let xy: Float32Array;

  beforeAll(async () => {
    made = await makeMap(folder);
    const html = readFileSync(made.page, "utf8");
    const [, packed] = /id="data">(.*?)<\/script>/s.exec(html) ?? [];
    xy = unpackData(packed ?? "").xy;
    browser = await openChromium();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (view?: View) => browser.open(pathToFileURL(made.page).href, view);
  const text = (tab: Tab, selector: string) =>
    tab.value<string>(`document.querySelector(${JSON.stringify(selector)})?.innerText ?? ""`);
  const count = (tab: Tab, selector: string) =>
    tab.value<number>(`document.querySelectorAll(${JSON.stringify(selector)}).length`);

  /** Where an image is on the screen, the whole map being shown. */
  async function placesOnScreen(tab: Tab): Promise<Point[]> {
    const [left, top, w, h, covered] = await tab.value<number[]>(
      `(() => { const b = document.querySelector(".stage").getBoundingClientRect(); const l = document.querySelector(".legend");
        return [b.left, b.top, b.width, b.height, l.open ? l.offsetWidth : 0]; })()`,
    );
    const size = { width: w, height: h };
    const camera = framed(boxOf(xy), size, Math.min(48, w / 10), w > 3 * covered ? covered : 0);
    return made.paths.map((_, i) => {
      const { x, y } = toScreen(camera, size, xy[2 * i], xy[2 * i + 1]);
      return { x: left + x, y: top + y };
    });
  }

  it("tells counts, shows what it has, and asks for nothing", async () => {
    const tab = await open();
    expect(await text(tab, ".title p")).toContain("36 images");
    expect(await text(tab, "#tab-duplicates")).toBe("Duplicates 1");
    expect(made.report).toMatchObject({ images: 36, missing: 1, duplicates: 1, clusters: 3 });
    expect(await count(tab, ".legend .entry")).toBe(3);
    expect(tab.requests).toEqual([pathToFileURL(made.page).href]);
    expect(tab.complaints).toEqual([]);
  });

  it("lets nothing out, whoever tries", async () => {
    const tab = await open();
    const tries = await tab.value<string[]>(`(async () => {
      const told = [];
      document.addEventListener("securitypolicyviolation", (e) => told.push(e.effectiveDirective));
      await fetch("https://example.invalid/").catch(() => {});
      const image = new Image(); image.src = "https://example.invalid/x.png"; document.body.append(image);
      const script = document.createElement("script"); script.textContent = "window.ran = true"; document.body.append(script);
      await new Promise((done) => setTimeout(done, 100));
      return [...told.toSorted(), String(window.ran)];
    })()`);
    expect(tries).toEqual(["connect-src", "img-src", "script-src-elem", "undefined"]);
  });

  it("paints the pictures in their colours", async () => {
    const tab = await open();
    const places = await placesOnScreen(tab);
    const i = made.paths.indexOf("green/4.png");
    await tab.until(`(() => { const c = document.querySelector(".pictures"); const s = c.getBoundingClientRect();
      const [r, g, b] = c.getContext("2d").getImageData(${places[i].x} - s.left, ${places[i].y} - s.top, 1, 1).data;
      return Math.abs(r - 0x30) < 12 && Math.abs(g - 0xa0) < 12 && Math.abs(b - 0x40) < 12; })()`);
  });

  it("shows the neighbours of a clicked image, nearest first", async () => {
    const tab = await open();
    const { x, y } = (await placesOnScreen(tab))[made.paths.indexOf("red/2.png")];
    await tab.press(x, y);
    expect(await text(tab, ".chosen h2")).toBe("2.png");
    expect(await count(tab, "#panel .item")).toBe(12);
    const told = await tab.value<string[]>(
      `[...document.querySelectorAll("#panel .item")].map((e) => e.getAttribute("aria-label"))`,
    );
    expect(told.slice(0, perKind - 1).every((label) => label.startsWith("red/"))).toBe(true);
    const distances = told.map((label) => Number(/, ([\d.e-]+)/.exec(label)?.[1]));
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    expect(await text(tab, "[role=status]")).toContain("red/2.png; most like it: red/");
  });

  it("lists what a line is drawn around, and hands over the paths", async () => {
    const tab = await open();
    const places = await placesOnScreen(tab);
    const blues = places.filter((_, i) => made.paths[i].startsWith("blue/"));
    const [left, right] = [Math.min(...blues.map((p) => p.x)) - 12, Math.max(...blues.map((p) => p.x)) + 12];
    const [top, low] = [Math.min(...blues.map((p) => p.y)) - 12, Math.max(...blues.map((p) => p.y)) + 12];
    const within = made.paths.filter((_, i) => {
      const { x, y } = places[i];
      return x > left && x < right && y > top && y < low;
    });
    await tab.click(".tool[aria-label^=Lasso]");
    expect(await tab.value(`document.querySelector(".tool[aria-label^=Lasso]").ariaPressed`)).toBe("true");
    await tab.value(`(() => { window.saved = []; const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { blob.text().then((t) => saved.push(t)); return make(blob); }; })()`);
    await tab.drag([
      [left, top],
      [right, top],
      [right, low],
      [left, low],
      [left, top + 1],
    ]);
    expect(await text(tab, "#panel h2")).toBe("Lasso");
    expect(await count(tab, "#panel .item")).toBe(within.length);
    expect(within.length).toBeGreaterThanOrEqual(perKind);
    await tab.click(".saving .button");
    await tab.until("window.saved.length === 1");
    expect(await tab.value<string>("saved[0]")).toBe(within.map((path) => `${path}\n`).join(""));
    await tab.click(".saving .button:nth-child(2)");
    await tab.until("window.saved.length === 2");
    expect(await tab.value<string>("saved[1]")).toMatch(/^path,cluster,folder,x,y\n/);
  });

  it("finds names, and shows HTML in them as text", async () => {
    const tab = await open();
    await tab.key("/");
    await tab.type("onerror");
    expect(await count(tab, "#panel .item")).toBe(1);
    await tab.key("Enter");
    expect(await text(tab, ".chosen h2")).toBe(evil);
    expect(await tab.value<string>("document.title")).not.toBe("caught");
    expect(await count(tab, "img")).toBe(0);
    await tab.key("/");
    await tab.value(`document.querySelector("#search").select()`);
    await tab.type("no such name");
    expect(await text(tab, "#panel")).toContain("No images");
  });

  it("goes on without an image that has gone, and says so", async () => {
    const tab = await open();
    expect(await text(tab, ".remark")).toContain("1 image is not in");
    await tab.click("#search");
    await tab.type("red/5");
    await tab.key("Enter");
    expect(await text(tab, ".chosen h2")).toBe("5.png");
    expect(await count(tab, ".chosen .picture.gone")).toBe(1);
  });

  it("goes by keys alone", async () => {
    const tab = await open();
    await tab.value(`document.querySelector(".surface").focus()`);
    await tab.key("ArrowRight");
    const first = await text(tab, ".chosen h2");
    await tab.key("ArrowRight");
    await tab.key("ArrowUp");
    expect(first).not.toBe("");
    expect(await text(tab, ".chosen .folder")).toMatch(/^(red|green|blue)\/$/);
    await tab.key(" ");
    expect(await text(tab, "#panel h2")).toBe("Picked");
    await tab.key("Escape");
    await tab.key("Escape");
    expect(await text(tab, "#panel")).not.toContain("Picked");
    await tab.value(`document.querySelector("[role=tab][aria-selected=true]").focus()`);
    await tab.key("Home");
    await tab.key("ArrowRight");
    await tab.key("ArrowRight");
    expect(await tab.value(`document.activeElement.id`)).toBe("tab-duplicates");
    expect(await text(tab, "#panel")).toContain("keep");
    await tab.key("ArrowRight");
    expect(await count(tab, "#panel .item")).toBe(9);
    await tab.value(`document.querySelector("#panel .item").focus()`);
    await tab.key("Enter");
    expect(await text(tab, ".chosen h2")).not.toBe("");
    expect(await tab.value(`document.activeElement.id`)).toBe("panel");
  });

  it("colours by what is chosen, and lists a group of the legend", async () => {
    const tab = await open();
    await tab.value(
      `(() => { const s = document.querySelector("#colouring"); s.value = "1"; s.dispatchEvent(new Event("change")); })()`,
    );
    expect(await text(tab, ".groups")).toMatch(/^(red|green|blue)\s+12/);
    await tab.click(".groups li:nth-child(2) .entry");
    expect(await count(tab, "#panel .item")).toBe(perKind);
    expect(await tab.value(`document.querySelector(".groups li:nth-child(2) .entry").ariaPressed`)).toBe(
      "true",
    );
    await tab.click(".groups li:nth-child(2) .entry");
    expect(await text(tab, "#panel")).toContain("Nothing listed");
  });

  it("zooms by wheel and buttons, and back to all", async () => {
    const tab = await open();
    const shot = async () => (await tab.screenshot()).toString("base64");
    await tab.until("true");
    await new Promise((done) => setTimeout(done, 200));
    const before = await shot();
    const { x, y } = (await placesOnScreen(tab))[0];
    await tab.wheel(x, y, -400);
    await tab.click(".tool");
    await new Promise((done) => setTimeout(done, 100));
    expect(await shot()).not.toBe(before);
    await tab.value(`document.querySelector(".surface").focus()`);
    await tab.key("0");
    await tab.value(`document.activeElement.blur()`);
    await tab.drag([[640, 5]]);
    await new Promise((done) => setTimeout(done, 300));
    const places = await placesOnScreen(tab);
    const i = made.paths.indexOf("blue/7.png");
    await tab.press(places[i].x, places[i].y);
    expect(await text(tab, ".chosen h2")).toBe("7.png");
  });

  it.each([false, true])("fits 360 pixels and keeps its contrast (dark: %s)", async (dark) => {
    const tab = await open({ width: 360, height: 700, dark });
    expect(await tab.value("document.documentElement.scrollWidth")).toBeLessThanOrEqual(360);
    await tab.value("document.querySelector('#tab-duplicates').textContent = 'Duplicates 12,345'");
    await tab.value("document.querySelector('#tab-list').textContent = 'List 12,345'");
    expect(
      await tab.value(
        "(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth)(document.querySelector('.tabs'))",
      ),
    ).toBe(0);
    const [low, ...faults] = await tab.value<[number, ...string[]]>(contrastsIn("#map"));
    expect(faults).toEqual([]);
    expect(low).toBeGreaterThanOrEqual(4.5);
    const small = await tab.value<string[]>(
      `[...document.querySelectorAll("button, input, select")].filter((e) => e.checkVisibility() && e.getBoundingClientRect().height < 24).map((e) => e.className)`,
    );
    expect(small).toEqual([]);
  });

  it("has names and roles for those who do not see it", async () => {
    const tab = await open();
    const unnamed = await tab.value<string[]>(
      `[...document.querySelectorAll("button, input, select, [role=application]")]
        .filter((e) => !(e.ariaLabel || e.innerText?.trim() || e.labels?.length)).map((e) => e.outerHTML)`,
    );
    expect(unnamed).toEqual([]);
    for (const role of ["application", "tablist", "tabpanel", "search", "status"])
      expect(await count(tab, `[role=${role}]`)).toBe(1);
    expect(await count(tab, "main, header, aside")).toBe(3);
    expect(await count(tab, "[role=tab][aria-selected=true]")).toBe(1);
    expect(await tab.value(`document.documentElement.lang`)).toBe("en");
  });

  it("shows many images as points, and their pictures out of the folder beside it", async () => {
    const many = mostInOneFile + 200;
    const page = join(folder, "many.html");
    const xy = seededUnits("many", 2 * many);
    const photo = { key: "a", path: Buffer.from(join(folder, "photos/green/0.png")) };
    const inputs = Array.from({ length: many }, () => photo);
    const { thumbnails } = await makeThumbnails(page, inputs, xy, {}, () => {});
    const data: MapData = {
      ...{ title: "many", about: "", notes: [], duplicates: [], outliers: [], thumbnails },
      ...spread(xy),
      paths: inputs.map((_, i) => `${i}.png`),
      neighbours: { k: 0, indices: new Int32Array(0), distances: new Float32Array(0) },
      colourings: [{ name: "Cluster", groups: ["all"], of: new Int32Array(many) }],
    };
    writeFileSync(page, mapPage(data, mapPageParts()));
    const tab = await browser.open(pathToFileURL(page).href);
    expect(tab.requests).toHaveLength(1);
    // Some point is seen on the canvas of points.
    await tab.until(`(() => { const c = document.querySelector(".points"); const s = document.createElement("canvas");
      s.width = c.width; s.height = c.height; const x = s.getContext("2d"); x.drawImage(c, 0, 0);
      return x.getImageData(0, 0, s.width, s.height).data.some((v, i) => i % 4 === 3 && v > 100); })()`);
    for (let i = 0; i < 12; i++) await tab.wheel(560, 430, -400);
    await tab.until(`(() => { const c = document.querySelector(".pictures").getContext("2d");
      try { return c.getImageData(0, 0, c.canvas.width, c.canvas.height).data.some((v, i) => i % 4 === 3 && v > 100); }
      catch (e) { return e.name === "SecurityError"; } })()`);
    const files = tab.requests.slice(1);
    expect(files.length).toBeGreaterThan(0);
    expect(files.length).toBeLessThan(thumbnails.sheets.length);
    expect(files.every((url) => url.includes("/many_files/"))).toBe(true);
    expect(tab.complaints).toEqual([]);
  });
});
