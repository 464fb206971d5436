/** Scenarios of devices: faults at random places, held against the features that an undisturbed device gives. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DeviceError } from "../../src/errors.ts";
import { extract } from "../../src/extract/extract.ts";
import { ownRooms } from "../../src/extract/rooms.ts";
import { readFeatures } from "../../src/tables/readers/index.ts";
import { type Fault, type FaultKind, faultyDevices } from "../support/faulty-devices.ts";
import { openNetwork } from "../support/node.ts";
import { drawJpeg } from "../support/runs.ts";
import { pick, type Random, type Scenario } from "./scenario.ts";

const images = 24;
const kinds: readonly FaultKind[] = ["lost", "memory", "compile", "gone", "nan"];

/** A fault that strikes once, for a while, for large batches only, or always. */
function drawFault(random: Random): Fault {
  const kind = pick(random, kinds);
  const on =
    kind === "gone" ? "open" : kind === "nan" ? "run" : pick(random, ["open", "load", "run"] as const);
  const from = 1 + Math.floor(4 * random());
  const to = from + Math.floor(3 * random());
  const most = 1 + Math.floor(8 * random());
  const when = pick<Fault["when"]>(random, [
    (nth) => nth === from,
    (nth) => nth >= from && nth <= to,
    (nth) => nth >= from,
    (nth, batch) => nth >= from && batch > most,
  ]);
  return { on, kind, when };
}

/** Draws the images and computes them undisturbed on every device. */
export async function prepareFaults(folder: string): Promise<Scenario> {
  for (let i = 0; i < images; i++) await drawJpeg(join(folder, "in", `${i}.jpg`), `device ${i}`);

  /** Extracts on devices that fail as planned; gives rows by path, with their devices, and failures. */
  async function run(out: string, device: "auto" | "webgpu" | "cpu", faults: readonly Fault[]) {
    const devices = faultyDevices(faults);
    const report = await extract(
      {
        ...{ model: "lenet", weights: "seeded", preprocess: "slim", exif: "auto", format: "npy" },
        ...{ device, batchSize: 8, inputs: join(folder, "in"), out },
      },
      { ...ownRooms, openNetwork: (options) => openNetwork({ ...options, openDevice: devices.open }) },
    ).catch((error: unknown) => {
      if (error instanceof DeviceError) return error;
      throw error;
    });
    const findings = devices.openNow === 0 ? [] : [`${devices.openNow} devices were left open`];
    if (report instanceof DeviceError) return { findings, struck: devices.struck, error: report };
    const [{ metadata }] = report.files;
    const begun = `${metadata.backend} ${metadata.adapter}`;
    const records = readFileSync(`${out}.manifest.jsonl`, "utf8").trimEnd().split("\n");
    const deviceOf = new Map(
      records.map((line) => JSON.parse(line)).map((r) => [r.path, r.device ?? begun] as const),
    );
    const rows = new Map<string, { device: string; feature: string }>();
    for await (const { path, data } of readFeatures(out)) {
      rows.set(path, { device: deviceOf.get(path) ?? "", feature: Array.from(data).join() });
    }
    return { findings, struck: devices.struck, rows };
  }

  const truth = new Map<string, Map<string, { device: string; feature: string }>>();
  for (const device of ["cpu", "webgpu"] as const) {
    const { rows } = await run(join(folder, `${device}.npy`), device, []);
    const label = rows?.values().next().value?.device;
    if (rows?.size !== images || label === undefined) throw new Error(`${device} does not work undisturbed`);
    truth.set(label, rows);
  }

  return async ({ random, figures, folder }) => {
    const device = pick(random, ["auto", "webgpu"] as const);
    const faults = Array.from({ length: 1 + Math.floor(2 * random()) }, () => drawFault(random));
    const out = join(folder, "f.npy");
    const plan = faults.map((f) => `${f.kind} on ${f.on}`).join(", ");
    const told = (findings: readonly string[]) => findings.map((f) => `${plan}, --device ${device}: ${f}`);
    const first = await run(out, device, faults);
    figures.deviceFaults += first.struck.length;
    if (first.error && device === "auto") return told([`auto gives up: ${first.error.message}`]);
    const findings = [...first.findings];
    let { rows } = first;
    if (!rows) {
      const again = await run(out, device, []);
      findings.push(...again.findings);
      rows = again.rows;
      if (!rows) return told([...findings, `it does not go on afterwards: ${again.error?.message}`]);
    }
    // A number that a device got wrong once costs its image.
    const lost = first.struck.filter((kind) => kind === "nan").length;
    if (rows.size < images - lost)
      findings.push(`${rows.size} rows of ${images}, with ${lost} that may lack`);
    for (const [path, { device: by, feature }] of rows) {
      if (truth.get(by)?.get(path)?.feature !== feature) findings.push(`${path} is not what ${by} computes`);
      if (device === "webgpu" && !by.startsWith("webgpu")) findings.push(`${path} was computed by ${by}`);
    }
    return told(findings);
  };
}
