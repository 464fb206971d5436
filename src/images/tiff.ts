/**
 * Which TIFF files hold a picture: 8 or 16 bits without a sign that are grey or RGB, and the usual kinds of 8 bits and fewer.
 * The rest are measurements (floats, numbers with a sign, of 32 bits, of many channels) or colours that libvips makes wrong
 * pixels of without a word. TIFF 6.0; https://www.awaresystems.be/imaging/tiff/tifftags.html
 */
import { readDirectory } from "./ifd.ts";

const Tag = {
  bits: 258,
  colours: 262,
  channels: 277,
  inks: 332,
  sampleFormat: 339,
  dng: 50706,
} as const;

/** What samples may be, by how they stand for colours: bits and number of channels. A channel beyond the colours is alpha. */
const read: Readonly<
  Record<number, { readonly bits: readonly number[]; readonly channels: readonly number[] }>
> = {
  0: { bits: [1, 2, 4, 8, 16], channels: [1, 2] },
  1: { bits: [1, 2, 4, 8, 16], channels: [1, 2] },
  2: { bits: [8, 16], channels: [3, 4] },
  3: { bits: [1, 2, 4, 8], channels: [1] },
  5: { bits: [8], channels: [4] },
  6: { bits: [8], channels: [3] },
};

/** How samples stand for colours, in words. */
const colourNames: Readonly<Record<number, string>> = {
  0: "grey",
  1: "grey",
  2: "RGB",
  3: "a palette",
  4: "a mask",
  5: "CMYK",
  6: "YCbCr",
  8: "CIELab",
  9: "CIELab",
  10: "CIELab",
  32803: "a camera's raw sensor data",
  32844: "LogLuv",
  32845: "LogLuv",
  34892: "a camera's raw sensor data",
};

/** Samples by SampleFormat: what their numbers are. 4, "undefined", is what some programs write for plain samples. */
const sampleNames: Readonly<Record<number, string>> = {
  1: "whole numbers",
  2: "whole numbers with a sign",
  3: "floating-point numbers",
  4: "whole numbers",
  5: "complex numbers",
  6: "complex numbers",
};
const plain: readonly number[] = [1, 4];

const save = "save it as PNG, or as TIFF of 8 bits";

/**
 * What a TIFF file holds instead of a picture and what to do, as a clause; undefined where it can be read, or its directory
 * cannot.
 */
export function whyNoPicture(bytes: Uint8Array): string | undefined {
  const fields = readDirectory(bytes);
  if (!fields?.has(Tag.colours)) return undefined;
  const numbers = (tag: number, otherwise: number) => fields.get(tag)?.numbers ?? [otherwise];
  const [colours] = numbers(Tag.colours, 1);
  const [channels] = numbers(Tag.channels, 1);
  const bits = numbers(Tag.bits, 1);
  const formats = numbers(Tag.sampleFormat, 1);
  const colourName = colourNames[colours] ?? `colours of kind ${colours}`;
  if (fields.has(Tag.dng) || colourName.includes("raw")) {
    return "it holds a camera's raw sensor data, which is not developed; export it as JPEG, PNG or TIFF first";
  }
  const holds = (what: string, todo: string) => `it holds ${what}, and is not read; ${todo}`;
  if (bits.some((b) => b !== bits[0]) || formats.some((f) => f !== formats[0])) {
    return holds(`channels of different types (${bits.join(", ")} bits)`, save);
  }
  if (!plain.includes(formats[0]) || bits[0] > 16) {
    return holds(
      `${bits[0]}-bit ${sampleNames[formats[0]] ?? `samples of format ${formats[0]}`} (${colourName})`,
      `scale its values to 0..255 as you mean them, and ${save}`,
    );
  }
  const kind = read[colours];
  if (!kind) return holds(colourName, `convert it to RGB, and ${save}`);
  if (!kind.channels.includes(channels) || (colours === 5 && numbers(Tag.inks, 1)[0] !== 1)) {
    const what = `${channels} ${channels === 1 ? "channel" : "channels"} (${colourName})`;
    return holds(what, `choose one channel or the three that are red, green and blue, and ${save}`);
  }
  return kind.bits.includes(bits[0]) ? undefined : holds(`${bits[0]}-bit samples (${colourName})`, save);
}
