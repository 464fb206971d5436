/**
 * safetensors: the length of a JSON header in eight bytes, the header, then the numbers. One tensor, `features`; the paths
 * and the metadata are JSON texts in the header's `__metadata__`. https://github.com/huggingface/safetensors#format
 */
import { open } from "node:fs/promises";
import { UserError } from "../../errors.ts";
import { sizeOf } from "../../tensor.ts";
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
  readonly __metadata__?: { readonly paths?: string; readonly scale?: string };
  readonly features?: {
    readonly dtype: string;
    readonly shape: number[];
    readonly data_offsets: [number, number];
  };
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
    if (length > size - 8) throw damaged("its header is longer than the file");
    const text = Buffer.alloc(length);
    await file.read(text, 0, length, 8);
    let header: Header;
    try {
      header = JSON.parse(text.toString("utf8")) as Header;
    } catch {
      throw damaged("its header is not JSON");
    }
    const dtype = (Object.keys(names) as FeatureDtype[]).find((d) => names[d] === header.features?.dtype);
    if (!header.features || !dtype) throw damaged("it has no tensor features of a type that is read");
    const [rows, ...shape] = header.features.shape;
    const rowBytes = sizeOf(shape) * dtypeWidth[dtype];
    if (8 + length + rows * rowBytes > size) throw damaged("its numbers are not all there");
    const paths = JSON.parse(header.__metadata__?.paths ?? "null") as string[] | null;
    const scale = header.__metadata__?.scale === undefined ? undefined : Number(header.__metadata__.scale);
    const bytes = Buffer.alloc(rowBytes);
    for (let i = 0; i < rows; i++) {
      await file.read(bytes, 0, rowBytes, 8 + length + i * rowBytes);
      yield { path: paths?.[i] ?? `row ${i}`, shape, data: numbersOf({ dtype, scale }, bytes) };
    }
  } finally {
    await file.close();
  }
}
