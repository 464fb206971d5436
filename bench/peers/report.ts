/** The figures of peers and ours: kept in one file a machine, shown as tables with ratios. */
import { type Column, textTable } from "../../src/cli/table.ts";
import type { Spread } from "../spread.ts";
import { type Contender, contenders } from "./contenders.ts";
import type { Outcome } from "./rounds.ts";

/** An outcome and the run that it comes from: only contenders of one run alternated with each other. */
export type Figure = Outcome & {
  /** When the run began. */
  readonly run: string;
  /** The commit of ours. */
  readonly commit: string;
};

export interface Entry {
  readonly model: string;
  readonly batch: number;
  readonly figures: readonly Figure[];
}

export interface PeersResult {
  readonly device: string;
  readonly processor: string;
  readonly cores: number;
  readonly node: string;
  /** The variables that change how fast an adapter is, the same for all contenders. */
  readonly environment: Readonly<Record<string, string>>;
  readonly entries: readonly Entry[];
}

const sameWork = (a: Entry, b: Entry) => a.model === b.model && a.batch === b.batch;

/** `older` with the figures of `newer` in their places; contenders that did not run again stay. */
export function mergeEntries(older: readonly Entry[], newer: readonly Entry[]): Entry[] {
  const rank = (name: string) => contenders.findIndex((c) => c.name === name);
  const merged = older.map((entry) => {
    const fresh = newer.find((n) => sameWork(n, entry));
    if (!fresh) return entry;
    const again = new Set(fresh.figures.map((f) => f.contender));
    const kept = entry.figures.filter((f) => !again.has(f.contender));
    const figures = [...kept, ...fresh.figures].toSorted((a, b) => rank(a.contender) - rank(b.contender));
    return { ...entry, figures };
  });
  return [...merged, ...newer.filter((n) => !older.some((o) => sameWork(n, o)))];
}

const isTimed = (figure: Figure) => "milliseconds" in figure;
const timeOf = (figure: Figure | undefined): Spread | undefined =>
  figure && "milliseconds" in figure ? figure.milliseconds : undefined;

const gpuOf = (figure: Figure): Spread | undefined => ("milliseconds" in figure ? figure.gpu : undefined);

/** Milliseconds of a run that are not the GPU's: writing, submitting, waiting, reading. */
function besides(figure: Figure): number | undefined {
  const [whole, gpu] = [timeOf(figure), gpuOf(figure)];
  return whole && gpu && whole.median - gpu.median;
}

/** A result as the part of it that was computed on `on`, and only its entries that have any. */
export function partOf(result: PeersResult, on: Contender["on"]): PeersResult {
  const names = contenders.filter((c) => c.on === on).map((c) => c.name);
  const entries = result.entries.map((entry) => ({
    ...entry,
    figures: entry.figures.filter((f) => names.includes(f.contender)),
  }));
  const device = on === "adapter" ? result.device : result.processor;
  return { ...result, device, entries: entries.filter((e) => e.figures.length > 0) };
}

/** How many times ours's median `figure` takes; whether they alternated in one run. */
export function ratio(
  figure: Figure,
  ours: Figure | undefined,
): { readonly times: number; readonly sameRun: boolean } | undefined {
  const [theirs, own] = [timeOf(figure), timeOf(ours)];
  if (!theirs || !own || !ours) return undefined;
  return { times: theirs.median / own.median, sameRun: figure.run === ours.run };
}

const find = (entry: Entry, name: string) => entry.figures.find((f) => f.contender === name);

export const geometricMean = (values: readonly number[]): number =>
  Math.exp(values.reduce((sum, v) => sum + Math.log(v), 0) / values.length);

const ownNames = contenders.filter((c) => c.ours).map((c) => c.name);

/** Those of ours that ran in any of these. */
const oursIn = (entries: readonly Entry[]) => ownNames.filter((name) => entries.some((e) => find(e, name)));

function showRatio(figure: Figure, ours: Figure | undefined): string {
  const r = ratio(figure, ours);
  return r ? `${r.sameRun ? "" : "~"}${r.times.toFixed(2)}` : "";
}

