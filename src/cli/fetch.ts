/** `fetch`: downloads a network's published weights. */
import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { findModel, models } from "../nets/index.ts";
import type { AddCommand } from "./command.ts";
import { byteCount, makeProgress } from "./progress.ts";
import { stoppable } from "./signals.ts";

export const addFetch: AddCommand = (program, io) => {
  program
    .command("fetch")
    .description("download the published weights of a network")
    .argument("<model>", "the network, such as inception_v1")
    .option("--dir <dir>", "where to put them; extract looks in checkpoints", "checkpoints")
    .option("--url <url>", "another address of the same archive, such as a mirror")
    .addHelpText(
      "after",
      "\nExample:\n  npm run fetch -- inception_v1\n\nA download that was cut off is resumed by running the command again.",
    )
    .action(async (name: string, { dir, url }: { dir: string; url?: string }) => {
      const model = findModel(name);
      if (!model.archive) {
        const published = models.filter((m) => m.archive).map((m) => m.name);
        throw new UsageError(
          `No weights of ${name} were published.`,
          `There are published weights of: ${published.join(", ")}.`,
        );
      }
      const { fetchArchive } = await import("../features/fetch.ts");
      const { archiveName } = await import("../features/weights.ts");
      const address = url ?? model.archive.url;
      const path = join(dir, archiveName(model.archive.url));
      const progress = makeProgress(io, { unit: "received", show: byteCount });
      io.err(`from ${address}\n`);
      try {
        const report = await stoppable(io, (signal) =>
          fetchArchive({
            url: address,
            path,
            signal,
            progressed: progress.update,
            notice: progress.say,
          }),
        );
        progress.end();
        io.err(`${outcomes[report.outcome]}: ${byteCount(report.bytes)}\n`);
      } finally {
        progress.end();
      }
      await io.out(`${path}\n`);
    });
};

const outcomes = { downloaded: "downloaded", resumed: "resumed and completed", present: "already there" };
