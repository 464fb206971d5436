/** Text files as other programs write them. */

/**
 * The bytes of a text in UTF-8, without a byte order mark: Windows' programs begin their files with one, and write UTF-16
 * behind theirs. What has none is given as it is; undefined for UTF-16 that is damaged.
 */
export function asUtf8(bytes: Uint8Array): Buffer | undefined {
  const own = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  if (own[0] === 0xef && own[1] === 0xbb && own[2] === 0xbf) return own.subarray(3);
  const utf16 =
    own[0] === 0xff && own[1] === 0xfe ? "utf-16le" : own[0] === 0xfe && own[1] === 0xff && "utf-16be";
  if (!utf16) return own;
  try {
    return Buffer.from(new TextDecoder(utf16, { fatal: true }).decode(own));
  } catch {
    return undefined;
  }
}

/** The text of a file that a program may have begun with a byte order mark; what cannot be read is empty. */
export const textIn = (bytes: Uint8Array): string => String(asUtf8(bytes) ?? "");
