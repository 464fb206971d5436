/** `layers`: the end points of a network, and which of them tells labelled images apart best. */
import { Option } from "commander";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import type { LayerFindings, LayerTrial } from "../extract/find-layer.ts";
import { describeLayers, type EndPointFacts } from "../nets/describe.ts";
import { findModel } from "../nets/index.ts";
import { formatShape } from "../tensor.ts";
import { percent } from "./classify.ts";
import type { AddCommand } from "./command.ts";
import type { Io } from "./io.ts";
import { imageSize } from "./models.ts";
import { threadsOption, wholeNumber } from "./numbers.ts";
import { makeProgress } from "./progress.ts";
import { repeated } from "./repeats.ts";
import { stoppable } from "./signals.ts";
import { type Column, grouped, textTable } from "./table.ts";

const layerColumns: readonly Column<EndPointFacts>[] = [
  { title: "end point", cell: ({ name }) => name },
  { title: "shape", right: true, cell: ({ shape }) => formatShape(shape) },
  { title: "elements", right: true, cell: ({ elements }) => grouped(elements) },
  { title: "multiply-adds up to there", right: true, cell: ({ macs }) => grouped(macs) },
  { title: "parameters up to there", right: true, cell: ({ parameters }) => grouped(parameters) },
];

const trialColumns = ({ best, usual }: LayerFindings): readonly Column<LayerTrial>[] => [
  { title: "end point", cell: ({ name }) => name },
  { title: "length", right: true, cell: ({ length }) => grouped(length) },
  { title: "multiply-adds", right: true, cell: ({ macs }) => `${(macs / 1e6).toFixed(1)} M` },
  { title: "nearest", right: true, cell: ({ nearestAccuracy }) => percent(nearestAccuracy) },
  { title: "logistic", right: true, cell: ({ accuracy }) => percent(accuracy) },
  {
    title: "",
    cell: (trial) =>
      [trial === best ? "best" : "", trial === usual ? "the usual one" : ""].filter(Boolean).join(", "),
  },
];

/** What the trials come to, in a sentence. */
export function conclusion({ best, usual, gain, spread, better }: LayerFindings): string {
  if (!usual) return `${best.name} tells these classes best; the usual end point was not tried.`;
  if (best === usual) return `No end point tells these classes better than the usual one, ${usual.name}.`;
  if (gain === 0) {
    const share = Math.round((100 * best.macs) / usual.macs);
    return `${best.name} tells these classes as well as the usual one, ${usual.name}, for ${share} % of its multiply-adds.`;
  }
  const points = (share: number) => (100 * share).toFixed(1);
  const by = `${points(gain)} points more than ${usual.name}, and from fold to fold that differs by ${points(spread)}`;
  return better
    ? `${best.name} tells these classes better than the usual one: ${by}.`
    : `No end point is surely better than the usual one: ${best.name} tells ${by}.`;
}

interface Flags {
  readonly for?: string;
  readonly model?: string;
  readonly checkpoint?: string;
  readonly weights?: "checkpoint" | "seeded";
  readonly layer?: readonly string[];
  readonly images?: number;
  readonly imageSize?: number;
  readonly globalPool?: boolean;
  readonly device?: "auto" | "webgpu" | "cpu";
  readonly threads?: number;
  readonly json?: boolean;
}

/** Options that say nothing without labels. */
const forTrials = ["model", "checkpoint", "weights", "layer", "images", "device", "threads"] as const;

async function find(io: Io, inputs: string, flags: Flags & { readonly for: string }): Promise<void> {
  const { findLayer } = await import("../extract/find-layer.ts");
  const { for: labels, layer, json, ...rest } = flags;
  const images = makeProgress(io, { unit: "images" });
  const layers = makeProgress(io, { unit: "end points" });
  try {
    const found = await stoppable(io, (signal) =>
      findLayer(
        { ...rest, inputs, labels, layers: layer },
        {
          signal,
          onNotice: (sentence) => images.say(sentence),
          onStart: ({ model, backend, adapter }) =>
            images.say(`computing ${model} on ${backend} (${adapter})`),
          onProgress: ({ done, total }) => images.update(done, total),
          onFailure: ({ path, reason }) => images.say(`failed: ${path}: ${reason}`),
          onTried: (done, all) => {
            images.end();
            layers.update(done, all);
          },
        },
      ),
    );
    layers.end();
    if (json) {
      const { best, usual, ...others } = found;
      return await io.out(`${JSON.stringify({ ...others, best: best.name, usual: usual?.name }, null, 2)}\n`);
    }
    await io.out(textTable(trialColumns(found), found.trials));
    io.err(
      `${counted(found.images, "image")} in ${counted(found.classes, "class", "classes")}. ${conclusion(found)}\n`,
    );
  } finally {
    images.end();
    layers.end();
  }
}

export const addLayers: AddCommand = (program, io) => {
  program
    .command("layers")
    .description("list the end points of a network, or find the one that tells labelled images apart best")
    .argument("[model]", "the network, such as inception_v1; with --for, the folder or archive of images")
    .option(
      "--for <folders|file>",
      "try end points on labelled images: folders where each class has one, or a table of paths and labels",
    )
    .option("--model <name>", "with --for, the network (default: mobilenet_v1)")
    .option("--checkpoint <path>", "with --for, its weights")
    .addOption(
      new Option("--weights <kind>", "with --for, where they come from").choices(["checkpoint", "seeded"]),
    )
    .addOption(
      new Option(
        "--layer <end-point>",
        "with --for, only this end point; may be given several times",
      ).argParser(repeated),
    )
    .option("--images <n>", "with --for, how many images to look at (default: 500)", wholeNumber(1e6))
    .option("--image-size <n>", "height and width of the input (default: the network's own)", imageSize)
    .option("--global-pool", "average the last map over its area, so that any input size fits")
    .addOption(
      new Option("--device <device>", "with --for, what computes (default: auto)").choices([
        "auto",
        "webgpu",
        "cpu",
      ]),
    )
    .addOption(threadsOption())
    .option("--json", "as JSON")
    .addHelpText(
      "after",
      `
With --for, each end point is averaged over its area, and tried by logistic regression in five folds and by the nearest other
image, as "npm run classify" does it. Of end points that differ by an average or a softmax, one is tried. The best is
called better than the usual one only where its lead is larger than what that lead differs by from fold to fold.

Examples:
  npm run layers -- inception_v1
  npm run layers -- photos --for folders --model mobilenet_v1`,
    )
    .action(async (target: string | undefined, flags: Flags) => {
      if (flags.for !== undefined) {
        if (target === undefined) {
          throw new UsageError(
            "There are no images to try end points on.",
            "Name their folder: layers --for folders DIR.",
          );
        }
        return find(io, target, { ...flags, for: flags.for });
      }
      const idle = forTrials.find((option) => flags[option] !== undefined);
      if (idle !== undefined) {
        throw new UsageError(
          `--${idle} is for trying end points on labelled images, and no labels are named.`,
          "Name them by --for folders or --for FILE.csv.",
        );
      }
      if (target === undefined) {
        throw new UsageError("No network is named.", "List them with: npm run models.");
      }
      const { imageSize, globalPool, json } = flags;
      const { endPoints, unavailable } = describeLayers(findModel(target), { imageSize, globalPool });
      for (const { name, reason } of unavailable) io.err(`not at this size: ${name}: ${reason}\n`);
      await io.out(json ? `${JSON.stringify(endPoints, null, 2)}\n` : textTable(layerColumns, endPoints));
    });
};
