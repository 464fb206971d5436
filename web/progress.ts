/** How far a run is, in words and a bar. */

import { counted } from "../src/counted.ts";
import { type Child, h } from "../src/page/view/elements.ts";
import { megabytes } from "./controls.ts";
import type { Run } from "./run.ts";

const duration = (seconds: number): string =>
  seconds < 60
    ? `${Math.ceil(seconds)} s`
    : seconds < 3600
      ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`
      : `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;

const phases = {
  new: "Ready",
  opening: "Loading the network",
  running: "Computing",
  stopped: "Stopped: what was computed is here, and you can go on",
  done: "Done",
  failed: "Ended by an error: what was computed is here",
} as const;

/** What is told of a run, and of what went wrong besides. */
export function progressOf(run: Run | undefined, fault: string | undefined): Child[] {
  const parts: Child[] = [];
  if (run) {
    const { phase, done, total, rate, bytes } = run.state;
    const share =
      phase === "opening" ? (bytes?.total ? bytes.done / bytes.total : 0) : total > 0 ? done / total : 0;
    const bar = h("progress", { aria: { label: phases[phase] } });
    bar.max = 1;
    bar.value = share;
    const facts = [
      phase === "opening" && bytes
        ? `${bytes.file}: ${megabytes(bytes.done)}${bytes.total ? ` of ${megabytes(bytes.total)}` : ""}`
        : `${done.toLocaleString("en")} of ${counted(total, "image")}`,
      rate !== undefined && `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} images a second`,
      rate !== undefined && total > done && `${duration((total - done) / rate)} left`,
      run.failures.length > 0 && `${run.failures.length.toLocaleString("en")} failed`,
    ].filter((text) => typeof text === "string");
    parts.push(h("h2", {}, phases[phase]), bar, h("p", { class: "facts" }, facts.join(" · ")));
    const { extractor } = run;
    if (extractor) {
      const where = extractor.backend === "webgpu" ? `WebGPU (${extractor.adapter})` : "the processor";
      parts.push(
        h(
          "p",
          { class: "soft" },
          `${extractor.model}, ${extractor.endPoints[0].name} [${extractor.endPoints[0].shape.join(", ")}], on ${where}. ${extractor.preprocess}. JPEG is decoded by the method "${run.jpeg}".`,
        ),
      );
    }
    for (const sentence of run.notices.slice(-3)) parts.push(h("p", { class: "soft" }, sentence));
    if (run.state.fault) parts.push(h("p", { class: "fault", role: "alert" }, run.state.fault));
    if (run.failures.length > 0) parts.push(failuresOf(run));
  }
  if (fault !== undefined) parts.push(h("p", { class: "fault", role: "alert" }, fault));
  return parts;
}

const failuresOf = ({ failures }: Run) =>
  h(
    "details",
    {},
    h("summary", {}, `${counted(failures.length, "image")} without features`),
    h("ul", {}, ...failures.slice(0, 50).map(({ reason }) => h("li", {}, reason))),
  );
