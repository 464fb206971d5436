/** `models`: the networks there are. */
import { InvalidArgumentError } from "commander";
import { describeModel, type ModelFacts } from "../nets/describe.ts";
import { maxImageSize } from "../nets/end-points.ts";
import { models } from "../nets/index.ts";
import type { AddCommand } from "./command.ts";
import { type Column, fitting, markdownTable, textTable } from "./table.ts";

const millions = (n: number) => `${(n / 1e6).toFixed(n < 1e8 ? 1 : 0)} M`;

const modelColumns: readonly Column<ModelFacts>[] = [
  { title: "network", cell: ({ model }) => model.name },
  {
    title: "input",
    right: true,
    cell: ({ model }) => `${model.inputSize}${model.inputChannels === 1 ? " grey" : ""}`,
  },
  { title: "classes", spare: 2, right: true, cell: ({ model }) => `${model.classes}` },
  { title: "parameters", right: true, cell: ({ parameters }) => millions(parameters) },
  { title: "multiply-adds", spare: 4, right: true, cell: ({ macs }) => millions(macs) },
  { title: "feature", spare: 3, cell: ({ model }) => model.featureEndPoint },
  { title: "length", right: true, cell: ({ featureLength }) => `${featureLength}` },
  { title: "preprocessing", spare: 1, cell: ({ model }) => model.preprocess },
  {
    title: "top-1 / top-5",
    spare: 0,
    cell: ({ model }) => model.accuracy?.map((a) => a.toFixed(1)).join(" / ") ?? "",
  },
  { title: "published archive", spare: 5, cell: ({ model }) => model.archive?.url.split("/").at(-1) ?? "" },
];

/** Where TF-Slim's own parts disagree; whoever fine-tuned such a network may have followed either. */
const resnetV2Note =
  "resnet_v2 was published with inception's preprocessing at 299 pixels; TF-Slim's factory gives it vgg's at 224. A file that was fine-tuned so wants --preprocess vgg --image-size 224.";

/** The table of networks in Markdown, as README repeats it. */
export const modelsMarkdown = (): string => markdownTable(modelColumns, models.map(describeModel));

export const addModels: AddCommand = (program, io) => {
  program
    .command("models")
    .description("list the networks")
    .option("--json", "as JSON")
    .option("--markdown", "as Markdown")
    .addHelpText(
      "after",
      `
Parameters count every float up to the logits, batch norm's statistics included; multiply-adds are those of one
image up to the logits; accuracy is the published one on ImageNet, in percent.

The preprocessing is the one that the published accuracy was measured with, and what extract takes unless --preprocess says
otherwise. ${resnetV2Note}

Example:
  npm run models`,
    )
    .action(async ({ json, markdown }: { json?: boolean; markdown?: boolean }) => {
      const facts = models.map(describeModel);
      if (json) {
        const records = facts.map(({ model: { build, ...record }, ...numbers }) => ({
          ...record,
          ...numbers,
        }));
        await io.out(`${JSON.stringify(records, null, 2)}\n`);
      } else if (markdown) {
        await io.out(markdownTable(modelColumns, facts));
      } else {
        const { kept, left } = fitting(modelColumns, facts, io.outColumns);
        await io.out(textTable(kept, facts));
        if (left.length > 0) {
          io.err(`the terminal is too narrow for: ${left.map((c) => c.title).join(", ")} (--json has all)\n`);
        }
        io.err(`${resnetV2Note}\n`);
      }
    });
};

/** Height and width of an input from the command line. */
export function imageSize(text: string): number {
  const size = Number(text);
  if (/^\d+$/.test(text) && size >= 1 && size <= maxImageSize) return size;
  throw new InvalidArgumentError(`It must be a whole number from 1 to ${maxImageSize}.`);
}
