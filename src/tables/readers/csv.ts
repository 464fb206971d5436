/** Reads features in CSV, of ours and as spreadsheets save them. */
import { UserError } from "../../errors.ts";
import type { FeatureRow } from "../formats/table.ts";
import { openBytes } from "./bytes.ts";

const numbers: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
};

const isNumber = /^(?:nan|-?inf|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)$/;
const hasComma = /^[-+]?\d+,\d+(?:[eE][-+]?\d+)?$/;

/** How files of ours begin, and what spreadsheets make of them: a byte order mark, quotes, other separators. */
export const csvBegins = /^(?:\xef\xbb\xbf)?(?:sep=[,;\t]\r?\n)?("?)path\1[,;\t]/i;

const utf8 = new TextDecoder("utf-8", { fatal: true });

/** The rows of a CSV file of ours; maps come as vectors. @throws UserError for any other */
export async function* readCsv(path: string): AsyncGenerator<FeatureRow> {
  const file = openBytes(path);
  const again = "Extract the features again.";
  try {
    /** A line that lacks its end was cut off, perhaps in the midst of a number that still reads as one. */
    const line = (): string | undefined => {
      const before = file.position;
      const bytes = file.line();
      if (bytes && file.position - before === bytes.length)
        throw new UserError(`${path} ends in the middle: it was cut off.`, again);
      try {
        return bytes && utf8.decode(bytes);
      } catch {
        throw new UserError(
          `${path} is no features file: a line is not UTF-8, so that its path is not sure.`,
          "In a spreadsheet, save it as CSV UTF-8.",
        );
      }
    };
    /** A record may span lines, inside its quotes. */
    const record = (): string | undefined => {
      const lines: string[] = [];
      for (let quotes = 0; ; ) {
        const more = line();
        if (more === undefined) {
          if (lines.length === 0) return undefined;
          throw new UserError(`${path} ends inside quotes: it was cut off.`, again);
        }
        lines.push(more);
        quotes += more.split('"').length - 1;
        if (quotes % 2 === 0) return lines.join("\n").replace(/\r$/, "");
      }
    };
    let header = record() ?? "";
    if (/^sep=.$/i.test(header)) header = record() ?? "";
    const separator = /[,;\t]/.exec(header)?.[0] ?? ",";
    const width = header.split(separator).length - 1;
    const parts = new RegExp(`^(?:"((?:[^"]|"")*)"|([^${separator}]*))${separator}([\\s\\S]*)$`);
    /** Spreadsheets write numbers as their country does; where some have a point and some a comma, either may mean thousands. */
    let [points, commas] = [false, false];
    const numberIn = (field: string): number | undefined => {
      if (separator !== "," && hasComma.test(field)) {
        commas = true;
        return Number(field.replace(",", "."));
      }
      if (!isNumber.test(field)) return undefined;
      points ||= field.includes(".");
      return numbers[field] ?? Number(field);
    };
    for (let text = record(); text !== undefined; text = record()) {
      const match = parts.exec(text);
      const fields = match?.[3].split(separator) ?? [];
      const data = new Float32Array(fields.length);
      let sound = fields.length === width;
      for (let i = 0; sound && i < width; i++) {
        const value = numberIn(fields[i]);
        sound = value !== undefined;
        data[i] = value ?? 0;
      }
      if (!match || !sound) {
        throw new UserError(
          `${path} is no features file: a line has not ${width} numbers.`,
          "It may have been cut off, or a spreadsheet has made other things of its numbers.",
        );
      }
      if (points && commas) {
        throw new UserError(
          `${path} has numbers with a decimal point and others with a comma.`,
          "Save it with one of them.",
        );
      }
      yield { path: match[1]?.replaceAll('""', '"') ?? match[2], shape: [width], data };
    }
  } finally {
    file.close();
  }
}
