/** `doctor`: what this machine has, and whether it computes. */
import { readFileSync } from "node:fs";
import { cpus, freemem, totalmem } from "node:os";
import { requireOwn } from "../bundle.mjs";
import { compile } from "../engine/compile.ts";
import { variablesOf } from "../engine/graph.ts";
import { ExitCode } from "../errors.ts";
import { buildNetwork, findModel } from "../nets/index.ts";
import { seededWeights } from "../nets/seeded-weights.ts";
import { openTuned } from "../network/tuned.ts";
import { toolName, toolVersion } from "../node/package.ts";
import { nodePlatform } from "../node/platform.ts";
import type { AddCommand } from "./command.ts";
import { byteCount } from "./progress.ts";

interface Checked {
  readonly backend: string;
  readonly adapter?: string;
  readonly caps?: object;
  /** Layers whose kernels were measured on it. */
  readonly tunedLayers?: number;
  /** Milliseconds of one image of mobilenet_v1_025, the best of three. */
  readonly milliseconds?: number;
  readonly error?: string;
}

/** Opens a device and computes one small network on it. */
async function check(backend: "webgpu" | "cpu"): Promise<Checked> {
  try {
    const device = await openTuned(backend, nodePlatform);
    try {
      const model = findModel("mobilenet_v1_025");
      const graph = buildNetwork(model, 1);
      const session = await device.load(
        compile(graph, [model.featureEndPoint]),
        await seededWeights(model.name, variablesOf(graph), nodePlatform.own.statistics),
      );
      const input = new Float32Array(model.inputSize ** 2 * model.inputChannels).fill(0.5);
      const times: number[] = [];
      for (let i = 0; i < 3; i++) {
        const began = performance.now();
        await session.run([input]);
        times.push(performance.now() - began);
      }
      session.close();
      const { adapter, caps, tuning } = device;
      return {
        backend,
        adapter,
        caps: backend === "webgpu" ? { ...caps, matrices: caps.matrices !== undefined } : undefined,
        tunedLayers: tuning && Object.keys(tuning.tiles).length,
        milliseconds: Math.min(...times),
      };
    } finally {
      await device.close();
    }
  } catch (error) {
    return { backend, error: error instanceof Error ? error.message : String(error) };
  }
}

/** The installed version of a package. */
function versionOf(name: string): string {
  try {
    const path = requireOwn.resolve.paths(name)?.map((p) => `${p}/${name}/package.json`) ?? [];
    for (const candidate of path) {
      try {
        return (JSON.parse(readFileSync(candidate, "utf8")) as { version: string }).version;
      } catch {
        // Not in this folder.
      }
    }
  } catch {
    // Not to be found at all.
  }
  return "not installed";
}

export const addDoctor: AddCommand = (program, io, exit) => {
  program
    .command("doctor")
    .description("say what this machine has: adapters, limits, versions, memory, one timed network")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  npm run doctor")
    .action(async ({ json }: { json?: boolean }) => {
      const devices = [await check("webgpu"), await check("cpu")];
      const facts = {
        [toolName]: toolVersion,
        node: process.version,
        platform: `${process.platform} ${process.arch}`,
        processor: `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}`,
        memory: `${byteCount(totalmem())}, ${byteCount(freemem())} free`,
        sharp: versionOf("sharp"),
        webgpu: versionOf("webgpu"),
      };
      if (json) await io.out(`${JSON.stringify({ ...facts, devices }, null, 2)}\n`);
      else {
        for (const [name, fact] of Object.entries(facts)) await io.out(`${name}: ${fact}\n`);
        for (const d of devices) {
          const speed =
            d.milliseconds === undefined ? "" : `, mobilenet_v1_025 in ${d.milliseconds.toFixed(1)} ms`;
          await io.out(`${d.backend}: ${d.error ?? `${d.adapter}${speed}`}\n`);
          if (d.backend === "webgpu" && !d.error) {
            const told = d.tunedLayers
              ? `${d.tunedLayers} layers were measured`
              : "nothing was measured; see npm run tune";
            await io.out(`  kernels: ${told}\n`);
          }
          for (const [limit, value] of Object.entries(d.caps ?? {})) await io.out(`  ${limit}: ${value}\n`);
        }
      }
      if (devices.every((d) => d.error)) exit(ExitCode.device);
    });
};
