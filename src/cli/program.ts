/** The program and its commands, one a module. Only this folder prints or sets the exit code. */
import { Command, CommanderError, Help } from "commander";
import { ExitCode, UserError } from "../errors.ts";
import { answerTo, asTyped } from "../invocation.ts";
import { toolName, toolVersion } from "../node/package.ts";
import { Stopped } from "../stopped.ts";
import { addCheckpoint } from "./checkpoint.ts";
import { addClassify } from "./classify.ts";
import { addCluster } from "./cluster.ts";
import type { AddCommand } from "./command.ts";
import { addCompletion } from "./completion.ts";
import { addDoctor } from "./doctor.ts";
import { addDuplicates } from "./duplicates.ts";
import { exitCodeHelp, signalExitCode } from "./exit.ts";
import { addExport } from "./export.ts";
import { addExtract } from "./extract.ts";
import { addFetch } from "./fetch.ts";
import { addFiles } from "./files.ts";
import { type Io, isBrokenPipe } from "./io.ts";
import { addKernels } from "./kernels.ts";
import { addLayers } from "./layers.ts";
import { addLoad } from "./load.ts";
import { addMap } from "./map.ts";
import { addModels } from "./models.ts";
import { refuseKeptByNpm } from "./npm.ts";
import { addOutliers } from "./outliers.ts";
import { addPlan } from "./plan.ts";
import { refuseEmpty, refuseRepeats } from "./repeats.ts";
import { addShards } from "./shards.ts";
import { addSimilar } from "./similar.ts";
import { addTune } from "./tune.ts";
import { addVerify } from "./verify.ts";
import { addWork } from "./work.ts";

/** The commands, under the headings of the help. */
const commands: Readonly<Record<string, readonly AddCommand[]>> = {
  "Features:": [addExtract, addLoad, addFiles],
  "What they say:": [addMap, addSimilar, addDuplicates, addOutliers, addCluster, addClassify, addExport],
  "Networks and weights:": [addModels, addLayers, addFetch, addCheckpoint],
  "Many machines:": [addPlan, addShards, addWork],
  "This machine:": [addDoctor, addKernels, addTune, addVerify, addCompletion],
};

/** Runs one command line. Gives the exit code; never throws and never ends the process. */
export async function main(
  args: readonly string[],
  { err, ...streams }: Io,
  env: NodeJS.ProcessEnv = process.env,
): Promise<number> {
  answerTo("command line");
  const io: Io = { ...streams, err: (text) => err(asTyped(text)) };
  let code: number = ExitCode.ok;
  try {
    const program = makeProgram(io, (c) => {
      code = c;
    });
    refuseKeptByNpm(program, args, env);
    await program.parseAsync(args, { from: "user" });
    return code;
  } catch (error) {
    // A reader that has gone is no mistake, and does not hide what went before.
    return isBrokenPipe(error) ? code : explain(error, io);
  }
}

/** The program with all its commands; what it prints goes through `io`, the number it ends with to `exit`. */
export function makeProgram(io: Io, exit: (code: number) => void): Command {
  const program = new Command(toolName)
    .description("Image features from TF-Slim networks, without Python or TensorFlow.")
    .version(toolVersion)
    .configureHelp({
      helpWidth: Math.min(io.columns, 120),
      // The environment's names follow one rule, which the help states once.
      optionDescription: (option) =>
        new Help().optionDescription(Object.assign(Object.create(option), { envVar: undefined })),
    })
    .configureOutput({ writeOut: (text) => void io.out(asTyped(text)).catch(() => {}), writeErr: io.err })
    .exitOverride()
    .addHelpText(
      "after",
      [
        "",
        "Examples:",
        "  npm run extract",
        "  npm run extract -- photos --topk 5",
        "  npm run map -- features/mobilenet_v1_features.pkl",
        "  npm run fetch -- inception_v1",
        "  npm run extract -- photos --model inception_v1",
        exitCodeHelp(),
      ].join("\n"),
    );
  for (const [heading, adders] of Object.entries(commands)) {
    program.commandsGroup(heading);
    for (const add of adders) add(program, io, exit);
  }
  refuseRepeats(program);
  refuseEmpty(program);
  return program;
}

/** Says what went wrong, in the user's words where it is the user's to mend. Gives the exit code. */
function explain(error: unknown, io: Io): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (error instanceof Stopped) {
    const kept = error.progress ? ` ${error.progress.done} images computed by this run are kept;` : "";
    io.err(`stopped.${kept} give the same command again to go on.\n`);
    return signalExitCode[error.signal] ?? signalExitCode.SIGINT;
  }
  if (error instanceof UserError) {
    io.err(`error: ${error.message}\n`);
    if (error.hint) io.err(`hint: ${error.hint}\n`);
    return error.exitCode;
  }
  io.err(`unexpected error: ${error instanceof Error ? error.stack : String(error)}\n`);
  return ExitCode.unexpected;
}
