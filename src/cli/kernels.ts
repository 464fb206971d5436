/** `kernels`: which kernel computes each layer of a network on this machine, and why. */
import { Option } from "commander";
import { type KernelChoice, kernelChoices } from "../engine/choices.ts";
import { compile } from "../engine/compile.ts";
import { buildNetwork, findModel } from "../nets/index.ts";
import { openTuned } from "../network/tuned.ts";
import { nodePlatform } from "../node/platform.ts";
import { formatShape } from "../tensor.ts";
import type { AddCommand } from "./command.ts";
import { wholeNumber } from "./numbers.ts";
import { type Column, textTable } from "./table.ts";

const megas = (work: number | undefined) => (work === undefined ? "" : (work / 1e6).toFixed(3));

const columns: readonly Column<KernelChoice>[] = [
  { title: "layer", cell: ({ step }) => step.scope },
  { title: "operation", cell: ({ step }) => step.op },
  { title: "output", right: true, cell: ({ step }) => formatShape(step.shape) },
  { title: "kernel", cell: ({ name }) => name },
  { title: "tile", cell: ({ tile }) => tile ?? "" },
  {
    title: "chosen by",
    cell: ({ measured, work }) => (measured ? "measurement" : work === undefined ? "" : "estimate"),
  },
  { title: "M work", right: true, cell: ({ work }) => megas(work) },
  {
    title: "fit too",
    cell: ({ others }) =>
      others.map(({ name, work }) => (work === undefined ? name : `${name} ${megas(work)}`)).join(", "),
  },
];

interface Flags {
  readonly device: "webgpu" | "cpu";
  readonly batch: number;
  readonly json?: boolean;
}

export const addKernels: AddCommand = (program, io) => {
  program
    .command("kernels")
    .description("list which kernel computes each layer of a network here, and what else fits")
    .argument("<model>", "the network, such as inception_v1")
    .addOption(
      new Option("--device <device>", "what would compute").choices(["webgpu", "cpu"]).default("webgpu"),
    )
    .option("--batch <n>", "images computed at once, by which tiles are chosen", wholeNumber(4096), 1)
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      `
The kernel of least estimated work is taken, whatever the batch, so that a feature's bits do not depend on it; where
an operation's kernels give no estimate, the first that fits. Work counts instructions, or nanoseconds on a GPU, where
"npm run tune" measures instead of estimating. The ideas behind the kernels stand below the table.

Example:
  npm run kernels -- inception_v1 --device cpu`,
    )
    .action(async (name: string, { device: backend, batch, json }: Flags) => {
      const model = findModel(name);
      const network = compile(buildNetwork(model, batch), [model.featureEndPoint]);
      const device = await openTuned(backend, nodePlatform);
      try {
        const choices = kernelChoices(network, backend, device.caps, device.tuning);
        if (json) {
          const records = choices.map(({ step: { scope, op, shape }, ...rest }) => ({
            layer: scope,
            op,
            shape,
            ...rest,
          }));
          return await io.out(`${JSON.stringify(records, null, 2)}\n`);
        }
        io.err(`${device.backend}: ${device.adapter}\n`);
        await io.out(textTable(columns, choices));
        const ideas = new Map(choices.map(({ step, name, idea }) => [`${step.op} ${name}`, idea]));
        await io.out(`\n${[...ideas].map(([kernel, idea]) => `${kernel}: ${idea}\n`).join("")}`);
      } finally {
        await device.close();
      }
    });
};
