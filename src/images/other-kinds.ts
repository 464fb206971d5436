/**
 * What a file is that may be no image that is read, told by its first bytes, and by its name where these say nothing: images
 * that are not read (each with what its owner can do), and files that are often named like images.
 */
import { latin1 } from "../bytes.ts";
import { imageExtensions, isImage, isTiff } from "./kinds.ts";

/** How much of a file's beginning is looked at. */
export const startBytes = 1024;

type Mark = (start: string) => boolean;
const starts =
  (...marks: readonly string[]): Mark =>
  (start) =>
    marks.some((mark) => start.startsWith(mark));
const matches =
  (pattern: RegExp): Mark =>
  (start) =>
    pattern.test(start);

/** A kind of image that is not read. */
interface OtherKind {
  readonly what: string;
  /** Whether the first bytes, as latin1, are those of this kind; left out where it has no mark of its own. */
  readonly begins?: Mark;
  readonly extensions: readonly string[];
  readonly todo: string;
}

const convert = "convert it to JPEG or PNG first";
const develop = "develop it to TIFF or JPEG first, or take the camera's own JPEG";

/** The brands of an ISO media file: the major one, then those that it is compatible with (ISO/IEC 14496-12, 4.3). */
const brand = (own: string) =>
  matches(
    new RegExp(
      `^[\\s\\S]{4}ftyp(?:(?:${own})|(?:mif1|msf1|miaf)[\\s\\S]{4}(?:[\\s\\S]{4}){0,15}?(?:${own}))`,
    ),
  );

/** Camera files that are TIFF to whoever reads no further: what would be decoded is a thumbnail. */
const rawTiffs = "nef nrw arw srf sr2 dng cr2 pef srw 3fr fff iiq erf kdc dcr mos mef rwl".split(" ");

