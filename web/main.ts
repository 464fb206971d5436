/** The page: images in, features and a map of them out, and nothing leaves this machine. */
import "../src/page/view/map.css";
import "./style.css";
import { counted } from "../src/counted.ts";
import { type Child, h, save as saveText } from "../src/page/view/elements.ts";
import { checkpoints, type KeptCheckpoint, type WebExtractorOptions } from "../src/web/index.ts";
import { ask } from "./asking.ts";
import type { NetworkRow } from "./calls.ts";
import { button, choice, field, filePicker, megabytes } from "./controls.ts";
import { type Dropped, droppedFiles, sortOut, wordsOf } from "./dropped.ts";
import { openMap } from "./mapped.ts";
import { metadataOf } from "./metadata.ts";
import { networkTable } from "./networks.ts";
import { progressOf } from "./progress.ts";
import { createRun, type Run } from "./run.ts";

const root = document.getElementById("page") as HTMLElement;
const mapRoot = document.getElementById("map") as HTMLElement;

let images: Dropped[] = [];
let given: Dropped[] = [];
let kept: readonly KeptCheckpoint[] = [];
let run: Run | undefined;
/** What the run was begun with: another wish begins another. */
let begun = "";

const status = h("p", { class: "offscreen", role: "status", aria: { live: "polite" } });
const say = (sentence: string) => {
  status.textContent = sentence;
};

// The parts of the page, top to bottom.

const imageCount = h("p", { class: "told" });
const dropZone = h(
  "div",
  { class: "drop", id: "drop" },
  h("p", { class: "big" }, "Drop images or folders here"),
  h("p", { class: "soft" }, "JPEG, PNG, WebP, GIF and BMP. They are read in this tab and go nowhere."),
  h(
    "p",
    { class: "buttons" },
    filePicker("images", "Choose images", false, take),
    filePicker("folder", "Choose a folder", true, take),
  ),
  imageCount,
);

const table = networkTable(() => refresh());
const endPoint = h("input", { id: "end-point", type: "text", placeholder: "the network's own" });
endPoint.spellcheck = false;
const preprocess = choice("preprocess", [
  ["slim", "slim: as TF-Slim evaluates it"],
  ["resize", "resize: the whole image"],
  ["inception", "inception: crop 0.875, -1 to 1"],
  ["vgg", "vgg: short side 256, means taken off"],
  ["seed", "seed: raw 0 to 255"],
]);
const device = choice("device", [
  ["auto", "auto: a GPU where there is one"],
  ["webgpu", "WebGPU"],
  ["cpu", "the processor"],
]);
const checkpointBox = h("div", { class: "checkpoint" });
const start = h("button", {
  class: "primary wide",
  type: "button",
  id: "start",
  on: { click: () => void begin() },
});
const progress = h("section", { class: "card", id: "progress", aria: { label: "Progress" } });
const results = h("section", { class: "card", id: "results", aria: { label: "Results" } });

function optionsNow(): WebExtractorOptions {
  const model = table.chosen();
  const keptName = given.length === 0 ? table.keptName() : undefined;
  const layer = endPoint.value.trim();
  return {
    device: device.value as WebExtractorOptions["device"],
    preprocess: preprocess.value as WebExtractorOptions["preprocess"],
    layers: hasClasses() ? [layer || "features", "logits"] : [layer || "features"],
    ...(given.length > 0 && { checkpoint: given.map(({ file }) => file) }),
    ...(keptName !== undefined && { checkpoint: keptName }),
    ...(model !== undefined && { model }),
  };
}

/** Whether the network tells ImageNet's classes for certain: the one whose weights are included. */
const hasClasses = () =>
  given.length === 0 && table.chosen() === "mobilenet_v1" && endPoint.value.trim() !== "logits";

const keyOf = () =>
  JSON.stringify([
    { ...optionsNow(), checkpoint: given.map(({ path, file }) => [path, file.size, file.lastModified]) },
    table.keptName(),
  ]);

/** What became of the files that came last. */
let taken = "";

function take(files: readonly Dropped[]): void {
  const sorted = sortOut(files, images);
  images = [...images, ...sorted.images];
  if (sorted.checkpoint.length > 0) giveCheckpoint(sorted.checkpoint);
  run?.add(sorted.images);
  taken = wordsOf(sorted);
  say(taken);
  refresh();
}

function giveCheckpoint(files: Dropped[]): void {
  given = files;
  table.tell();
  refresh();
}

