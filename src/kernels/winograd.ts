/**
 * Winograd's minimal filtering for windows of 3x3: a tile of m x m outputs from (m+2) x (m+2) inputs with (m+2)^2
 * multiplications instead of 9 m^2 (Lavin and Gray, "Fast algorithms for convolutional neural networks", 2015). The
 * matrices come from Toom and Cook's interpolation at small points; points near 1 keep rounding small (Barabasz et al.,
 * "Error analysis and improving the accuracy of Winograd convolution", 2018).
 */
import type { WindowGeometry } from "./geometry.ts";

/** Output side of a tile, and the finite points of its interpolation. */
export interface Minimal {
  readonly side: 2 | 4;
  readonly points: readonly number[];
}

export const minimal2: Minimal = { side: 2, points: [0, 1, -1] };
/** With 0, 1, -1, 2, -2 the error is some four times as large. */
export const minimal4: Minimal = { side: 4, points: [0, 0.625, -0.625, 1.25, -1.25] };

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
 * A filter [3, 3, inC, outC] in the transformed space: [(m+2)^2][inC][outC], worked out in float64 and rounded once.
 */
export function transformFilter(
  filter: Float32Array,
  inC: number,
  outC: number,
  kind: Minimal,
): Float32Array {
  const { filter: matrix } = winogradMatrices(kind);
  const size = kind.side + 2;
  const plane = inC * outC;
  const out = new Float32Array(size * size * plane);
  const columns = new Float64Array(size * 3);
  for (let at = 0; at < plane; at++) {
    for (let i = 0; i < size; i++) {
      for (let x = 0; x < 3; x++) {
        let sum = 0;
        for (let y = 0; y < 3; y++) sum += matrix[i][y] * filter[(y * 3 + x) * plane + at];
        columns[i * 3 + x] = sum;
      }
    }
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) {
        let sum = 0;
        for (let x = 0; x < 3; x++) sum += columns[i * 3 + x] * matrix[j][x];
        out[(i * size + j) * plane + at] = sum;
      }
    }
  }
  return out;
}
