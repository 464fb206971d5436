/**
 * The products of rows with rows, by the engine's own kernels: a step whose weights are a block of rows and whose input is
 * another, so that every device and every kernel that the networks have serves here too.
 */
import { compile } from "../engine/compile.ts";
import type { Device } from "../engine/device.ts";
import { createGraph } from "../engine/graph.ts";
import type { Metric } from "./distances.ts";
import { checkFinite, evenBlocks, type RowBlocks } from "./matrix.ts";

/** Rows of a block: what comes out of two of them is a megabyte, and a device has many tasks in them. */
const mostBlockRows = 512;
/** Numbers of a block, where its rows are long: devices bind no more than 128 MB at once, and each block is there several times. */
const mostBlockNumbers = 2 ** 23;

/** Rows of `width` numbers that are multiplied at once, of at most `most`. */
export const rowsAtOnce = (width: number, most = mostBlockRows): number =>
  Math.max(1, Math.min(most, Math.floor(mostBlockNumbers / width)));

/**
 * Rows as they are multiplied, and what their products are worth. Euclidean ones are moved to their mean, since distances out
 * of products lose the digits that all rows have in common, and brought to the range of 1; for cosines they get length 1.
 */
export interface Prepared {
  readonly metric: Metric;
  readonly rows: RowBlocks;
  /** Squares of the lengths of prepared rows; 0 for all where only angles count. */
  readonly squares: Float64Array;
  /** What distances are multiplied by. */
  readonly scale: number;
  /** The prepared rows of a block that was read. */
  prepare(block: Float32Array): Float32Array;
}

export type Preparation = Pick<Prepared, "metric" | "scale"> & { readonly mean: Float64Array };

/** Finds the mean and the scale. @throws UserError for rows that are not all numbers */
async function preparationOf(rows: RowBlocks, metric: Metric): Promise<Preparation> {
  const mean = new Float64Array(rows.width);
  let [low, high] = [0, 0];
  for (const { from, to } of evenBlocks(rows.count, rows.blockRows)) {
    const block = await rows.read(from, to);
    checkFinite(block, rows.width, from);
    for (let at = 0; at < block.length; at += rows.width) {
      for (let i = 0; i < rows.width; i++) {
        const v = block[at + i];
        mean[i] += v;
        if (v < low) low = v;
        else if (v > high) high = v;
      }
    }
  }
  for (let i = 0; i < rows.width; i++) mean[i] /= Math.max(1, rows.count);
  // A power of two changes no digit.
  const scale = high > low ? 2 ** -Math.ceil(Math.log2(high - low)) : 1;
  return { metric, mean, scale: metric === "cosine" ? 1 : scale };
}

/**
 * Prepares rows; queries of others are prepared as those were.
 * @throws UserError for rows that are not all numbers
 */
export async function prepare(
  rows: RowBlocks,
  given: Metric | Preparation,
): Promise<Prepared & { readonly preparation: Preparation }> {
  const preparation = typeof given === "string" ? await preparationOf(rows, given) : given;
  const { metric, mean, scale } = preparation;
  const { width } = rows;
  const prepareBlock = (block: Float32Array): Float32Array => {
    const made = new Float32Array(block.length);
    for (let at = 0; at < block.length; at += width) {
      if (metric === "euclidean") {
        for (let i = 0; i < width; i++) made[at + i] = (block[at + i] - mean[i]) * scale;
        continue;
      }
      let square = 0;
      for (let i = 0; i < width; i++) square += block[at + i] * block[at + i];
      const over = square > 0 ? 1 / Math.sqrt(square) : 0;
      for (let i = 0; i < width; i++) made[at + i] = block[at + i] * over;
    }
    return made;
  };
  const squares = new Float64Array(rows.count);
  for (const { from, to } of evenBlocks(rows.count, Math.min(rows.blockRows, rowsAtOnce(width)))) {
    const block = await rows.read(from, to);
    if (typeof given !== "string") checkFinite(block, width, from);
    if (metric === "cosine") continue;
    const made = prepareBlock(block);
    for (let q = from; q < to; q++) {
      let square = 0;
      for (let at = (q - from) * width; at < (q - from + 1) * width; at++) square += made[at] * made[at];
      squares[q] = square;
    }
  }
  return { metric, rows, squares, scale, preparation, prepare: prepareBlock };
}