async function keepGiven(): Promise<void> {
  const name = given.map(({ file }) => file.name)[0].replace(/\.(index|data-.*|meta)$/, "");
  try {
    await checkpoints.keep(
      name,
      given.map(({ file }) => file),
    );
    say(`${name} is kept in this browser.`);
  } catch (error) {
    fail(error);
  }
  await listKept();
}

async function listKept(): Promise<void> {
  try {
    kept = await checkpoints.list();
  } catch {
    // A private window keeps nothing, which only matters to whoever wants it.
    kept = [];
  }
  table.setKept(kept.map(({ name }) => name));
  refresh();
}

function showCheckpoint(): void {
  const own: Child[] =
    given.length > 0
      ? [
          h("p", {}, `Given: ${given.map(({ path }) => path).join(", ")}`),
          h(
            "p",
            { class: "buttons" },
            button("Keep it in this browser", () => void keepGiven()),
            button("Leave it out", () => giveCheckpoint([])),
          ),
        ]
      : [
          h(
            "p",
            { class: "soft" },
            "A TensorFlow checkpoint of your own: .ckpt, .index with its .data files, .tar.gz, or a frozen .pb.",
          ),
          h(
            "p",
            { class: "buttons" },
            filePicker("checkpoint", "Choose a checkpoint", false, giveCheckpoint),
          ),
        ];
  const list = kept.map(({ name, bytes }) =>
    h(
      "li",
      {},
      h("span", {}, `${name} · ${megabytes(bytes)}`),
      button("Remove", () => void checkpoints.remove(name).then(listKept, fail), "link"),
    ),
  );
  checkpointBox.replaceChildren(
    ...(own as Node[]),
    ...(list.length > 0 ? [h("h3", {}, "Kept in this browser"), h("ul", { class: "kept" }, ...list)] : []),
  );
}

/** Sentences about the page itself that are shown until the next run. */
let fault: string | undefined;

function fail(error: unknown): void {
  const { message, hint } = error as { message: string; hint?: string };
  fault = [message, hint].filter(Boolean).join(" ");
  say(fault);
  refresh();
}

/** Whether a run is being made ready: another press, as of a double click, would begin a second one beside it. */
let beginning = false;

async function begin(): Promise<void> {
  if (beginning) return;
  fault = undefined;
  const active = run && (run.state.phase === "running" || run.state.phase === "opening");
  if (active) {
    run?.stop();
    return;
  }
  beginning = true;
  let own: Run;
  try {
    own = await runToGo();
  } catch (error) {
    fail(error);
    return;
  } finally {
    beginning = false;
  }
  say("The run has begun.");
  await own.go();
  const { phase, done } = own.state;
  if (phase === "done") say(done === 1 ? "The image is done." : `All ${counted(done, "image")} are done.`);
  if (phase === "stopped") say(`Stopped after ${counted(done, "image")}.`);
  refresh();
}

/** The run that goes on, or another where something else is wished. */
async function runToGo(): Promise<Run> {
  if (images.length === 0) await addSamples();
  if (run && begun === keyOf()) return run;
  await run?.close();
  begun = keyOf();
  run = createRun(optionsNow(), refreshSoon);
  run.add(images);
  return run;
}

/** The project's own pictures, for whoever only wants to see it work. */
async function addSamples(): Promise<void> {
  const sample = async (name: string) => {
    const answer = await fetch(new URL(`../samples/${name}`, import.meta.url));
    if (answer.ok) return answer;
    throw new Error(
      `The sample ${name} is not on this site: it answered ${answer.status}. Choose images of your own.`,
    );
  };
  const names = (await (await sample("list.json")).json()) as string[];
  const files = await Promise.all(
    names.map(async (name) => {
      const blob = await (await sample(name)).blob();
      return { path: name, file: new File([blob], name, { type: blob.type }) };
    }),
  );
  take(files);
}

function showProgress(): void {
  progress.hidden = !run && fault === undefined;
  if (!progress.hidden) progress.replaceChildren(...(progressOf(run, fault) as Node[]));
}

const formatNames = ["npy", "npz", "parquet", "csv", "pkl"];

