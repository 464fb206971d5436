/**
 * CSV after RFC 4180: `path,f0,f1,...`, a line an image. Each number is the shortest decimal that reads back as the same
 * float32. A map's shape stands in the metadata beside; its numbers follow each other row-major.
 * https://www.rfc-editor.org/rfc/rfc4180
 */
import { bytesOfUtf8 } from "../../bytes.ts";
import { sizeOf } from "../../tensor.ts";
import { numbersOf, shortestFloat32 } from "../numbers.ts";
import type { FeatureFormat, TableFile } from "./table.ts";

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

const words: Readonly<Record<string, string>> = { null: "nan", "1e999": "inf", "-1e999": "-inf" };
const decimal = (x: number) => {
  const text = shortestFloat32(x);
  return words[text] ?? text;
};

export const csv: FeatureFormat<TableFile> = {
  name: "csv",
  description: "comma-separated values with a header: path, f0, f1, ...",
  pathsBeside: false,
  inFolders: true,
  async write(table, file) {
    const names = Array.from({ length: sizeOf(table.shape) }, (_, i) => `f${i}`);
    await file.append(bytesOfUtf8(`path,${names.join(",")}\r\n`));
    let i = 0;
    for await (const bytes of table.rows()) {
      const values = Array.from(numbersOf(table, bytes), decimal).join(",");
      await file.append(bytesOfUtf8(`${quoted(table.paths[i++])},${values}\r\n`));
    }
  },
};
