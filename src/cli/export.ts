/** `export`: features as the programs that show them open them. */
import { existsSync } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { Option } from "commander";
import { counted } from "../counted.ts";
import { UsageError } from "../errors.ts";
import type { FoundImages } from "../node/images/index.ts";
import { exportTargets, type Pictures } from "../tables/exports.ts";
import type { Vectors } from "../tables/vectors.ts";
import type { AddCommand } from "./command.ts";
import { imagesIn, isFolder, layerOption, withVectors } from "./features.ts";
import type { Io } from "./io.ts";

interface Flags {
  readonly to: string;
  readonly out?: string;
  readonly images?: string;
  readonly layer?: string;
  readonly json?: boolean;
}

/** Where the images are: the place that is named, or those that the features were made from, where they are still there. */
function placesOf({ madeBy }: Vectors<unknown>, named: string | undefined): readonly string[] {
  if (named !== undefined) return [named];
  const places = [madeBy.dataDir ?? []].flat();
  return places.every((place) => existsSync(place)) ? places : [];
}

async function picturesOf(io: Io, inputs: FoundImages["inputs"]): Promise<Pictures> {
  const { dataUrlsOf, spriteOf } = await import("../node/images/sprite.ts");
  const failed = (reason: string) => io.err(`no picture: ${reason}\n`);
  return {
    sprite: (size) => spriteOf(inputs, size, failed),
    dataUrls: (size) => dataUrlsOf(inputs, size, failed),
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
      "the folder or archive of the images (default: the one the features were made from); their pictures go in where the program shows them",
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
        const places = placesOf(vectors, flags.images);
        const asked = flags.images !== undefined;
        const inputs = places.length > 0 ? await imagesIn(io, places, vectors, asked) : undefined;
        if (inputs === undefined) {
          io.err(
            "The folder of the images is not known: paths stay as they are. --images DIR names the folder that they count from.\n",
          );
        }
        const files = vectors.paths.map((path, row) => {
          const input = inputs?.[row];
          // What lies in an archive is no file that another program could open.
          if (input && !input.part) return resolve(Buffer.from(input.path).toString());
          return places.length === 1 && isFolder(places[0]) ? resolve(places[0], path) : path;
        });
        const pictures = asked && inputs ? await picturesOf(io, inputs) : undefined;
        const opens = await target.write({ vectors, out, files, pictures });
        io.err(`${counted(vectors.paths.length, "image")}; open it with: ${opens}\n`);
        await io.out(
          flags.json ? `${JSON.stringify({ out, images: vectors.paths.length, opens })}\n` : `${out}\n`,
        );
      });
    });
};
