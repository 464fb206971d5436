/** `convert`, `merge` and `compare`: what can be done with features files. */
import { Option } from "commander";
import { counted } from "../counted.ts";
import { ExitCode } from "../errors.ts";
import { formatFor, formats } from "../tables/formats/index.ts";
import type { PickleProtocol } from "../tables/formats/pkl.ts";
import { dtypeNames, dtypeOf } from "../tables/formats/table.ts";
import { formatShape } from "../tensor.ts";
import type { AddCommand } from "./command.ts";
import type { Io } from "./io.ts";
import { pickleProtocolOption } from "./numbers.ts";
import { costOf } from "./summary.ts";

interface Flags {
  readonly format?: string;
  readonly dtype: string;
  readonly pickleProtocol?: PickleProtocol;
}

/** How a new file's format is told. */
export const formatOption = () =>
  new Option("--format <format>", "of the new file (default: by its extension)").choices(
    formats.map((f) => f.name),
  );
const dtypeOption = () =>
  new Option("--dtype <type>", "type of the numbers; f16 and i8 are lossy")
    .choices(dtypeNames)
    .default("f32");

async function write(
  from: readonly string[],
  to: string,
  { format, dtype, pickleProtocol }: Flags,
  io: Io,
): Promise<void> {
  const { convertFeatures } = await import("../tables/convert.ts");
  const report = await convertFeatures({
    from,
    to,
    format: formatFor(to, format, pickleProtocol),
    dtype: dtypeOf(dtype),
  });
  io.err(`${counted(report.rows, "feature")} of shape ${formatShape(report.shape)}${costOf(report)}\n`);
  await io.out(`${to}\n`);
}

export const addFiles: AddCommand = (program, io, exit) => {
  program
    .command("convert")
    .description("write a features file in another format")
    .argument("<in>", "a features file of any format")
    .argument("<out>", "the file to write")
    .addOption(formatOption())
    .addOption(dtypeOption())
    .addOption(pickleProtocolOption())
    .addHelpText(
      "after",
      "\nExample:\n  npm run convert -- features/inception_v1_features.pkl photos.parquet",
    )
    .action((from: string, to: string, flags: Flags) => write([from], to, flags, io));

  program
    .command("merge")
    .description("write several features files as one")
    .argument("<out>", "the file to write")
    .argument("<in...>", "features files of one network and layer, of any formats")
    .addOption(formatOption())
    .addOption(dtypeOption())
    .addOption(pickleProtocolOption())
    .addHelpText("after", "\nExample:\n  npm run merge -- all.npy monday.npy tuesday.npy")
    .action((to: string, from: string[], flags: Flags) => write(from, to, flags, io));

  program
    .command("compare")
    .description("say how far two features files are apart; ends with 1 where an image is in one only")
    .argument("<a>", "a features file of any format")
    .argument("<b>", "another")
    .option("--json", "as JSON")
    .addHelpText("after", "\nExample:\n  npm run compare -- cpu.npy webgpu.npy")
    .action(async (a: string, b: string, { json }: { json?: boolean }) => {
      const { compareFeatures } = await import("../tables/compare.ts");
      const c = await compareFeatures(a, b);
      const some = (paths: readonly string[]) =>
        `${paths.length}${paths.length > 0 ? ` (${paths.slice(0, 3).join(", ")}${paths.length > 3 ? " ..." : ""})` : ""}`;
      const lines = [
        `images in both: ${c.both}`,
        `only in ${a}: ${some(c.onlyFirst)}`,
        `only in ${b}: ${some(c.onlySecond)}`,
        ...(c.differentLengths.length > 0 ? [`of different lengths: ${some(c.differentLengths)}`] : []),
        `identical: ${c.identical}`,
        `largest difference: ${c.maxDifference.toPrecision(3)}${c.worst ? ` (${c.worst})` : ""}`,
        ...(c.cosine
          ? [
              `cosine: least ${c.cosine.min.toFixed(6)}, 1 % ${c.cosine.p01.toFixed(6)}, 10 % ${c.cosine.p10.toFixed(6)}, half ${c.cosine.p50.toFixed(6)}`,
            ]
          : []),
      ];
      await io.out(json ? `${JSON.stringify(c, null, 2)}\n` : `${lines.join("\n")}\n`);
      if (c.onlyFirst.length + c.onlySecond.length + c.differentLengths.length > 0) exit(ExitCode.unexpected);
    });
};