async function saveAs(format: string): Promise<void> {
  if (!run?.rows || !run.extractor) return;
  const metadata = metadataOf(run, format);
  const blob = await ask("save", { ...rowsOf(run), format, metadata });
  const address = URL.createObjectURL(blob);
  const link = h("a", {});
  link.href = address;
  link.download = `features.${format}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  if (format === "npy") {
    const beside = { ...metadata, paths: run.paths };
    saveText("features.npy.json", `${JSON.stringify(beside, null, 2)}\n`, "application/json");
  }
  say(`features.${format} is saved.`);
}

const rowsOf = (from: Run) => ({
  paths: [...from.paths],
  shape: from.extractor?.endPoints[0].shape ?? [],
  data: from.rows?.all() ?? new Float32Array(0),
});

let drawing = false;

async function showMap(): Promise<void> {
  if (!run?.extractor || drawing) return;
  drawing = true;
  refresh();
  try {
    const { model, endPoints, weights } = run.extractor;
    const untrained =
      weights.kind === "seeded" ? ["The weights are untrained: what is near here means nothing."] : [];
    const laidOut = await ask("map", {
      ...rowsOf(run),
      about: `${model} ${endPoints[0].name}`,
      notes: untrained,
      ...(run.classes.length > 0 && { classes: Int32Array.from(run.classes) }),
    });
    openMap(root, mapRoot, { ...laidOut, thumbnails: await run.pictures.thumbnails() });
  } catch (error) {
    fail(error);
  } finally {
    drawing = false;
    refresh();
  }
}

function showResults(): void {
  const count = run?.paths.length ?? 0;
  const busy = run?.state.phase === "running" || run?.state.phase === "opening";
  results.hidden = count === 0 || busy;
  if (results.hidden) return;
  const show = button(drawing ? "Laying out the map …" : "Show the map", () => void showMap(), "primary");
  show.id = "show-map";
  show.disabled = drawing;
  results.replaceChildren(
    h("h2", {}, `Features of ${counted(count, "image")}`),
    h("p", { class: "buttons" }, show),
    h(
      "p",
      { class: "soft" },
      "Save them for Python, a database or a spreadsheet, in the same bytes as the command line writes:",
    ),
    h(
      "p",
      { class: "buttons", role: "group", aria: { label: "Save features" } },
      ...formatNames.map((format) => button(format, () => void saveAs(format).catch(fail))),
    ),
  );
}

let due = 0;

/** A run tells of each image: the page follows a few times a second. */
function refreshSoon(): void {
  due ||= window.setTimeout(refresh, 120);
}

function refresh(): void {
  window.clearTimeout(due);
  due = 0;

  const here = images.length > 0 ? `${counted(images.length, "image")} here.` : "";
  imageCount.textContent = [here, taken].filter(Boolean).join(" ");
  const phase = run?.state.phase;
  const same = run !== undefined && begun === keyOf();
  start.textContent =
    phase === "running" || phase === "opening"
      ? "Stop"
      : images.length === 0
        ? "Try it with sample images"
        : same && (phase === "stopped" || phase === "failed")
          ? "Go on"
          : same && run && run.state.done < run.state.total
            ? "Compute the new images"
            : "Compute features";
  const all = same && phase === "done" && run?.state.done === run?.state.total;
  if (all) start.textContent = "All done";
  start.disabled = all;
  table.given(given.length > 0);
  showCheckpoint();
  showProgress();
  showResults();
}

root.append(
  h(
    "header",
    { class: "front" },
    h("p", { class: "mark" }, "slimfeatures"),
    h("h1", {}, "Image features, computed in this tab"),
    h(
      "p",
      { class: "lead" },
      "Pretrained TensorFlow networks as they were published, on your GPU or processor. Nothing is installed, and no image leaves this machine: the page may send nothing anywhere.",
    ),
  ),
  h(
    "main",
    { class: "cards" },
    h(
      "div",
      { class: "column" },
      h(
        "section",
        { class: "card", aria: { label: "Images" } },
        h("h2", {}, "Images"),
        dropZone,
        h("p", { class: "start-row" }, start),
      ),
      progress,
      results,
    ),
    h(
      "section",
      { class: "card", aria: { label: "Network" } },
      h("h2", {}, "Network"),
      table.element,
      h(
        "div",
        { class: "fields" },
        field("End point", endPoint, "by TF-Slim's names, or: features, logits, penultimate"),
        field("Preprocessing", preprocess),
        field("Computed by", device),
      ),
      h("h3", {}, "Weights"),
      checkpointBox,
    ),
  ),
  status,
);
for (const input of [endPoint, preprocess, device]) input.addEventListener("change", refresh);

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  dropZone.classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) dropZone.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  dropZone.classList.remove("over");
  if (event.dataTransfer) void droppedFiles(event.dataTransfer).then(take, fail);
});

function setNetworks(networks: readonly NetworkRow[]): void {
  table.fill(networks);
  refresh();
}
void ask("networks", undefined).then(setNetworks, fail);
void listKept();
refresh();

// What the site gave is kept, so that the page works without a network, and on hosts that set no headers.
if ("serviceWorker" in navigator) {
  void navigator.serviceWorker.register(new URL("../service.js", import.meta.url)).catch(() => {});
}
