/** `checkpoint`: looks into weights, and says whether they fit a network. */
import { Option } from "commander";
import type { Checkpoint, TensorEntry } from "../checkpoint/index.ts";
import { ExitCode } from "../errors.ts";
import { findModel, models, returnedLogits } from "../nets/index.ts";
import { commonScopes, compareCheckpoints, type TensorDifference } from "../network/compare.ts";
import { explain, type Question } from "../network/explain.ts";
import { fitOf, withNearest } from "../network/fit.ts";
import { findScope } from "../network/identify.ts";
import { shapesOf } from "../network/network.ts";
import type { Scope } from "../network/scopes.ts";
import { statisticsOf } from "../network/statistics.ts";
import { openCheckpoint } from "../node/checkpoint.ts";
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

/** An entry, with the name of its variable where it is stored under another. */
interface ListedEntry extends TensorEntry {
  readonly variable?: string;
}

/** Of a checkpoint whose variables have names of their own. */
const variableColumn: Column<ListedEntry> = { title: "variable", cell: ({ variable = "" }) => variable };

function entriesOf({ names, aliases, entry }: Checkpoint): ListedEntry[] {
  const variables = new Map([...aliases].map(([variable, stored]) => [stored, variable]));
  return names.flatMap((name) => {
    const found = entry(name);
    return found ? [{ ...found, variable: variables.get(name) }] : [];
  });
}

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
FILE is what extract's --checkpoint takes: a V1 file, a prefix, any file of a V2 checkpoint, a frozen graph, a SavedModel,
a folder, an archive, or what lies in one (logs.tar.gz/logs/model.ckpt-100).

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
        const columns = opened.aliases.size > 0 ? [...entryColumns, variableColumn] : entryColumns;
        await io.out(json ? `${JSON.stringify(entries, null, 2)}\n` : textTable(columns, entries));
        const bytes = entries.reduce((sum, e) => sum + e.bytes, 0);
        if (!file.startsWith(opened.name)) io.err(`The checkpoint is ${opened.name}.\n`);
        io.err(`${opened.format}, ${entries.length} tensors, ${byteCount(bytes)}\n`);
        if (opened.caveat) io.err(`${opened.caveat.sentence}\n`);
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
    .addOption(scopeOption())
    .action((file: string, other: string, { scope }: ScopeFlags) =>
      withCheckpoint(file, async (opened) => {
        const lines = models.some((m) => m.name === other)
          ? diffWithModel(io, opened, other, scope)
          : await withCheckpoint(other, async (second) =>
              describeDifferences(await diffWithOther(io, opened, second, scope)),
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
    .addOption(scopeOption())
    .action((file: string, model: string | undefined, { scope }: ScopeFlags) =>
      withCheckpoint(file, (opened) => printExplanation(io, exit, opened, { model, scope })),
    );
};

interface ScopeFlags {
  readonly scope?: string;
}

const scopeOption = () =>
  new Option("--scope <name/>", "what stands in front of the network's names in the file (default: found)");

async function diffWithOther(
  io: Io,
  first: Checkpoint,
  second: Checkpoint,
  wanted?: string,
): Promise<readonly TensorDifference[]> {
  const [one, other] = commonScopes(shapesOf(first), shapesOf(second), wanted);
  tellScope(io, first, one);
  tellScope(io, second, other);
  return compareCheckpoints({ checkpoint: first, scope: one }, { checkpoint: second, scope: other });
}

function tellScope(io: Io, { path }: Checkpoint, { name }: Scope): void {
  if (name !== "") io.err(`The names of ${path} are compared without its scope ${name}.\n`);
}

async function printExplanation(
  io: Io,
  exit: (code: number) => void,
  opened: Checkpoint,
  question: Question,
) {
  const { sentences, usable } = explain(opened.path, shapesOf(opened), {
    ...question,
    caveat: opened.caveat,
  });
  for (const sentence of sentences) await io.out(`${sentence}\n`);
  if (!usable) exit(ExitCode.model);
}

function diffWithModel(io: Io, opened: Checkpoint, name: string, wanted?: string): string[] {
  const model = findModel(name);
  const shapes = shapesOf(opened);
  const scope = findScope(opened.path, model, shapes, { scope: wanted });
  tellScope(io, opened, scope);
  const { misfits, unused } = fitOf(model, shapes, [returnedLogits], {}, scope);
  return [
    ...misfits.map((m) => `- ${withNearest(m, shapes)}`),
    ...unused.map((tensor) => `+ ${tensor} is not needed by ${name}`),
  ];
}

const describeDifferences = (differences: readonly TensorDifference[]): string[] =>
  differences.map(({ name, sign, what }) => `${sign} ${name} ${what}`);
