/** Which files are images, told from their first bytes. */
import { isBmp } from "./bmp.ts";

/** Of the formats that are read: JPEG, PNG, GIF, WebP, TIFF (BigTIFF too) and BMP. */
const magics: readonly ((start: Buffer) => boolean)[] = [
  (b) => b[0] === 0xff && b[1] === 0xd8 && b[2] === 0xff,
  (b) => b.toString("latin1", 0, 8) === "\x89PNG\r\n\x1a\n",
  (b) => /^GIF8[79]a/.test(b.toString("latin1", 0, 6)),
  (b) => b.toString("latin1", 0, 4) === "RIFF" && b.toString("latin1", 8, 12) === "WEBP",
  (b) => ["II*\0", "MM\0*", "II+\0", "MM\0+"].includes(b.toString("latin1", 0, 4)),
  isBmp,
];

/** Whether a file that starts so is of a format that is read. 16 bytes tell. */
export const isImage = (start: Buffer): boolean => magics.some((magic) => magic(start));
