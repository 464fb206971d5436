/**
 * Writes the parts of `docs/` that the program knows better than a writer: `npm run docs`. A test holds the committed ones
 * against these.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Command } from "commander";
import { exitCodeTable } from "../src/cli/exit.ts";
import type { Io } from "../src/cli/io.ts";
import { modelsMarkdown } from "../src/cli/models.ts";
import { makeProgram } from "../src/cli/program.ts";
import { answerTo, asTyped, startedBy } from "../src/invocation.ts";

export const root = resolve(import.meta.dirname, "..");

/** Nothing is printed: the texts are asked for. */
const silent: Io = { out: async () => {}, err: () => {}, terminal: false, colour: false, columns: 100 };

/** The help of a command as its users see it. */
function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return asTyped(text.trim());
}

function chapters(command: Command, path: readonly string[]): string[] {
  const names = [...path, command.name()];
  const leaves = command.commands.filter((sub) => sub.name() !== "help");
  const own = [`## ${names.slice(1).join(" ")}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\``];
  return [...own, ...leaves.flatMap((sub) => chapters(sub, names))];
}

/** All commands with their help, as docs/cli.md has them. */
export function cliMarkdown(): string {
  startedBy("node_modules/slimfeatures");
  answerTo("command line");
  const program = makeProgram(silent, () => {});
  const commands = program.commands.filter((command) => command.name() !== "help");
  const anchor = (name: string) => `[\`${name}\`](#${name})`;
  return `${[
    "# The command line",
    "Generated from the program by `npm run docs`. Data goes to stdout, everything else to stderr. In a checkout a command is typed `npm run NAME -- …`.",
    ["| command | does |", "| --- | --- |"]
      .concat(commands.map((c) => `| ${anchor(c.name())} | ${c.description()} |`))
      .join("\n"),
    ...commands.flatMap((command) => chapters(command, [program.name()])),
    `## Exit codes\n\n${exitCodeTable()}`,
    [
      "## Environment and configuration",
      "",
      "Every option of `extract` can be set in the environment (`--batch-size` as `SLIMFEATURES_BATCH_SIZE`) or in a JSON file that",
      "`--config` names; what is typed wins. `NO_COLOR` and `CI` are respected, `fetch` uses `HTTPS_PROXY` and `NO_PROXY`.",
    ].join("\n"),
  ].join("\n\n")}\n`;
}

const networksTable = /(<!-- npm run models -- --markdown -->\n\n)[\s\S]*?(\n<!-- end -->)/;

/** docs/networks.md with the table of networks as it is now. */
export const networksMarkdown = (page: string): string =>
  page.replace(networksTable, (_, start, end) => `${start}${modelsMarkdown()}${end}`);

if (process.argv[1] === import.meta.filename) {
  const networks = join(root, "docs/networks.md");
  writeFileSync(join(root, "docs/cli.md"), cliMarkdown());
  writeFileSync(networks, networksMarkdown(readFileSync(networks, "utf8")));
}
