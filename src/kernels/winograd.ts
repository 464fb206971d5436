/**
 * Winograd's minimal filtering: a tile of outputs along an axis from as many multiplications as it has inputs (Lavin and
 * Gray, "Fast algorithms for convolutional neural networks", 2015). The matrices come from Toom and Cook's interpolation
 * at small points; points near 1 keep rounding small (Barabasz et al., "Error analysis and improving the accuracy of
 * Winograd convolution", 2018).
 *
 * A window that moves by a stride is as many windows as the stride has phases, each of every stride-th tap on every
 * stride-th input: their channels are added up like those of one window.
 */
import type { WindowGeometry } from "./geometry.ts";
import type { Packing } from "./op.ts";

/** One axis: `side` outputs of a window of `taps`, from side + taps - 1 inputs, by one finite point less. */
export interface Minimal {
  readonly side: number;
  readonly taps: number;
  readonly points: readonly number[];
}

/** Inputs of a tile, and multiplications. */
export const sizeOf = ({ side, taps }: Minimal): number => side + taps - 1;

export type Matrix = readonly (readonly number[])[];

export interface WinogradMatrices {
  /** size x size: on inputs. */
  readonly input: Matrix;
  /** size x taps: on filters. */
  readonly filter: Matrix;
  /** side x size: on products. */
  readonly output: Matrix;
}

/** The coefficients of the polynomial with these roots, the constant first. */
export function polynomialOf(roots: readonly number[]): number[] {
  let polynomial = [1];
  for (const root of roots) {
    polynomial = [0, ...polynomial].map((c, i) => c - root * (polynomial[i] ?? 0));
  }
  return polynomial;
}

export function winogradMatrices(axis: Minimal): WinogradMatrices {
  const { side, taps, points } = axis;
  const others = (j: number) => points.filter((_, k) => k !== j);
  const padded = (row: number[]) => Array.from({ length: sizeOf(axis) }, (_, i) => row[i] ?? 0);
  const powers = Array.from({ length: taps }, (_, k) => k);
  return {
    input: [...points.map((_, j) => padded(polynomialOf(others(j)))), padded(polynomialOf(points))],
    filter: [
      ...points.map((p, j) => {
        const scale = others(j).reduce((product, q) => product * (p - q), 1);
        return powers.map((k) => p ** k / scale);
      }),
      powers.map((k) => (k === taps - 1 ? 1 : 0)),
    ],
    output: Array.from({ length: side }, (_, i) => [...points.map((p) => p ** i), i === side - 1 ? 1 : 0]),
  };
}

/** A tile: its axes. */
export interface Tile {
  readonly down: Minimal;
  readonly across: Minimal;
}

/** Multiplications of a tile, for a pair of an input and an output channel. */
export const placesOf = ({ down, across }: Tile): number => sizeOf(down) * sizeOf(across);

type Filter = Pick<WindowGeometry, "kernelH" | "kernelW" | "strideH" | "strideW" | "inC" | "outC">;

/** out = the sum of each source times its factor. */
function sumUp(out: Float64Array, factors: readonly number[], sources: readonly Float64Array[]): void {
  if (sources.length === 3) {
    // The common window, in one go.
    const [[a, b, c], [x, y, z]] = [factors, sources];
    for (let k = 0; k < out.length; k++) out[k] = a * x[k] + b * y[k] + c * z[k];
    return;
  }
  out.fill(0);
  for (const [i, source] of sources.entries()) {
    const factor = factors[i];
    if (factor !== 0) for (let k = 0; k < out.length; k++) out[k] += factor * source[k];
  }
}

/**
 * Filters [kernelH, kernelW, inC, outC] in the transformed space, worked out in float64 and rounded once, as panels
 * [place][outC / channels][phase][inC][channels], zero-filled at the end.
 */
export function winogradPacking({ down, across }: Tile, filter: Filter, channels: number): Packing {
  const { kernelH, kernelW, strideH, strideW, inC, outC } = filter;
  const [rows, columns] = [winogradMatrices(down).filter, winogradMatrices(across).filter];
  const panels = Math.ceil(outC / channels);
  const phases = strideH * strideW;
  const panelLength = phases * inC * channels;
  const placeLength = panels * panelLength;
  const chunk = rows.length * columns.length * placeLength;
  const text = ({ side, points }: Minimal) => `${side} of ${points}`;
  return {
    layout: `winograd ${text(down)} by ${text(across)} in panels${channels}`,
    chunks: [chunk],
    pack(values) {
      const packed = new Float32Array(chunk);
      const vector = () => new Float64Array(outC);
      /** The taps of one input channel, column by column: what is worked on stays in the first cache. */
      const taps = columns[0].map(() => rows[0].map(vector));
      const halves = taps.map(vector);
      const whole = vector();
      for (let step = 0; step < phases * inC; step++) {
        const [phase, channel] = [Math.floor(step / inC), step % inC];
        const [top, left] = [Math.floor(phase / strideW), phase % strideW];
        for (const [x, column] of taps.entries()) {
          for (const [y, tap] of column.entries()) {
            const [row, col] = [y * strideH + top, x * strideW + left];
            const at = ((row * kernelW + col) * inC + channel) * outC;
            if (row < kernelH && col < kernelW) tap.set(values.subarray(at, at + outC));
            else tap.fill(0);
          }
        }
        for (const [i, row] of rows.entries()) {
          for (const [x, half] of halves.entries()) sumUp(half, row, taps[x]);
          for (const [j, column] of columns.entries()) {
            sumUp(whole, column, halves);
            writePlace(whole, packed, (i * columns.length + j) * placeLength + step * channels);
          }
        }
      }
      return packed;
    },
  };

  /** One input channel of a place of the transformed filters, whose first panel has it at `at`. */
  function writePlace(whole: Float64Array, packed: Float32Array, at: number): void {
    for (let first = 0; first < outC; first += channels) {
      const filled = Math.min(channels, outC - first);
      for (let k = 0; k < filled; k++) packed[at + k] = whole[first + k];
      at += panelLength;
    }
  }
}
