/**
 * safetensors: the length of a JSON header in eight bytes, the header, then the numbers. One tensor, `features`; the paths
 * and the metadata are JSON texts in the header's `__metadata__`. https://github.com/huggingface/safetensors#format
 */
import { open } from "node:fs/promises";
import { UserError } from "../../errors.ts";
import { isShape, sizeOf } from "../../tensor.ts";
import { numbersOf } from "../numbers.ts";
import { dtypeWidth, type FeatureDtype, type FeatureFormat, type FeatureRow } from "./table.ts";

const names: Readonly<Record<FeatureDtype, string>> = { float32: "F32", float16: "F16", int8: "I8" };

export const safetensors: FeatureFormat = {
  name: "safetensors",
  description: "one tensor, features; the paths are in its metadata",
  pathsBeside: false,
  async write(table, file) {
    const { paths, shape, dtype, scale, metadata } = table;
    const bytes = paths.length * sizeOf(shape) * dtypeWidth[dtype];
    const header = JSON.stringify({
      __metadata__: {
        paths: JSON.stringify(paths),
        metadata: JSON.stringify(metadata),
        ...(scale !== undefined && { scale: String(scale) }),
      },
      features: { dtype: names[dtype], shape: [paths.length, ...shape], data_offsets: [0, bytes] },
    });
    const text = Buffer.from(header);
    const padded = Buffer.concat([text, Buffer.alloc((8 - (text.length % 8)) % 8, " ")]);
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(padded.length));
    await file.append(Buffer.concat([length, padded]));
    for await (const row of table.rows()) await file.append(row);
  },
};

interface Header {
  readonly __metadata__?: { readonly paths?: unknown; readonly scale?: unknown };
  readonly features?: { readonly dtype?: unknown; readonly shape?: unknown; readonly data_offsets?: unknown };
}

/** The library's own limit. */
const mostHeader = 100_000_000;

/** JSON of a file; undefined where it is none. */
function parsed(text: unknown): unknown {
  try {
    return JSON.parse(String(text));
  } catch {
    return undefined;
  }
}

/** The rows of a safetensors file that has the tensor `features`. @throws UserError */
export async function* readSafetensors(path: string): AsyncGenerator<FeatureRow> {
  const damaged = (what: string) =>
    new UserError(`${path} is no features file: ${what}.`, "It may have been cut off.");
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const start = Buffer.alloc(8);
    await file.read(start, 0, 8, 0);
    const length = Number(start.readBigUInt64LE());
    if (length > Math.min(size - 8, mostHeader)) throw damaged("its header is longer than the file");
    const text = Buffer.alloc(length);
    await file.read(text, 0, length, 8);
    const { __metadata__: about, features } = (parsed(text) ?? {}) as Header;
    if (!features) throw damaged("its header is not JSON with a tensor features");
    const dtype = (Object.keys(names) as FeatureDtype[]).find((d) => names[d] === features.dtype);
    if (!dtype || !isShape(features.shape) || features.shape.length === 0)
      throw damaged("its tensor features is of no type and shape that are read");
    const [rows, ...shape] = features.shape;
    const rowBytes = sizeOf(shape) * dtypeWidth[dtype];
    if (rowBytes === 0) throw damaged("its rows hold no numbers");
    const [from, to] = isShape(features.data_offsets) ? features.data_offsets : [];
    if (to - from !== rows * rowBytes || 8 + length + to > size)
      throw damaged("its numbers are not all there");
    const paths = about?.paths === undefined ? undefined : parsed(about.paths);
    if (paths !== undefined && !isTexts(paths, rows)) throw damaged("its paths are not one a row");
    const scale = about?.scale === undefined ? undefined : Number(about.scale);
    const bytes = Buffer.alloc(rowBytes);
    for (let i = 0; i < rows; i++) {
      const { bytesRead } = await file.read(bytes, 0, rowBytes, 8 + length + from + i * rowBytes);
      if (bytesRead !== rowBytes) throw damaged("it became shorter while it was read");
      yield { path: paths?.[i] ?? `row ${i}`, shape, data: numbersOf({ dtype, scale }, bytes) };
    }
  } finally {
    await file.close();
  }
}

const isTexts = (list: unknown, length: number): list is string[] =>
  Array.isArray(list) && list.length === length && list.every((text) => typeof text === "string");
