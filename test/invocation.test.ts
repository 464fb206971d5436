/** Advice names commands as they are typed where the program was started. */
import { afterEach, describe, expect, it } from "vitest";
import { UserError } from "../src/errors.ts";
import { asTyped, startedBy } from "../src/invocation.ts";

const advice =
  "See npm run models, or npm run fetch -- vgg_16; npm run bench:peers is no command of the program.";

afterEach(() => startedBy("/some/project/node_modules/.bin/slimfeatures"));

describe("a command in an advice", () => {
  it.each([
    ["/home/me/slimfeatures/bin/slimfeatures.mjs", "npm run models", "npm run fetch -- vgg_16"],
    ["/p/node_modules/.bin/slimfeatures", "npx slimfeatures models", "npx slimfeatures fetch vgg_16"],
    [
      "C:\\p\\node_modules\\slimfeatures\\bin\\slimfeatures.mjs",
      "npx slimfeatures models",
      "npx slimfeatures fetch vgg_16",
    ],
    ["/usr/local/bin/slimfeatures", "slimfeatures models", "slimfeatures fetch vgg_16"],
  ])("is typed as the program was started: by %s", (script, models, fetch) => {
    startedBy(script);
    expect(asTyped(advice)).toContain(`See ${models}, or ${fetch};`);
    expect(asTyped(advice)).toContain("npm run bench:peers is");
    expect(asTyped(asTyped(advice))).toBe(asTyped(advice));
  });

  it("is a package's in the errors of the library", () => {
    const { message, hint } = new UserError("No npm run models.", "Try npm run extract -- --model x.");
    expect([message, hint]).toEqual([
      "No npx slimfeatures models.",
      "Try npx slimfeatures extract --model x.",
    ]);
  });
});
