/** How the program's commands are typed where it was started, so that what it advises can be typed there too. */

/** What stands before a command's name; undefined for `npm run`, by which this project's texts name commands. */
let before: string | undefined = "npx slimfeatures";

/**
 * Tells how the program was started, by the path of its script: from a checkout, as a package of a project, or installed
 * for the whole machine. Until that is told it is a library of somebody's program, and its command is a package's.
 */
export function startedBy(script: string): void {
  const parts = script.split(/[\\/]/);
  const name = parts[parts.length - 1];
  if (parts.includes("node_modules")) before = "npx slimfeatures";
  else before = name.endsWith(".mjs") ? undefined : name;
}

/** A text of this project with its commands as they are typed here: `npm run fetch -- vgg_16` as `npx slimfeatures fetch vgg_16`. */
export const asTyped = (text: string): string =>
  before === undefined ? text : text.replace(/\bnpm run ([a-z]+)\b(?!:)( --(?= ))?/g, `${before} $1`);
