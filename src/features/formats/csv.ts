/**
 * CSV after RFC 4180: `path,f0,f1,...`, a line an image. Each number is the shortest decimal that reads back as the same
 * float32. A map's shape stands in the metadata beside; its numbers follow each other row-major.
 * https://www.rfc-editor.org/rfc/rfc4180
 */
import { UserError } from "../../errors.ts";
import { sizeOf } from "../../tensor.ts";
import { numbersOf, shortestFloat32 } from "../numbers.ts";
import { openBytes } from "../readers/bytes.ts";
import type { FeatureFormat, FeatureRow } from "./table.ts";

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const words: Readonly<Record<string, string>> = { null: "nan", "1e999": "inf", "-1e999": "-inf" };
const decimal = (x: number) => {
  const text = shortestFloat32(x);
  return words[text] ?? text;
};

export const csv: FeatureFormat = {
  name: "csv",
  description: "comma-separated values with a header: path, f0, f1, ...",
  pathsBeside: false,
  async write(table, file) {
    const names = Array.from({ length: sizeOf(table.shape) }, (_, i) => `f${i}`);
    await file.append(Buffer.from(`path,${names.join(",")}\r\n`));
    let i = 0;
    for await (const bytes of table.rows()) {
      const values = Array.from(numbersOf(table, bytes), decimal).join(",");
      await file.append(Buffer.from(`${quoted(table.paths[i++])},${values}\r\n`));
    }
  },
};

const numbers: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
};

const isNumber = /^(?:nan|-?inf|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$/;

/** The rows of a CSV file of ours; maps come as vectors. @throws UserError for any other */
export async function* readCsv(path: string): AsyncGenerator<FeatureRow> {
  const file = openBytes(path);
  try {
    /** A line that lacks its end was cut off, perhaps in the midst of a number that still reads as one. */
    const line = (): string | undefined => {
      const before = file.position;
      const bytes = file.line();
      if (bytes && file.position - before === bytes.length)
        throw new UserError(`${path} ends in the middle: it was cut off.`, "Extract the features again.");
      return bytes?.toString("utf8");
    };
    /** A record may span lines, inside its quotes. */
    const record = (): string | undefined => {
      const lines: string[] = [];
      for (let quotes = 0; ; ) {
        const more = line();
        if (more === undefined) {
          if (lines.length === 0) return undefined;
          throw new UserError(`${path} ends inside quotes: it was cut off.`, "Extract the features again.");
        }
        lines.push(more);
        quotes += more.split('"').length - 1;
        if (quotes % 2 === 0) return lines.join("\n").replace(/\r$/, "");
      }
    };
    const width = (record() ?? "").split(",").length - 1;
    for (let text = record(); text !== undefined; text = record()) {
      const match = /^(?:"((?:[^"]|"")*)"|([^,]*)),([\s\S]*)$/.exec(text);
      const fields = match?.[3].split(",") ?? [];
      const data = Float32Array.from(fields, (f) => numbers[f] ?? Number(f));
      if (!match || fields.length !== width || !fields.every((f) => isNumber.test(f))) {
        throw new UserError(
          `${path} is no features file: a line has not ${width} numbers.`,
          "It may have been cut off.",
        );
      }
      yield { path: match[1]?.replaceAll('""', '"') ?? match[2], shape: [width], data };
    }
  } finally {
    file.close();
  }
}
