/**
 * How this project's texts are said to whoever asks. They name commands as `npm run NAME -- ...` and options as the command
 * line has them, `--device cpu`; the command line says commands as they are typed where it was started, and the library
 * says options as its own arguments.
 */

/** What stands before a command's name; undefined for `npm run`, by which this project's texts name commands. */
let before: string | undefined = "npx slimfeatures";

/** Who asks: the command line once it runs, and a program that uses the library until then. */
let asker: "library" | "command line" = "library";

/** Tells how the program was started, by the path of its script: from a checkout, as a package of a project, or installed for the whole machine. */
export function startedBy(script: string): void {
  const parts = script.split(/[\\/]/);
  const name = parts[parts.length - 1];
  if (parts.includes("node_modules")) before = "npx slimfeatures";
  else before = name.endsWith(".mjs") ? undefined : name;
}

/** Tells who is answered from now on. */
export function answerTo(who: typeof asker): void {
  asker = who;
}

/** Options that have no value: they are true where they stand. */
const flags: ReadonlySet<string> = new Set(["global-pool", "icc", "l2", "overwrite", "retry-failed"]);

/** Options whose argument in the library has another name than they. */
const renamed: Readonly<Record<string, string>> = {
  "data-dir": "inputs",
  layer: "layers",
  glob: "globs",
  exclude: "excludes",
};

/** Those of other programs (tar), and of commands that the library has no function for. */
const foreign: ReadonlySet<string> = new Set(["sparse", "help", "images", "stats"]);

/** Words behind an option that are its value. */
const values: ReadonlySet<string> = new Set([
  ...["auto", "on", "off", "webgpu", "cpu", "seeded", "f16", "pkl", "list"],
  ...["slim", "inception", "vgg", "resize", "seed", "fast", "accurate"],
]);

/** Options of which any name may be the value: it is, where the clause ends behind it, unless it is the "out" of "leave it out". */
const named: ReadonlySet<string> = new Set(["model", "scope"]);

/** A command with all its arguments, which stay as they are; or an option, the word behind it, and what ends a clause. */
const parts =
  /npx slimfeatures [a-z]+[^.,;]*|--([a-z][a-z0-9-]*)(?: ("[^"]*"|[\w/-]+(?:\.[\w/-]+)*))?(?=([.,;:)]|$)?)/g;

function asArgument(text: string, option: string, word: string | undefined, end: string | undefined): string {
  if (foreign.has(option)) return text;
  const name = renamed[option] ?? option.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
  const rest = word === undefined ? "" : ` ${word}`;
  if (flags.has(option)) return `\`${name}: true\`${rest}`;
  if (word === undefined) return `\`${name}\``;
  if (/^[A-Z]+$/.test(word)) return `\`${name}\``;
  if (word.startsWith('"')) return `\`${name}: ${word}\``;
  const isValue = values.has(word) || (named.has(option) && end !== undefined && word !== "out");
  return isValue ? `\`${name}: "${word}"\`` : `\`${name}\`${rest}`;
}

/**
 * A text of this project as it is said to whoever asks. To the command line, `npm run fetch -- vgg_16` is
 * `npx slimfeatures fetch vgg_16` or as it was started; to a program, `--weights seeded` is `weights: "seeded"` besides.
 */
export function asTyped(text: string): string {
  const commands =
    before === undefined ? text : text.replace(/\bnpm run ([a-z]+)\b(?!:)( --(?= ))?/g, `${before} $1`);
  if (asker === "command line") return commands;
  return commands.replace(parts, (part, option?: string, word?: string, end?: string) =>
    option === undefined ? part : asArgument(part, option, word, end),
  );
}
