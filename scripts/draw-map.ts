/**
 * Makes the pictures of a map that stand in docs/pictures: `node --import tsx scripts/draw-map.ts`. Its images are pieces of the
 * project's own samples and, where they lie in ../shared, of photographs that anybody may use (CC0 or public domain: see the
 * README there). It needs Chromium, which a development dependency holds for Linux on x64.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { extract, mapFeatures } from "../src/index.ts";
import { cutUp } from "../test/support/pieces.ts";
import { openChromium, type Tab } from "../test/support/tabs.ts";

const root = resolve(import.meta.dirname, "..");
const target = join(root, "docs/pictures");

/** Photographs of what the network has classes for. */
const photographed = /^(camera|chelsea|coffee|rocket)\./;

async function shoot(tab: Tab, name: string): Promise<void> {
  await new Promise((done) => setTimeout(done, 600));
  const bytes = await sharp(await tab.screenshot())
    .webp({ quality: 82 })
    .toBuffer();
  await mkdir(target, { recursive: true });
  await writeFile(join(target, name), bytes);
  console.log(`${join(target, name)}: ${Math.round(bytes.length / 1000)} kB`);
}

const scratch = await mkdtemp(join(tmpdir(), "slimfeatures-map-"));
try {
  const images = join(scratch, "photos");
  await cutUp(join(root, "samples"), /\.(jpg|png|bmp)$/, 5, images);
  const photographs = resolve(root, "../shared/reference/real/images");
  if (existsSync(photographs)) await cutUp(photographs, photographed, 40, images);
  const features = join(scratch, "photos.npy");
  await extract({ inputs: images, out: features, device: "cpu" });
  const page = join(scratch, "map.html");
  console.log(await mapFeatures({ features, out: page }));
  const browser = await openChromium();
  try {
    const url = pathToFileURL(page).href;
    const light = await browser.open(url, { width: 1280, height: 800, scale: 1.5 });
    await light.click("#search");
    await light.type("chelsea-07");
    await light.key("Enter");
    await light.click("#search");
    await light.key("Escape");
    await light.value(
      "document.querySelector('#search').value = ''; document.querySelector('#search').dispatchEvent(new Event('input'))",
    );
    await light.click("#tab-image");
    await shoot(light, "map.webp");
    const dark = await browser.open(url, { width: 360, height: 720, scale: 2, dark: true });
    await shoot(dark, "map-dark.webp");
  } finally {
    await browser.close();
  }
} finally {
  await rm(scratch, { recursive: true, force: true });
}
