/** Texts as other programs write and read them: files, and words of a command. */
import { bytesOfUtf8, utf8 } from "./bytes.ts";

/**
 * The bytes of a text in UTF-8, without a byte order mark: Windows' programs begin their files with one, and write UTF-16
 * behind theirs. What has none is given as it is; undefined for UTF-16 that is damaged.
 */
export function asUtf8(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return bytes.subarray(3);
  const utf16 =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? "utf-16le"
      : bytes[0] === 0xfe && bytes[1] === 0xff && "utf-16be";
  if (!utf16) return bytes;
  try {
    return bytesOfUtf8(new TextDecoder(utf16, { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}

/** The text of a file that a program may have begun with a byte order mark; what cannot be read is empty. */
export const textIn = (bytes: Uint8Array): string => utf8(asUtf8(bytes) ?? new Uint8Array(0));

/** A word of a command that is typed into a shell, quoted where it has signs that the shell would take for its own. */
export const shellWord = (text: string): string =>
  /^[\w./:@-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
