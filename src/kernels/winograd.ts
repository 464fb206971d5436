/**
 * Winograd's minimal filtering for windows of 3x3: a tile of m x m outputs from (m+2) x (m+2) inputs with (m+2)^2
 * multiplications instead of 9 m^2 (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015). The
 * matrices come from Toom and Cook's interpolation at small points; points near 1 keep rounding small (Barabasz et al.,
 * "Error analysis and improving the accuracy of Winograd convolution", 2018).
 */
import type { WindowGeometry } from "./geometry.ts";
import type { Packing } from "./op.ts";

/** Output side of a tile, and the finite points of its interpolation. */
export interface Minimal {
  readonly side: 2 | 4;
  readonly points: readonly number[];
}

export const minimal2: Minimal = { side: 2, points: [0, 1, -1] };
/** For float32: with the points of the paper the error is some four times as large. */
export const minimal4: Minimal = { side: 4, points: [0, 0.625, -0.625, 1.25, -1.25] };
/** The paper's, whose transforms take the fewest operations: for float64, which has room for their rounding. */
export const minimal4Paper: Minimal = { side: 4, points: [0, 1, -1, 2, -2] };

export type Matrix = readonly (readonly number[])[];

export interface WinogradMatrices {
  /** (m+2) x (m+2): on inputs, from both sides. */
  readonly input: Matrix;
  /** (m+2) x 3: on filters. */
  readonly filter: Matrix;
  /** m x (m+2): on products. */
  readonly output: Matrix;
}

const multiply = (a: readonly number[], b: readonly number[]): number[] => {
  const product = Array<number>(a.length + b.length - 1).fill(0);
  for (const [i, x] of a.entries()) for (const [j, y] of b.entries()) product[i + j] += x * y;
  return product;
};

export function winogradMatrices({ side, points }: Minimal): WinogradMatrices {
  const size = side + 2;
  const others = (j: number) => points.filter((_, k) => k !== j);
  const polynomial = (roots: readonly number[]) => roots.reduce((p, root) => multiply(p, [-root, 1]), [1]);
  const padded = (row: number[]) => [...row, ...Array<number>(size - row.length).fill(0)];
  return {
    input: [...points.map((_, j) => padded(polynomial(others(j)))), padded(polynomial(points))],
    filter: [
      ...points.map((p, j) => {
        const scale = others(j).reduce((product, q) => product * (p - q), 1);
        return [0, 1, 2].map((k) => p ** k / scale);
      }),
      [0, 0, 1],
    ],
    output: Array.from({ length: side }, (_, i) => [...points.map((p) => p ** i), i === side - 1 ? 1 : 0]),
  };
}

/** Whether a convolution can be computed so. */
export const isMinimal = (g: WindowGeometry): boolean =>
  g.kernelH === 3 &&
  g.kernelW === 3 &&
  g.strideH === 1 &&
  g.strideW === 1 &&
  g.dilationH === 1 &&
  g.dilationW === 1;

/**
 * Filters [3, 3, inC, outC] in the transformed space, worked out in float64 and rounded once, as panels
 * [(m+2)^2][outC / channels][inC][channels], zero-filled at the end.
 */
export function winogradPacking(kind: Minimal, inC: number, outC: number, channels: number): Packing {
  const { filter: matrix } = winogradMatrices(kind);
  const size = kind.side + 2;
  const panels = Math.ceil(outC / channels);
  const step = panels * inC * channels;
  return {
    layout: `winograd${kind.side} of ${kind.points} in panels${channels}`,
    chunks: [size * size * step],
    pack(filter) {
      const packed = new Float32Array(size * size * step);
      const plane = inC * outC;
      /** A row of G times the filters' columns x = 0, 1, 2. */
      const columns = [0, 1, 2].map(() => new Float64Array(plane));
      for (let i = 0; i < size; i++) {
        const [a, b, c] = matrix[i];
        columns.forEach((column, x) => {
          for (let k = 0; k < plane; k++) {
            column[k] =
              a * filter[x * plane + k] + b * filter[(3 + x) * plane + k] + c * filter[(6 + x) * plane + k];
          }
        });
        for (let j = 0; j < size; j++) writeRow(columns, matrix[j], packed, (i * size + j) * step);
      }
      return packed;
    },
  };

  /** One place of the transformed filters, from `at` on. */
  function writeRow(
    [left, middle, right]: readonly Float64Array[],
    [a, b, c]: readonly number[],
    packed: Float32Array,
    at: number,
  ): void {
    for (let first = 0; first < outC; first += channels) {
      const filled = Math.min(channels, outC - first);
      for (let channel = 0; channel < inC; channel++) {
        const from = channel * outC + first;
        const to = at + first * inC + channel * channels;
        for (let k = 0; k < filled; k++) {
          packed[to + k] = a * left[from + k] + b * middle[from + k] + c * right[from + k];
        }
      }
    }
  }
}
