/** What the package knows of itself: its version and where its own files lie, wherever it is started from. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { sourceUrl } from "../bundle.mjs";

const root = sourceUrl("../");

/** The photographs that come with the project: what `extract` reads when no folder is named. */
export const samplesDirectory = fileURLToPath(new URL("samples", root));

/** The folder of the weights that come with the project. */
export const weightsDirectory = fileURLToPath(new URL("weights", root));

const manifest = JSON.parse(readFileSync(new URL("package.json", root), "utf8")) as {
  name: string;
  version: string;
};

export const toolName = manifest.name;
export const toolVersion = manifest.version;
