/** `export`: features as the programs that show them open them. */
import { existsSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { Option } from "commander";
import { UsageError } from "../errors.ts";
import { exportTargets, type Pictures } from "../tables/exports.ts";
import type { Vectors } from "../tables/vectors.ts";
import type { AddCommand } from "./command.ts";
import { imagesFolder, isFolder, layerOption, withVectors } from "./features.ts";
import type { Io } from "./io.ts";

interface Flags {
  readonly to: string;
  readonly out?: string;
  readonly images?: string;
  readonly layer?: string;
  readonly json?: boolean;
}

/** The folder of the images: the one that is named, or the one that the features were made from, where it is still there. */
function imageFolder({ madeBy }: Vectors<unknown>, named: string | undefined): string | undefined {
  const { dataDir } = madeBy;
  return imagesFolder(named) ?? (typeof dataDir === "string" && isFolder(dataDir) ? dataDir : undefined);
}

async function picturesOf(io: Io, files: readonly string[]): Promise<Pictures> {
  const { dataUrlsOf, spriteOf } = await import("../node/images/sprite.ts");
  const failed = (reason: string) => io.err(`no picture: ${reason}\n`);
  return {
    sprite: (size) => spriteOf(files, size, failed),
    dataUrls: (size) => dataUrlsOf(files, size, failed),
  };
}

export const addExport: AddCommand = (program, io) => {
  program
    .command("export")
    .description("write features as the programs that show them open them")
    .argument("<features>", "a features file of any format")
    .addOption(
      new Option("--to <program>", "what will open it")
        .choices(exportTargets.map((t) => t.name))
        .makeOptionMandatory(),
    )
    .option(
      "--out <path>",
      "the file or folder to write (default: beside the features, by the program's name)",
    )
    .option(
      "--images <dir>",
      "the folder of the images (default: the one the features were made from); their pictures go in where the program shows them",
    )
    .addOption(layerOption())
    .option("--json", "print one JSON object on stdout instead of the path")
    .addHelpText(
      "after",
      `
The programs:
${exportTargets.map(({ name, description }) => `  ${name.padEnd(16)} ${description}`).join("\n")}

The label of an image is the folder that it lies in.

Example:
  npm run export -- features/mobilenet_v1_features.pkl --to embedding-atlas --images photos`,
    )
    .action(async (file: string, flags: Flags) => {
      const target = exportTargets.find(({ name }) => name === flags.to) as (typeof exportTargets)[number];
      await withVectors(io, file, flags.layer, async (vectors) => {
        const stem = basename(vectors.file, extname(vectors.file));
        const out = flags.out ?? join(dirname(vectors.file), `${stem}.${target.name}${target.extension}`);
        if (existsSync(out) && isFolder(out) !== (target.extension === "")) {
          throw new UsageError(
            `${out} is there, and is ${target.extension === "" ? "no folder" : "a folder"}.`,
            "Name another place with --out.",
          );
        }
        const { refuseToReplace } = await import("../node/atomic.ts");
        await refuseToReplace(out, [vectors.file]);
        const folder = imageFolder(vectors, flags.images);
        const files = vectors.paths.map((path) => (folder === undefined ? path : resolve(folder, path)));
        if (folder === undefined) {
          io.err(
            "The folder of the images is not known: paths stay as they are. --images DIR names the folder that they count from.\n",
          );
        } else {
          const gone = files.filter((path) => !existsSync(path)).length;
          if (gone > 0) io.err(`${gone} of ${files.length} images are not in ${folder}\n`);
        }
        const pictures = flags.images === undefined ? undefined : await picturesOf(io, files);
        const opens = await target.write({ vectors, out, files, pictures });
        io.err(`${vectors.paths.length} images; open it with: ${opens}\n`);
        await io.out(
          flags.json ? `${JSON.stringify({ out, images: vectors.paths.length, opens })}\n` : `${out}\n`,
        );
      });
    });
};