function entryTable(entry: Entry): string {
  const columns: Column<Figure>[] = [
    { title: "contender", cell: (f) => f.contender },
    { title: "ms min", right: true, cell: (f) => timeOf(f)?.min.toFixed(1) ?? "" },
    { title: "ms median", right: true, cell: (f) => timeOf(f)?.median.toFixed(1) ?? "" },
    ...(entry.figures.some(gpuOf)
      ? [
          { title: "GPU", right: true, cell: (f: Figure) => gpuOf(f)?.median.toFixed(1) ?? "" },
          { title: "besides", right: true, cell: (f: Figure) => besides(f)?.toFixed(1) ?? "" },
        ]
      : []),
    ...oursIn([entry]).map(
      (name): Column<Figure> => ({
        title: `/ ${name}`,
        right: true,
        cell: (f) => showRatio(f, find(entry, name)),
      }),
    ),
    { title: "runs", right: true, cell: (f) => ("runs" in f ? String(f.runs) : "") },
    {
      title: "others",
      right: true,
      cell: (f) => ("others" in f ? `${(100 * f.others).toFixed(0)} %` : ""),
    },
    { title: "MiB", right: true, cell: (f) => ("peakBytes" in f ? (f.peakBytes / 2 ** 20).toFixed(0) : "") },
    { title: "error", right: true, cell: (f) => ("error" in f ? f.error.toExponential(1) : "") },
    { title: "", cell: (f) => ("reason" in f ? f.reason : f.about) },
  ];
  return `${entry.model}, batch ${entry.batch}\n${textTable(columns, entry.figures)}`;
}

/** The geometric means of the ratios over the networks where both ran, a row a batch and contender. */
function means(entries: readonly Entry[]): string {
  const batches = [...new Set(entries.map((e) => e.batch))].toSorted((a, b) => a - b);
  const own = oursIn(entries);
  const rows = batches.flatMap((batch) =>
    contenders.flatMap(({ name }) => {
      const of = entries.filter((e) => e.batch === batch);
      const against = own.map((ourName) => {
        const ratios = of.flatMap((e) => {
          const figure = find(e, name);
          return (figure && ratio(figure, find(e, ourName))) ?? [];
        });
        if (ratios.length === 0) return "";
        const mark = ratios.every((r) => r.sameRun) ? "" : "~";
        return `${mark}${geometricMean(ratios.map((r) => r.times)).toFixed(2)} (${ratios.length})`;
      });
      return against.some((a) => a !== "") ? [{ batch, name, against }] : [];
    }),
  );
  if (rows.length === 0) return "";
  return textTable(
    [
      { title: "batch", right: true, cell: (r) => String(r.batch) },
      { title: "geometric mean (networks)", cell: (r) => r.name },
      ...own.map(
        (ourName, i): Column<(typeof rows)[number]> => ({
          title: `/ ${ourName}`,
          right: true,
          cell: (r) => r.against[i],
        }),
      ),
    ],
    rows,
  );
}

/**
 * All tables of a result. Ratios marked with ~ are of two runs, not of one that alternated. "GPU" is what the layers take
 * there by its own clock, and "besides" what the host adds to it, from writing the images to reading the features. "others" is what other
 * processes took of the machine meanwhile: where it is much, the figures say little.
 */
export function showPeers({ entries, ...machine }: PeersResult): string {
  const variables = Object.entries(machine.environment).map(([k, v]) => `${k}=${v}`);
  const head = [
    `${machine.device}; ${machine.processor}, ${machine.cores} cores, Node ${machine.node}`,
    `environment: ${variables.length > 0 ? variables.join(" ") : "as it is, no LP_*, VK_* or *_NUM_THREADS set"}`,
  ].join("\n");
  const several = entries.length > 1 ? [means(entries)] : [];
  const marked = entries.some((e) => new Set(e.figures.filter(isTimed).map((f) => f.run)).size > 1);
  const foot = marked ? ["~ of two runs that did not alternate with each other\n"] : [];
  return [`${head}\n`, ...entries.map(entryTable), ...several, ...foot].join("\n");
}
