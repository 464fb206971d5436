/** `tune`: measures which kernels are best on this machine's GPU, and keeps that. */
import { InvalidArgumentError, Option } from "commander";
import { compile } from "../engine/compile.ts";
import { tune } from "../engine/tune.ts";
import { buildNetwork, findModel, usualModel } from "../nets/index.ts";
import { nodePlatform } from "../node/platform.ts";
import type { AddCommand } from "./command.ts";
import { stoppable } from "./signals.ts";

interface Flags {
  readonly batch: readonly number[];
  readonly precision: "f32" | "f16";
}

function batches(text: string): number[] {
  const list = text.split(",").map(Number);
  if (list.every((n) => Number.isInteger(n) && n >= 1)) return list;
  throw new InvalidArgumentError("whole numbers from 1 on are wanted, such as 1,8,32.");
}

export const addTune: AddCommand = (program, io) => {
  program
    .command("tune")
    .description(
      "measure which kernels are fastest on this GPU, layer by layer, and keep that for later runs",
    )
    .argument("[models...]", "the networks; the one that comes with the program when left out")
    .option("--batch <list>", "images computed at once that are measured", batches, [1, 8, 32])
    .addOption(
      new Option("--precision <type>", "weights in float32 or in half precision")
        .choices(["f32", "f16"])
        .default("f32"),
    )
    .addHelpText(
      "after",
      `
Kernels are chosen by an estimate where nothing was measured. What is measured is kept in the user's cache folder, by
adapter, driver and version of the program; delete the file that is printed to forget it. Algorithms that are chosen by
measurement change features in their last bits, so a device's name says which measurement it goes by.

Example:
  npm run tune -- inception_v1 resnet_v1_50`,
    )
    .action(async (names: string[], { batch, precision }: Flags) => {
      const models = (names.length > 0 ? names : [usualModel]).map(findModel);
      const { openWebGpu } = await import("../engine/webgpu/device.ts");
      const { readTuning, writeTuning } = await import("../node/tuned.ts");
      const device = await openWebGpu(nodePlatform, { limits: { halfWeights: precision === "f16" } });
      try {
        io.err(`webgpu: ${device.adapter}\n`);
        const adapter = device.identity;
        let tuning = (await readTuning(adapter)) ?? { adapter, variants: {}, tiles: {} };
        await stoppable(io, async (signal) => {
          for (const model of models) {
            const programOf = (n: number) => compile(buildNetwork(model, n), [model.featureEndPoint]);
            const measured = (done: number, of: number, sentence: string) =>
              io.err(`${model.name} ${done}/${of}  ${sentence}\n`);
            tuning = await tune(device, programOf, tuning, { batches: batch, signal, measured });
            // Kept after each network: what was measured is not lost with the next.
            await writeTuning(tuning);
            if (signal.aborted) break;
          }
        });
        await io.out(`${await writeTuning(tuning)}\n`);
      } finally {
        await device.close();
      }
    });
};
