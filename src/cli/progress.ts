/** Progress on stderr: a bar on a terminal, else a line now and then for the log. */
import type { Io } from "./io.ts";

export interface Progress {
  /** Tells how far the work is; `total` may be unknown. */
  update(done: number, total: number | undefined): void;
  /** Prints a line of its own, above the bar. */
  say(line: string): void;
  /** Removes the bar. */
  end(): void;
}

export interface ProgressOptions {
  /** What is counted, such as "images". */
  readonly unit: string;
  /** A count in words; the plain number when left out. */
  readonly show?: (count: number) => string;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

const barInterval = 100;
const lineInterval = 10_000;
const barWidth = 24;

export function makeProgress(
  io: Io,
  { unit, show = String, now = () => performance.now() }: ProgressOptions,
): Progress {
  let began: number | undefined;
  let base = 0;
  let last = Number.NEGATIVE_INFINITY;
  let bar = "";
  const clear = io.terminal ? "\r\x1b[K" : "";

  function describe(done: number, total: number | undefined, elapsed: number): string {
    const rate = elapsed > 0 ? (done - base) / elapsed : 0;
    const parts = [total === undefined ? `${show(done)} ${unit}` : `${show(done)}/${show(total)} ${unit}`];
    if (rate > 0) parts.push(`${rate >= 1000 ? show(Math.round(rate)) : rate.toPrecision(3)} a second`);
    if (rate > 0 && total !== undefined && done < total)
      parts.push(`${duration((total - done) / rate)} left`);
    return parts.join(", ");
  }

  return {
    update(done, total) {
      const time = now();
      if (began === undefined) {
        began = time;
        base = done;
        if (!io.terminal) last = time;
      }
      const finished = total !== undefined && done >= total;
      if (time - last < (io.terminal ? barInterval : lineInterval) && !(finished && io.terminal)) return;
      last = time;
      const text = describe(done, total, (time - began) / 1000);
      if (!io.terminal) return io.err(`${text}\n`);
      bar = `${total ? `${drawBar(done / total, io.colour)} ` : ""}${text.slice(0, Math.max(0, io.columns - barWidth - 4))}`;
      io.err(`${clear}${bar}`);
    },
    say: (line) => io.err(`${bar && clear}${line}\n${bar}`),
    end() {
      if (bar) io.err(clear);
      bar = "";
    },
  };
}

function drawBar(fraction: number, colour: boolean): string {
  const full = Math.min(barWidth, Math.floor(fraction * barWidth));
  const [green, plain] = colour ? ["\x1b[32m", "\x1b[39m"] : ["", ""];
  return `[${green}${"#".repeat(full)}${plain}${".".repeat(barWidth - full)}]`;
}

/** Seconds as 5s, 2m05s or 3h07m. */
export function duration(seconds: number): string {
  const s = Math.ceil(seconds);
  if (s < 60) return `${s}s`;
  const two = (n: number) => String(n).padStart(2, "0");
  if (s < 3600) return `${Math.floor(s / 60)}m${two(s % 60)}s`;
  return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
}

/** Bytes as 12 B, 3.4 kB, 56.7 MB or 1.2 GB. */
export function byteCount(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`;
}
