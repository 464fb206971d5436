/** 1,797 labelled images of digits, their features, and what Python's libraries say of them, beside some checkouts. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Rows } from "../../src/analysis/matrix.ts";
import { sharedReference } from "./reference.ts";

export interface Digits {
  readonly rows: Rows;
  /** The path of each image in the archive: `LABEL/NUMBER.png`. */
  readonly paths: readonly string[];
  /** The digit that each shows. */
  readonly labels: Int32Array;
  /** What scikit-learn and umap-learn give, by what is measured. */
  readonly truth: Readonly<Record<string, number>>;
}

/** The folder of the digits, where it is at hand. */
export const digitsFolder = sharedReference && join(sharedReference, "digits");

/** For titles: why a test that needs the digits does not run. */
export const needsDigits = digitsFolder ? "" : " [skipped: the digits are not beside this checkout]";

export function readDigits(): Digits {
  if (digitsFolder === undefined) throw new Error("The digits are not beside this checkout.");
  const file = (name: string) => readFileSync(join(digitsFolder as string, name));
  const paths = file("paths.txt").toString().trim().split("\n");
  const features = file("mobilenet_v1_features.npy");
  const data = new Float32Array(Uint8Array.from(features.subarray(10 + features.readUInt16LE(8))).buffer);
  return {
    rows: { count: paths.length, width: data.length / paths.length, data },
    paths,
    labels: Int32Array.from(paths, (path) => Number(path.split("/")[0])),
    truth: JSON.parse(file("truth.json").toString()) as Record<string, number>,
  };
}
