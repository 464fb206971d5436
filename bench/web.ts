/**
 * A long run in the page, in Chromium: `node --import tsx bench/web.ts [images]`, 2,000 when left out. Tells images a second and
 * the memory of the page as it goes, which must not grow with the images.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { servePage } from "../test/support/served.ts";
import { openChromium } from "../test/support/tabs.ts";

const count = Number(process.argv[2] ?? 2000);
const scratch = await mkdtemp(join(tmpdir(), "slimfeatures-web-"));
const served = await servePage(join(scratch, "site"));
const browser = await openChromium();
const wait = (seconds: number) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
try {
  const tab = await browser.open(served.address);
  await tab.until("document.querySelectorAll('.networks tbody tr').length > 5");
  await tab.value(`(async () => {
    const names = (await (await fetch("samples/list.json")).json()).filter((name) => name.endsWith(".jpg"));
    const blobs = await Promise.all(names.map(async (name) => (await fetch("samples/" + name)).blob()));
    const chosen = new DataTransfer();
    for (let i = 0; i < ${count}; i++) chosen.items.add(new File([blobs[i % blobs.length]], i + ".jpg"));
    const input = document.querySelector("#images");
    input.files = chosen.files;
    input.dispatchEvent(new Event("change"));
  })()`);
  const began = performance.now();
  await tab.click("#start");
  for (;;) {
    await wait(10);
    const [heading, facts, used] = await tab.value<[string, string, number]>(
      "[document.querySelector('#progress h2').textContent, document.querySelector('#progress .facts').textContent, performance.memory.usedJSHeapSize]",
    );
    const seconds = (performance.now() - began) / 1000;
    console.log(
      `${seconds.toFixed(0).padStart(4)} s  ${heading}: ${facts}  (${(used / 1e6).toFixed(0)} MB of JavaScript)`,
    );
    if (/^(Done|Ended)/.test(heading)) break;
  }
} finally {
  await browser.close();
  await served.close();
  await rm(scratch, { recursive: true, force: true });
}
