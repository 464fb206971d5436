/** Tables for people: columns padded on the terminal, or Markdown. */

export interface Column<Row> {
  readonly title: string;
  readonly cell: (row: Row) => string;
  /** Numbers stand at the right. */
  readonly right?: boolean;
  /** Of columns that may be left out where the terminal is narrow, the greatest goes first. */
  readonly spare?: number;
}

const pad = (text: string, width: number, right = false) =>
  right ? text.padStart(width) : text.padEnd(width);

function measured<Row>(columns: readonly Column<Row>[], rows: readonly Row[]) {
  const cells = rows.map((row) => columns.map((c) => c.cell(row)));
  const widths = columns.map((c, i) => Math.max(c.title.length, ...cells.map((line) => line[i].length)));
  return { cells, widths };
}

/** The columns that fit into `width`, and those that are left out for it. */
export function fitting<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width = Number.POSITIVE_INFINITY,
) {
  let kept = columns;
  for (;;) {
    const { widths } = measured(kept, rows);
    const [next] = kept.filter((c) => c.spare !== undefined).sort((a, b) => (b.spare ?? 0) - (a.spare ?? 0));
    if (!next || widths.reduce((sum, w) => sum + w + 2, -2) <= width) break;
    kept = kept.filter((c) => c !== next);
  }
  return { kept, left: columns.filter((c) => !kept.includes(c)) };
}

/** Columns under their titles, two spaces apart. */
export function textTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const { cells, widths } = measured(columns, rows);
  const lines = [columns.map((c) => c.title), ...cells].map((line) =>
    line
      .map((cell, i) => pad(cell, widths[i], columns[i].right))
      .join("  ")
      .trimEnd(),
  );
  return `${lines.join("\n")}\n`;
}

const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

/** For other programs: RFC 4180, with a header. */
export function csvTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = [columns.map((c) => c.title), ...rows.map((row) => columns.map((c) => c.cell(row)))];
  return lines.map((line) => `${line.map(quoted).join(",")}\r\n`).join("");
}

export function markdownTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const { cells, widths } = measured(columns, rows);
  const line = (parts: readonly string[]) => `| ${parts.join(" | ")} |`;
  const rule = columns.map((c, i) => (c.right ? `${"-".repeat(widths[i] - 1)}:` : "-".repeat(widths[i])));
  const lines = [columns.map((c) => c.title), ...cells].map((parts) =>
    line(parts.map((cell, i) => pad(cell, widths[i], columns[i].right))),
  );
  return `${[lines[0], line(rule), ...lines.slice(1)].join("\n")}\n`;
}

/**
 * A distance with four decimals, which are all there is to tell of cosine ones; Euclidean ones are of any size, and where the
 * decimals say nothing of one, it has three digits.
 */
export const distanceText = (distance: number, metric: "cosine" | "euclidean"): string =>
  metric === "cosine" || distance === 0 || (distance >= 0.0005 && distance < 1e6)
    ? distance.toFixed(4)
    : distance.toPrecision(3);

/** 1234567 as 1,234,567. */
export const grouped = (n: number): string => n.toLocaleString("en-US");
