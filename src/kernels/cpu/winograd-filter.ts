/** Filters transformed for Winograd's F(4x4, 3x3), worked out in float64 and rounded once. */
import type { Packing } from "../op.ts";
import { columns } from "./product.ts";

/** A tile gives so many outputs a side, from so many inputs. */
export const side = 4;
export const reach = side + 2;
export const positions = reach * reach;

/** The rows of G, for the three values of `from` at `at`, `step` apart, into `to` at `into`, `stride` apart. */
function transformFilter(
  from: ArrayLike<number>,
  at: number,
  step: number,
  to: Float64Array | Float32Array,
  into: number,
  stride: number,
): void {
  const [a, b, c] = [from[at], from[at + step], from[at + 2 * step]];
  const [outer, inner] = [(a + c) / 6, b / 6];
  const [outer2, inner2] = [a / 24 + c / 6, b / 12];
  to[into] = a / 4;
  to[into + stride] = -outer - inner;
  to[into + 2 * stride] = inner - outer;
  to[into + 3 * stride] = outer2 + inner2;
  to[into + 4 * stride] = outer2 - inner2;
  to[into + 5 * stride] = c;
}

/** A filter [3, 3, inC, outC], transformed, as panels [36][outC / 4][inC][4], zero-filled at the end. */
export function filterPacking(inC: number, outC: number): Packing {
  const panels = Math.ceil(outC / columns);
  const step = panels * inC * columns;
  return {
    layout: "winograd4",
    chunks: [positions * step],
    pack(filter) {
      const packed = new Float32Array(positions * step);
      const half = new Float64Array(3 * reach);
      const tap = inC * outC;
      for (let c = 0; c < inC; c++) {
        for (let n = 0; n < outC; n++) {
          for (let kx = 0; kx < 3; kx++)
            transformFilter(filter, kx * tap + c * outC + n, 3 * tap, half, kx * reach, 1);
          const at = (Math.floor(n / columns) * inC + c) * columns + (n % columns);
          for (let i = 0; i < reach; i++)
            transformFilter(half, i, reach, packed, at + i * reach * step, step);
        }
      }
      return packed;
    },
  };
}
