/** `checkpoint`: looks into weights, and says whether they fit a network. */
import { type Checkpoint, openCheckpoint, type TensorEntry } from "../checkpoint/index.ts";
import { ExitCode } from "../errors.ts";
import { shapesOf } from "../features/network.ts";
import { compareCheckpoints, type TensorDifference } from "../match/compare.ts";
import { explain } from "../match/explain.ts";
import { fitOf, withNearest } from "../match/fit.ts";
import { statisticsOf } from "../match/statistics.ts";
import { findModel, models } from "../nets/index.ts";
import { formatShape } from "../tensor.ts";
import type { AddCommand } from "./command.ts";
import type { Io } from "./io.ts";
import { byteCount } from "./progress.ts";
import { type Column, grouped, textTable } from "./table.ts";

const entryColumns: readonly Column<TensorEntry>[] = [
  { title: "name", cell: ({ name }) => name },
  { title: "dtype", cell: ({ dtype }) => dtype },
  { title: "shape", right: true, cell: ({ shape }) => formatShape(shape) },
  { title: "bytes", right: true, cell: ({ bytes }) => grouped(bytes) },
];

const entriesOf = (checkpoint: Checkpoint): TensorEntry[] =>
  checkpoint.names.flatMap((name) => checkpoint.entry(name) ?? []);

async function withCheckpoint<T>(path: string, use: (checkpoint: Checkpoint) => Promise<T>): Promise<T> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await use(checkpoint);
  } finally {
    await checkpoint.close();
  }
}

export const addCheckpoint: AddCommand = (program, io, exit) => {
  const checkpoint = program
    .command("checkpoint")
    .description("look into weights: list, show, compare, explain")
    .addHelpText(
      "after",
      `
FILE is what extract's --checkpoint takes: a V1 file, a prefix, any file of a V2 checkpoint, a folder, an archive.

Examples:
  npm run checkpoint -- ls inception_v1.ckpt
  npm run checkpoint -- show inception_v1.ckpt InceptionV1/Logits/Conv2d_0c_1x1/biases
  npm run checkpoint -- diff mine.ckpt inception_v1
  npm run checkpoint -- why mine.ckpt inception_v1`,
    );

  checkpoint
    .command("ls")
    .description("list the tensors: name, type, shape, bytes")
    .argument("<file>", "the checkpoint")
    .option("--json", "as JSON")
    .action((file: string, { json }: { json?: boolean }) =>
      withCheckpoint(file, async (opened) => {
        const entries = entriesOf(opened);
        await io.out(json ? `${JSON.stringify(entries, null, 2)}\n` : textTable(entryColumns, entries));
        const bytes = entries.reduce((sum, e) => sum + e.bytes, 0);
        io.err(`${opened.format}, ${entries.length} tensors, ${byteCount(bytes)}\n`);
      }),
    );

  checkpoint
    .command("show")
    .description("statistics and first values of one tensor")
    .argument("<file>", "the checkpoint")
    .argument("<name>", "the tensor")
    .action((file: string, name: string) =>
      withCheckpoint(file, async (opened) => {
        const value = await opened.read(name);
        await io.out(`${name} ${value.dtype} ${formatShape(value.shape)}\n`);
        for (const [what, number] of Object.entries(statisticsOf(value)))
          await io.out(`${what}: ${number}\n`);
      }),
    );

  checkpoint
    .command("diff")
    .description("compare with a network's needs or with another checkpoint; ends with 1 where they differ")
    .argument("<file>", "the checkpoint")
    .argument("<other>", "a network's name or another checkpoint")
    .action((file: string, other: string) =>
      withCheckpoint(file, async (opened) => {
        const lines = models.some((m) => m.name === other)
          ? diffWithModel(opened, other)
          : await withCheckpoint(other, async (second) =>
              describeDifferences(await compareCheckpoints(opened, second)),
            );
        for (const line of lines) await io.out(`${line}\n`);
        if (lines.length === 0) io.err("no difference\n");
        else exit(ExitCode.unexpected);
      }),
    );

  checkpoint
    .command("why")
    .description("say in words whether a file fits a network, and why not; ends with 5 where it does not")
    .argument("<file>", "the checkpoint")
    .argument("[model]", "the network (default: the one that is recognised)")
    .action((file: string, model: string | undefined) =>
      withCheckpoint(file, (opened) => printExplanation(io, exit, opened, model)),
    );
};

async function printExplanation(
  io: Io,
  exit: (code: number) => void,
  opened: Checkpoint,
  model: string | undefined,
) {
  const { sentences, usable } = explain(opened.path, shapesOf(opened), model);
  for (const sentence of sentences) await io.out(`${sentence}\n`);
  if (!usable) exit(ExitCode.model);
}

function diffWithModel(opened: Checkpoint, name: string): string[] {
  const model = findModel(name);
  const shapes = shapesOf(opened);
  const { misfits, unused } = fitOf(model, shapes, ["__logits__"]);
  return [
    ...misfits.map((m) => `- ${withNearest(m, shapes)}`),
    ...unused.map((tensor) => `+ ${tensor} is not needed by ${name}`),
  ];
}

const describeDifferences = (differences: readonly TensorDifference[]): string[] =>
  differences.map(({ name, sign, what }) => `${sign} ${name} ${what}`);
