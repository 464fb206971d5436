/** `load`: prints a features file, as Compute-Features' load_features.py did. */

import { shortestFloat32 } from "../tables/numbers.ts";
import { formatShape } from "../tensor.ts";
import type { AddCommand } from "./command.ts";

export const addLoad: AddCommand = (program, io) => {
  program
    .command("load")
    .description("print the paths and features of a file that extract wrote")
    .argument("<file>", "a features file of any format, told apart by its content")
    .addHelpText("after", "\nExample:\n  npm run load -- features/inception_v1_features.pkl")
    .action(async (file: string) => {
      const { readFeatures } = await import("../tables/readers/index.ts");
      const shapes = new Set<string>();
      let count = 0;
      for await (const { path, shape, data } of readFeatures(file)) {
        await io.out(`${path} : ${abbreviate(data)}\n`);
        shapes.add(formatShape(shape));
        count++;
      }
      const each = shapes.size === 0 ? "" : ` of shape ${[...shapes].join(", ")}`;
      await io.out(`${count} ${count === 1 ? "feature" : "features"}${each}\n`);
    });
};

const edge = 3;
const numpyNames: Readonly<Record<string, string>> = { NaN: "nan", Infinity: "inf", "-Infinity": "-inf" };

/** The first and last numbers of a feature, as numpy prints a long array. */
export function abbreviate(data: Float32Array | Float64Array): string {
  const shortest = data instanceof Float32Array ? shortestFloat32 : String;
  const show = (x: number) => (Number.isFinite(x) ? shortest(x) : numpyNames[String(x)]);
  const all = data.length <= 2 * edge;
  const first = Array.from(all ? data : data.subarray(0, edge), show);
  const last = all ? [] : ["...", ...Array.from(data.subarray(-edge), show)];
  return `[${[...first, ...last].join(" ")}]`;
}
