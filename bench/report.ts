/** Tables of the bench: a network's layers, and the same against an earlier result. */
import { type Column, textTable } from "../src/cli/table.ts";
import { gpuClock } from "../src/engine/device.ts";
import { UsageError } from "../src/errors.ts";
import type { BenchResult, LayerResult } from "./layers.ts";
import type { Spread } from "./spread.ts";

const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** What the result is of, in three or four lines. */
export function describeResult(result: BenchResult): string {
  const { weightBytes, activationBytes, stagingBytes, startUp } = result;
  const memory = weightBytes + activationBytes + stagingBytes;
  return [
    `${result.model} up to ${result.endPoint}, batch ${result.batch}, ${result.runs} runs, seeded weights`,
    `${result.backend}: ${result.adapter}; layers timed by ${result.clock}`,
    `memory ${mib(memory)}: weights ${mib(weightBytes)}, activations ${mib(activationBytes)}, staging ${mib(stagingBytes)}`,
    ...(startUp
      ? [
          `process start to first feature, from a checkpoint in the page cache: ${startUp.total.min.toFixed(0)} ms min, ${startUp.total.median.toFixed(0)} median (program loaded ${startUp.loaded.median.toFixed(0)}, network ready ${startUp.ready.median.toFixed(0)})`,
        ]
      : []),
  ].join("\n");
}

type Row = Pick<LayerResult, "layer" | "shape" | "macs" | "gflops" | "ofBest" | "share"> & {
  readonly kernel: string;
  readonly tile: string;
  readonly milliseconds: Spread;
};

const kernelOf = ({ op, variant }: LayerResult) => `${op}/${variant}`;

/** What of a run is not the layers' time on the GPU: writing, submitting, waiting, reading. */
const besidesGpu = (layers: Spread, run: Spread): Spread => ({
  min: run.min - layers.min,
  median: run.median - layers.median,
});

/**
 * A row a layer. "of best" is its speed against the fastest layer of the run, so that the weak ones stand out; "share"
 * is its part of the time.
 */
export function layersTable({ layers, total, run, clock }: BenchResult): string {
  const rows: Row[] = layers.map((l) => ({ ...l, kernel: kernelOf(l), tile: l.tile ?? "" }));
  const none = { kernel: "", tile: "", shape: "", ofBest: 0 };
  rows.push({ ...none, ...total, layer: "total of the layers", share: 1 });
  rows.push({
    ...none,
    layer: "whole run, input to feature",
    macs: 0,
    milliseconds: run,
    gflops: 0,
    share: 0,
  });
  if (clock === gpuClock) {
    rows.push({
      ...none,
      layer: "of that not GPU time",
      macs: 0,
      milliseconds: besidesGpu(total.milliseconds, run),
      gflops: 0,
      share: 0,
    });
  }
  const when = (value: number, text: string) => (value > 0 ? text : "");
  const columns: Column<Row>[] = [
    { title: "layer", cell: (r) => r.layer },
    { title: "kernel", cell: (r) => r.kernel },
    { title: "tile", cell: (r) => r.tile },
    { title: "output", cell: (r) => r.shape },
    { title: "M multiply-adds", right: true, cell: (r) => when(r.macs, (r.macs / 1e6).toFixed(1)) },
    { title: "ms min", right: true, cell: (r) => r.milliseconds.min.toFixed(3) },
    { title: "ms median", right: true, cell: (r) => r.milliseconds.median.toFixed(3) },
    { title: "GFLOP/s", right: true, cell: (r) => when(r.gflops, r.gflops.toFixed(2)) },
    { title: "of best", right: true, cell: (r) => when(r.ofBest, percent(r.ofBest)) },
    { title: "share", right: true, cell: (r) => when(r.share, percent(r.share)) },
  ];
  return textTable(columns, rows);
}

interface Comparison {
  readonly layer: string;
  readonly before?: LayerResult;
  readonly now?: LayerResult;
  readonly times: readonly [before: Spread | undefined, now: Spread | undefined];
}

/** The layers of both results by name; names that repeat are told apart by their order. */
export function comparisons(earlier: BenchResult, result: BenchResult): Comparison[] {
  const keyed = (layers: readonly LayerResult[]) => {
    const seen = new Map<string, number>();
    return new Map(
      layers.map((l) => {
        const times = (seen.get(l.layer) ?? 0) + 1;
        seen.set(l.layer, times);
        return [times === 1 ? l.layer : `${l.layer} #${times}`, l];
      }),
    );
  };
  const [before, now] = [keyed(earlier.layers), keyed(result.layers)];
  const names = [...now.keys(), ...[...before.keys()].filter((name) => !now.has(name))];
  return [
    ...names.map((layer): Comparison => {
      const [b, n] = [before.get(layer), now.get(layer)];
      return { layer, before: b, now: n, times: [b?.milliseconds, n?.milliseconds] };
    }),
    { layer: "total of the layers", times: [earlier.total.milliseconds, result.total.milliseconds] },
    { layer: "whole run, input to feature", times: [earlier.run, result.run] },
  ];
}

/**
 * Medians of an earlier result beside these, and what part of the earlier time it takes now.
 * @throws UsageError when the earlier result is of another network or batch.
 */
export function compareTable(earlier: BenchResult, result: BenchResult): string {
  for (const key of ["model", "endPoint", "batch"] as const) {
    if (earlier[key] !== result[key])
      throw new UsageError(
        `The earlier result has ${key} ${earlier[key]}, this one ${result[key]}.`,
        "Compare results of one network, end point and batch.",
      );
  }
  const kernel = (l: LayerResult | undefined) => (l ? `${kernelOf(l)} ${l.tile ?? ""}`.trim() : "");
  const other = (["backend", "adapter", "node"] as const)
    .filter((key) => earlier[key] !== result[key])
    .map((key) => `The earlier result has ${key} ${earlier[key]}, this one ${result[key]}.\n`);
  const columns: Column<Comparison>[] = [
    { title: "layer", cell: (c) => c.layer },
    { title: "kernel before", cell: (c) => kernel(c.before) },
    { title: "kernel now", cell: (c) => kernel(c.now) },
    { title: "ms before", right: true, cell: ({ times: [b] }) => b?.median.toFixed(3) ?? "" },
    { title: "ms now", right: true, cell: ({ times: [, n] }) => n?.median.toFixed(3) ?? "" },
    {
      title: "now / before",
      right: true,
      cell: ({ times: [b, n] }) => (b && n ? (n.median / b.median).toFixed(2) : ""),
    },
  ];
  return `${other.join("")}${textTable(columns, comparisons(earlier, result))}`;
}
