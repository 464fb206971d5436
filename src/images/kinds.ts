/** The kinds of images that are read, told by their first bytes. */
import { latin1 } from "../bytes.ts";

const tiffs = ["II*\0", "MM\0*", "II+\0", "MM\0+"];

/** Whether a file that starts so is a TIFF file. */
export const isTiff = (start: Uint8Array): boolean => tiffs.includes(latin1(start, 0, 4));

/** Whether a file that starts so is a BMP file. */
export const isBmp = (start: Uint8Array): boolean => start.length >= 26 && latin1(start, 0, 2) === "BM";

/** Whether a file that starts so is a PNG file. */
export const isPng = (start: Uint8Array): boolean => latin1(start, 0, 8) === "\x89PNG\r\n\x1a\n";

/** Of the formats that are read: JPEG, PNG, GIF, WebP, TIFF (BigTIFF too) and BMP. */
const magics: readonly ((start: Uint8Array) => boolean)[] = [
  (b) => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff,
  isPng,
  (b) => /^GIF8[79]a/.test(latin1(b, 0, 6)),
  (b) => latin1(b, 0, 4) === "RIFF" && latin1(b, 8, 12) === "WEBP",
  isTiff,
  isBmp,
];

/** Whether a file that starts so is of a format that is read. 26 bytes tell. */
export const isImage = (start: Uint8Array): boolean => magics.some((magic) => magic(start));

/** Names of the formats that are read: what cannot be read under these is an error, not another file. */
export const imageExtensions: readonly string[] = ["jpg", "jpeg", "png", "bmp", "webp", "gif", "tif", "tiff"];