/**
 * How far a product can be from the true one, as a part of the two lengths' product. The CPU sums in float64 and rounds once; a
 * GPU rounds at each of `width` steps.
 */
export const productError = ({ backend }: Device, width: number): number =>
  (backend === "cpu" ? 2 : width + 4) * 2 ** -24;

/** What is lost where products are too small for float32, which GPUs take for 0. */
export const leastProduct = (width: number): number => width * 2 ** -126;

export interface BlockOfRows {
  readonly from: number;
  readonly count: number;
  /** As they were read. */
  readonly values: Float32Array;
}

export interface ProductBlock {
  readonly rows: BlockOfRows;
  readonly columns: BlockOfRows;
  /** Product (r, c) stands at r * stride + c. */
  readonly products: Float32Array;
  readonly stride: number;
}

/** A step that multiplies blocks of rows of `width` numbers with others that are loaded as weights. */
export function openProducts(device: Device, width: number, rows: number, columns: number) {
  const b = createGraph();
  const factors = [b.input("rows", [rows, width]), b.variable("columns", [width, columns])] as const;
  b.endPoint("products", b.op("matmul", {}, factors));
  const program = compile(b.finish(), ["products"]);
  const input = new Float32Array(rows * width);
  return {
    /** Loads `block`, up to `columns` rows, to be multiplied with. */
    async against(block: Float32Array) {
      const count = block.length / width;
      const turned = new Float32Array(width * columns);
      for (let c = 0; c < count; c++) {
        for (let i = 0; i < width; i++) turned[i * columns + c] = block[c * width + i];
      }
      const session = await device.load(program, {
        name: "rows of features",
        shapeOf: () => [width, columns],
        read: async () => turned,
      });
      return {
        /** The products of up to `rows` rows with the loaded ones, [rows, columns]; what is not there counts as zeros. */
        async times(factor: Float32Array): Promise<Float32Array> {
          input.set(factor);
          input.fill(0, factor.length);
          const [products] = await session.run([input]);
          return products;
        },
        close: () => session.close(),
      };
    },
  };
}

/**
 * All products of `queries` with `rows`, block by block; without queries those of the rows with themselves, of which
 * only the blocks on and below the diagonal are computed: the others are the same ones.
 */
export async function* productBlocks(
  device: Device,
  rows: Prepared,
  queries?: Prepared,
): AsyncGenerator<ProductBlock> {
  const { width } = rows.rows;
  const sizeOf = ({ rows: { count, blockRows } }: Prepared, most: number) => {
    const [first] = evenBlocks(count, Math.min(most, blockRows));
    return first ? first.to - first.from : 0;
  };
  // What has to be read from a file again for each block of columns is worth larger ones.
  const inMemory = rows.rows.blockRows >= rows.rows.count;
  const most = rowsAtOnce(width);
  const columnRows = sizeOf(rows, inMemory ? most : rows.rows.blockRows);
  const asked = queries ?? rows;
  const queryRows = queries ? sizeOf(queries, most) : Math.min(columnRows, most);
  if (columnRows === 0 || queryRows === 0) return;
  const step = openProducts(device, width, queryRows, columnRows);
  const read = async ({ rows: source, prepare }: Prepared, from: number, most: number) => {
    const to = Math.min(source.count, from + most);
    const values = await source.read(from, to);
    return { from, count: to - from, values, prepared: prepare(values) };
  };
  for (let c = 0; c < rows.rows.count; c += columnRows) {
    const columns = await read(rows, c, columnRows);
    const loaded = await step.against(columns.prepared);
    try {
      for (let q = queries ? 0 : c; q < asked.rows.count; q += queryRows) {
        const block = await read(asked, q, queryRows);
        yield { rows: block, columns, products: await loaded.times(block.prepared), stride: columnRows };
      }
    } finally {
      loaded.close();
    }
  }
}
