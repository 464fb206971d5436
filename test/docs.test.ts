/** README and docs are true: what they show runs as it is written, and what they link to is there. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { cliMarkdown, networksMarkdown, root } from "../scripts/docs.ts";
import { missingLibraries, runnable, type WorkingFolder, workingFolder } from "./support/as-written.ts";

const pages = ["README.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith(".md"),
);
const others = ["CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];

/** Options of other programs, and of the scripts that measure and damage. */
const elsewhere = new Set(
  [
    "--compare --contenders --count --exits --ignore-scripts --images --minutes --prefix --replay --rounds --runs",
    "--save --seed --show --target --omit --file --package --external --logdir --embeddings --index --dtype --vector",
  ]
    .join(" ")
    .split(" "),
);

const read = (page: string) => readFileSync(join(root, page), "utf8");

/** The anchor that a heading has where Markdown is shown. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replace(/\s/g, "-");

/** The anchors of a page; a heading that was there before gets a number. */
function anchorsOf(page: string): string[] {
  const times = new Map<string, number>();
  const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => {
    const anchor = anchorOf(heading);
    const before = times.get(anchor) ?? 0;
    times.set(anchor, before + 1);
    return before === 0 ? anchor : `${anchor}-${before}`;
  });
  return [...headings, ...[...read(page).matchAll(/<a id="([^"]+)">/g)].map(([, id]) => id)];
}

interface Block {
  readonly language: string;
  readonly text: string;
  readonly line: number;
}

/** The blocks of a page between fences, whose language says how they are tried. */
const blocksOf = (page: string): Block[] =>
  [...read(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)]
    .map((match) => ({
      language: match[1],
      text: match[2],
      line: read(page).slice(0, match.index).split("\n").length,
    }))
    // The library's page has signatures besides, which are no programs.
    .filter(({ text }) => page !== "docs/api.md" || text.includes('from "slimfeatures"'));

describe("README", () => {
  it("is read in a sitting, and shows a picture", () => {
    expect(read("README.md").trimEnd().split("\n").length).toBeLessThanOrEqual(120);
    expect(read("README.md")).toMatch(/!\[[^\]]+\]\(docs\/pictures\/[\w.-]+\)/);
  });
});

describe("docs", () => {
  it("have the commands and the networks as the program has them (npm run docs)", () => {
    expect(read("docs/cli.md")).toBe(cliMarkdown());
    expect(read("docs/networks.md")).toBe(networksMarkdown(read("docs/networks.md")));
  });

  it.each([...pages, ...others])("%s links to what is there", (page) => {
    for (const [, target] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [path, anchor] = target.split("#");
      const file = path === "" ? page : join(dirname(page), path);
      expect(existsSync(join(root, file)), `${page}: ${target}`).toBe(true);
      if (anchor) expect(anchorsOf(file), `${page}: ${target}`).toContain(anchor);
    }
  });

  it.each([...pages, ...others])("%s names commands and options that there are", (page) => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const known = read("docs/cli.md");
    for (const [, name] of read(page).matchAll(/npm run ([\w:]+)/g)) {
      expect(Object.keys(scripts), `${page}: npm run ${name}`).toContain(name === "NAME" ? "extract" : name);
    }
    for (const [, name] of read(page).matchAll(/npx slimfeatures ([a-z]+)/g)) {
      expect(read("docs/cli.md"), `${page}: npx slimfeatures ${name}`).toContain(`\n## ${name}\n`);
    }
    for (const [option] of read(page).matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)) {
      expect(known.includes(option) || elsewhere.has(option), `${page}: ${option}`).toBe(true);
    }
  });
});

/** Those of a page that are tried: each has a language that says how. */
const triedOf = (page: string) => blocksOf(page).filter(({ language }) => language in runnable);

describe.each(pages.filter((page) => triedOf(page).length > 0))("the snippets of %s", (page) => {
  let folder: WorkingFolder;
  beforeAll(async () => {
    folder = await workingFolder();
  }, 60_000);
  afterAll(() => folder.remove());

  for (const { language, text, line } of blocksOf(page)) {
    if (!(language in runnable)) continue;
    const missing = language === "python" ? missingLibraries(text) : [];
    const why = !runnable[language]
      ? `no ${language} here`
      : missing.length > 0
        ? `no ${missing.join(", ")} here`
        : undefined;
    const name = `line ${line} runs`;
    if (why) it.skip(`${name} (skipped: ${why})`, () => {});
    else it(name, () => folder.run(language, text).then(() => {}), 180_000);
  }
});
