/** What is done with plain bytes, on any platform. */

/** All `pieces` behind each other, in memory of their own. */
export function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((n, piece) => n + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** Negative where `a` sorts before `b`, 0 where they are the same. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

export const equals = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && compare(a, b) === 0;

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** The text of UTF-8, with U+FFFD for what is none. */
export const utf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

/** A text as UTF-8. */
export const bytesOfUtf8 = (text: string): Uint8Array => encoder.encode(text);

/** More arguments than these may be too many for a call. */
const mostArguments = 4096;

/** Spreading a typed array takes seven times as long. */
const fromCharacters = (bytes: Uint8Array): string =>
  String.fromCharCode.apply(null, bytes as unknown as number[]);

/** Bytes as the characters of their numbers, from `from` up to `to`. `TextDecoder` takes "latin1" for another table. */
export function latin1(bytes: Uint8Array, from = 0, to = bytes.length): string {
  const end = Math.min(to, bytes.length);
  let text = "";
  for (let at = from; at < end; at += mostArguments)
    text += fromCharacters(bytes.subarray(at, Math.min(at + mostArguments, end)));
  return text;
}

/** Characters as the bytes of their lowest eight bits. */
export const bytesOfLatin1 = (text: string): Uint8Array =>
  Uint8Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));

/** The bytes that hexadecimal digits tell; a last digit without its other half tells none. */
export const bytesOfHex = (digits: string): Uint8Array =>
  Uint8Array.from({ length: digits.length >> 1 }, (_, i) =>
    Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16),
  );

/** The numbers in bytes. */
export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);
