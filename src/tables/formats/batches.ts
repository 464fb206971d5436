/** Rows gathered into pieces of a few megabytes, for libraries that write columns. */
import { isShape, sizeOf } from "../../tensor.ts";
import { dtypeWidth, type FeatureTable } from "./table.ts";

const pieceBytes = 4 * 2 ** 20;

export interface Piece {
  /** The number of its first row. */
  readonly first: number;
  readonly paths: readonly string[];
  /** The rows' numbers back to back, for the taker to keep. */
  readonly bytes: Uint8Array;
}

/** The rows of a table in pieces of about 4 MiB. */
export async function* piecesOf(table: FeatureTable): AsyncGenerator<Piece> {
  const rowBytes = sizeOf(table.shape) * dtypeWidth[table.dtype];
  const rowsEach = Math.max(1, Math.floor(pieceBytes / rowBytes));
  let bytes = new Uint8Array(rowsEach * rowBytes);
  let first = 0;
  let count = 0;
  const take = (): Piece => {
    const piece = {
      first,
      paths: table.paths.slice(first, first + count),
      bytes: bytes.subarray(0, count * rowBytes),
    };
    first += count;
    count = 0;
    bytes = new Uint8Array(rowsEach * rowBytes);
    return piece;
  };
  for await (const row of table.rows()) {
    bytes.set(row, count * rowBytes);
    count++;
    if (count === rowsEach) yield take();
  }
  if (count > 0) yield take();
}

/** What a file says of its table, inside it. */
export const describeTable = ({ shape, dtype, scale, metadata }: FeatureTable): string =>
  JSON.stringify({ ...metadata, shape, storedAs: dtype, scale });

export interface Description {
  readonly shape?: readonly number[];
  readonly storedAs?: string;
  readonly scale?: number;
}

/** What `describeTable` wrote: nothing where a file came from elsewhere. */
export function readDescription(text: string | undefined): Description {
  if (text === undefined) return {};
  try {
    const { shape, storedAs, scale } = (JSON.parse(text) ?? {}) as Record<string, unknown>;
    return {
      ...(isShape(shape) && { shape }),
      ...(typeof storedAs === "string" && { storedAs }),
      ...(typeof scale === "number" && { scale }),
    };
  } catch {
    return {};
  }
}

/** The key under which formats keep their description. */
export const descriptionKey = "slimfeatures";