const otherKinds: readonly OtherKind[] = [
  // AVIF before HEIC: a file may name the brands of both their families.
  { what: "an AVIF image", begins: brand("avif|avis"), extensions: ["avif", "avifs"], todo: convert },
  {
    what: "a HEIC image",
    begins: brand("hei[cxms]|hev[cxms]|heif|mif1|msf1"),
    extensions: ["heic", "heif", "heics", "hif"],
    todo: `${convert} (on an iPhone, Settings > Camera > Formats > Most Compatible saves JPEG)`,
  },
  {
    what: "a JPEG 2000 image",
    begins: starts("\0\0\0\x0cjP  ", "\xff\x4f\xff\x51"),
    extensions: ["jp2", "j2k", "j2c", "jpc", "jpf", "jpx", "jpm"],
    todo: convert,
  },
  {
    what: "a JPEG XL image",
    begins: starts("\0\0\0\x0cJXL ", "\xff\x0a"),
    extensions: ["jxl"],
    todo: convert,
  },
  { what: "a JPEG XR image", begins: starts("II\xbc"), extensions: ["jxr", "wdp", "hdp"], todo: convert },
  {
    what: "a camera's RAW file",
    begins: matches(
      /^(?:[\s\S]{4}ftypcrx |II\*\0[\s\S]{4}CR|FUJIFILMCCD-RAW|II[RU][OS\0]|MMOR|FOVb|[\s\S]{6}HEAPCCDR|\0MRM)/,
    ),
    extensions: [...rawTiffs, "cr3", "crw", "raf", "orf", "rw2", "raw", "x3f", "mrw"],
    todo: develop,
  },
  {
    what: "an SVG drawing",
    begins: matches(
      /^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->)[\s\S])*-->\s*|<!DOCTYPE svg(?:[^>[]*\[[^\]]*\])?[^>]*>\s*)*<(?:svg:)?svg[\s>]/,
    ),
    extensions: ["svg", "svgz"],
    todo: "draw it as PNG first",
  },
  {
    what: "a PDF document",
    begins: starts("%PDF-"),
    extensions: ["pdf"],
    todo: "save its pages or its pictures as PNG first",
  },
  {
    what: "a PostScript file",
    begins: starts("%!PS", "\xc5\xd0\xd3\xc6"),
    extensions: ["eps", "ps", "ai"],
    todo: "save it as PNG first",
  },
  {
    what: "an icon or cursor file",
    begins: (b) => starts("\0\0\x01\0", "\0\0\x02\0")(b) && b[4] !== "\0" && b[5] === "\0" && b[9] === "\0",
    extensions: ["ico", "cur"],
    todo: "save the picture that you mean as PNG first",
  },
  {
    what: "an Apple icon file",
    begins: starts("icns"),
    extensions: ["icns"],
    todo: "save the picture that you mean as PNG first",
  },
  {
    what: "a Photoshop file",
    begins: starts("8BPS"),
    extensions: ["psd", "psb"],
    todo: "export it as PNG or TIFF first",
  },
  {
    what: "a GIMP file",
    begins: starts("gimp xcf"),
    extensions: ["xcf"],
    todo: "export it as PNG or TIFF first",
  },
  {
    what: "a portable anymap (PNM)",
    begins: matches(/^(?:P[1-6](?:\s|#[^\n]*\n)+\d+\s|P7\nWIDTH |P[Ff]\n\d+ )/),
    extensions: ["pnm", "pbm", "pgm", "ppm", "pam", "pfm"],
    todo: "convert it to PNG first",
  },
  { what: "a Truevision (TGA) image", extensions: ["tga"], todo: "convert it to PNG first" },
  {
    what: "an OpenEXR image",
    begins: starts("\x76\x2f\x31\x01"),
    extensions: ["exr"],
    todo: "convert it to TIFF or PNG of 8 bits first",
  },
  {
    what: "a Radiance HDR image",
    begins: starts("#?RADIANCE", "#?RGBE"),
    extensions: [],
    todo: "convert it to TIFF or PNG of 8 bits first",
  },
  {
    what: "a DirectDraw (DDS) texture",
    begins: starts("DDS "),
    extensions: ["dds"],
    todo: "convert it to PNG first",
  },
  {
    what: "a DjVu document",
    begins: starts("AT&TFORM"),
    extensions: ["djvu", "djv"],
    todo: "save its pages as PNG first",
  },
  {
    what: "a DICOM image",
    begins: (b) => b.startsWith("DICM", 128),
    extensions: ["dcm", "dicom"],
    todo: "export it as PNG first",
  },
  {
    what: "a FITS image",
    begins: starts("SIMPLE  = "),
    extensions: ["fits"],
    todo: "scale it to 8 bits and save it as PNG first",
  },
  { what: "a QOI image", begins: starts("qoif"), extensions: ["qoi"], todo: "convert it to PNG first" },
  {
    what: "a PCX image",
    extensions: ["pcx"],
    todo: "convert it to PNG first",
  },
  { what: "a BPG image", begins: starts("BPG\xfb"), extensions: ["bpg"], todo: convert },
  {
    what: "an MNG or JNG file",
    begins: starts("\x8aMNG\r\n", "\x8bJNG\r\n"),
    extensions: ["mng", "jng"],
    todo: "save a frame as PNG first",
  },
  {
    what: "a Windows metafile",
    begins: (b) => starts("\xd7\xcd\xc6\x9a")(b) || b.startsWith(" EMF", 40),
    extensions: ["wmf", "emf"],
    todo: "draw it as PNG first",
  },
  {
    what: "an X pixmap",
    begins: starts("/* XPM */"),
    extensions: ["xpm", "xbm"],
    todo: "convert it to PNG first",
  },
];

/** Files that are no images, and often named like them. */
const impostors: readonly (readonly [begins: Mark, what: string])[] = [
  [matches(/^(?:\xef\xbb\xbf)?\s*(?:<!doctype html|<html)/i), "it is a web page"],
  [starts("version https://git-lfs"), "it is a git-lfs pointer; run git lfs pull"],
  [matches(/^(?:[\s\S]{4}ftyp|RIFF[\s\S]{4}AVI )/), "it is a video; save its frames as images first"],
  [starts("\x1a\x45\xdf\xa3"), "it is a video; save its frames as images first"],
  [starts("PK\x03\x04", "PK\x05\x06"), "it is a ZIP archive; unpack it first"],
  [starts("\x1f\x8b"), "it is compressed by gzip; unpack it first"],
];

/** In lower case; empty where there is none, or a longer one than any image has. */
function extensionOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 || name.length - dot > 8 ? "" : name.slice(dot + 1).toLowerCase();
}

/**
 * Why a file that begins so, and is called `name` (empty where it has none), is not decoded, as a clause that says what
 * it is and what to do; undefined where it may be tried. The content decides; the name does where the content is of no
 * kind that is known, and where a camera's file is TIFF by its content.
 */
export function whyNotRead(start: Uint8Array, name: string): string | undefined {
  if (start.length === 0) return undefined;
  const image = isImage(start);
  // Most files; no other kind begins as these do, whatever they are called.
  if (image && !isTiff(start)) return undefined;
  const text = latin1(start, 0, startBytes);
  const extension = extensionOf(name);
  const told = ({ what, todo }: OtherKind, by = "it is") => `${by} ${what}, which is not read; ${todo}`;
  const byContent = otherKinds.find(({ begins }) => begins?.(text));
  if (byContent) return told(byContent);
  const byName = otherKinds.find(({ extensions }) => extensions.includes(extension));
  const impostor = impostors.find(([begins]) => begins(text));
  // Compressed drawings (svgz) are gzip by their content, and OpenRaster and its like ZIP.
  if (impostor && !byName) return impostor[1];
  if (!byName) return undefined;
  if (image) return rawTiffs.includes(extension) ? told(byName) : undefined;
  return impostor?.[1] ?? told(byName, "by its name it is");
}

const allExtensions = new Set([...imageExtensions, ...otherKinds.flatMap((kind) => kind.extensions)]);

/** Whether a name is that of an image, of a kind that is read or not. */
export const hasImageName = (name: string): boolean => allExtensions.has(extensionOf(name));

/** Whether a file's name, or its beginning, is that of an image, of a kind that is read or not: others are passed over. */
export function isTakenForImage(start: Uint8Array, name: string): boolean {
  if (hasImageName(name) || isImage(start)) return true;
  const text = latin1(start, 0, startBytes);
  return otherKinds.some(({ begins }) => begins?.(text));
}
