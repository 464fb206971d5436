/** Makes the pictures of the page that stand in docs/pictures: `node --import tsx scripts/draw-web.ts`. It needs Chromium, as scripts/draw-map.ts does. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { servePage } from "../test/support/served.ts";
import { openChromium, type Tab, type View } from "../test/support/tabs.ts";

const target = resolve(import.meta.dirname, "../docs/pictures");

const pictures: readonly { readonly name: string; readonly view: View; readonly run: boolean }[] = [
  { name: "web-light.png", view: { width: 1180, height: 1250 }, run: true },
  { name: "web-dark-360.png", view: { width: 360, height: 1000, scale: 2, dark: true }, run: false },
];

async function run(tab: Tab): Promise<void> {
  await tab.click("#start");
  await tab.until(
    "document.querySelector('#results h2') !== null && !document.querySelector('#results').hidden",
  );
  await tab.value("(document.activeElement.blur(), scrollTo(0, 0))");
}

const scratch = await mkdtemp(join(tmpdir(), "slimfeatures-web-"));
const served = await servePage(join(scratch, "site"));
const browser = await openChromium();
try {
  await mkdir(target, { recursive: true });
  for (const { name, view, run: runs } of pictures) {
    const tab = await browser.open(served.address, view);
    await tab.until("document.querySelectorAll('.networks tbody tr').length > 5");
    if (runs) await run(tab);
    const bytes = await tab.screenshot();
    await writeFile(join(target, name), bytes);
    console.log(`${join(target, name)}: ${Math.round(bytes.length / 1000)} kB`);
  }
} finally {
  await browser.close();
  await served.close();
  await rm(scratch, { recursive: true, force: true });
}
