/** Data as text that may stand in a script element of a page, and back: typed arrays as their bytes in base64. */
import type { MapData } from "./data.ts";

const arrays = { Float32Array, Int32Array, Uint8Array } as const;
type ArrayName = keyof typeof arrays;

interface Packed {
  readonly array: ArrayName;
  readonly base64: string;
}

const isPacked = (value: unknown): value is Packed =>
  typeof value === "object" && value !== null && "base64" in value && "array" in value;

/** A call takes no more arguments than this with certainty. */
const atOnce = 8192;

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += atOnce)
    text += String.fromCharCode(...bytes.subarray(i, i + atOnce));
  return btoa(text);
}

function fromBase64(base64: string): Uint8Array<ArrayBuffer> {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Signs that would end a script element, or begin a comment in it; JSON may have any of them as an escape. */
const escapes: Readonly<Record<string, string>> = { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" };

/** JSON without a sign that means something to a reader of HTML. */
export function packData(data: MapData): string {
  const text = JSON.stringify(data, (_, value: unknown) => {
    for (const [array, kind] of Object.entries(arrays)) {
      if (!(value instanceof kind)) continue;
      const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
      return { array, base64: toBase64(bytes) };
    }
    return value;
  });
  return text.replace(/[<>&]/g, (sign) => escapes[sign]);
}

/** The data that `packData` made a text of. */
export const unpackData = (text: string): MapData =>
  JSON.parse(text, (_, value: unknown) =>
    isPacked(value) ? new arrays[value.array](fromBase64(value.base64).buffer) : value,
  ) as MapData;
