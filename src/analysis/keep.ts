/** The best of what many rows are offered, while the products come in. */
import type { ProductBlock } from "./products.ts";

/**
 * For each query up to `most` candidates, a heap whose first is the worst. Their key is the square of a candidate less twice its
 * product with the query, which is its distance's square but for the query's own.
 */
export interface Kept {
  readonly most: number;
  /** Those of query q from q * most on, `count(q)` of them, in no order. */
  readonly indices: Int32Array;
  count(query: number): number;
  /** No key that was left out is less; infinite where none was left out. */
  worst(query: number): number;
  /** Offers the columns of a block to its rows. */
  offerRows(block: ProductBlock, squares: Float64Array): void;
  /** Offers the columns of a block to its rows and its rows to its columns, each pair of different rows once. */
  offerBoth(block: ProductBlock, squares: Float64Array): void;
}

export function keeper(queries: number, most: number): Kept {
  const keys = new Float64Array(queries * most);
  const indices = new Int32Array(queries * most);
  const counts = new Int32Array(queries);
  const worst = new Float64Array(queries).fill(Number.POSITIVE_INFINITY);

  function insert(query: number, key: number, index: number): void {
    const base = query * most;
    const count = counts[query];
    let at: number;
    if (count < most) {
      at = count;
      while (at > 0) {
        const up = (at - 1) >> 1;
        if (keys[base + up] >= key) break;
        keys[base + at] = keys[base + up];
        indices[base + at] = indices[base + up];
        at = up;
      }
      counts[query] = count + 1;
    } else {
      at = 0;
      for (;;) {
        let down = 2 * at + 1;
        if (down >= most) break;
        if (down + 1 < most && keys[base + down + 1] > keys[base + down]) down++;
        if (keys[base + down] <= key) break;
        keys[base + at] = keys[base + down];
        indices[base + at] = indices[base + down];
        at = down;
      }
    }
    keys[base + at] = key;
    indices[base + at] = index;
    if (counts[query] === most) worst[query] = keys[base];
  }

  return {
    most,
    indices,
    count: (query) => counts[query],
    worst: (query) => worst[query],
    offerRows({ rows, columns, products, stride }, squares) {
      for (let r = 0; r < rows.count; r++) {
        const query = rows.from + r;
        const line = r * stride;
        for (let c = 0; c < columns.count; c++) {
          const key = squares[columns.from + c] - 2 * products[line + c];
          if (key < worst[query]) insert(query, key, columns.from + c);
        }
      }
    },
    offerBoth({ rows, columns, products, stride }, squares) {
      for (let r = 0; r < rows.count; r++) {
        const row = rows.from + r;
        const square = squares[row];
        const line = r * stride - columns.from;
        const end = Math.min(columns.from + columns.count, row);
        let most = worst[row];
        for (let column = columns.from; column < end; column++) {
          const twice = 2 * products[line + column];
          const key = squares[column] - twice;
          if (key < most) {
            insert(row, key, column);
            most = worst[row];
          }
          const other = square - twice;
          if (other < worst[column]) insert(column, other, row);
        }
      }
    },
  };
}
