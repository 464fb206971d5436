/** `fetch`: downloads a network's published weights. */
import { join } from "node:path";
import { UsageError } from "../errors.ts";
import { archiveHashes } from "../nets/archive-hashes.ts";
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
      "\nExample:\n  npm run fetch -- inception_v1\n\nA download that was cut off is resumed by running the command again.\nIt goes over https, by the proxy that HTTPS_PROXY names unless NO_PROXY names the host, and is checked against\nthe archive's hash where that is publicly known; its SHA-256 is printed.",
    )
    .action(async (network: string, { dir, url }: { dir: string; url?: string }) => {
      const model = findModel(network);
      if (!model.archive) {
        const published = models.filter((m) => m.archive).map((m) => m.name);
        throw new UsageError(
          `No weights of ${network} were published.`,
          `There are published weights of: ${published.join(", ")}.`,
        );
      }
      const { fetchArchive } = await import("../node/fetch.ts");
      const { archiveName } = await import("../network/weights.ts");
      const address = url ?? model.archive.url;
      const name = archiveName(model.archive.url);
      const hash = archiveHashes[name];
      const path = join(dir, name);
      const progress = makeProgress(io, { unit: "received", show: byteCount });
      io.err(`from ${address}\n`);
      try {
        const report = await stoppable(io, (signal) =>
          fetchArchive({
            url: address,
            path,
            signal,
            hash,
            progressed: progress.update,
            notice: progress.say,
          }),
        );
        progress.end();
        const known = hash ? ", the published one" : "";
        io.err(`${outcomes[report.outcome]}: ${byteCount(report.bytes)}\nsha256: ${report.sha256}${known}\n`);
      } finally {
        progress.end();
      }
      await io.out(`${path}\n`);
    });
};

const outcomes = { downloaded: "downloaded", resumed: "resumed and completed", present: "already there" };
