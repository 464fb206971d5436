/**
 * Pixels to network input, as TF-Slim's evaluation does it for each family (research/slim/preprocessing). Every step is
 * rounded to float32 where TensorFlow rounds it.
 */
import { ImageError, UsageError } from "../errors.ts";
import type { DecodeOptions, Pixels } from "../platform/decoder.ts";
import { resizeLegacyBilinear, type Scaling, unscaled } from "./bilinear.ts";
import { type JpegPlatform, jpegMethodFor } from "./options.ts";
import { type Plane, type Region, resizePillowBilinear, wholeOf } from "./resize.ts";

/**
 * slim: as TF-Slim evaluates the network. inception, vgg: as it evaluates these, whatever the network. resize: the whole image,
 * no crop. seed: as Compute-Features fed its networks.
 */
export const preprocessModes = ["slim", "inception", "vgg", "resize", "seed"] as const;
export type PreprocessMode = (typeof preprocessModes)[number];

export type PreprocessFamily = "inception" | "vgg" | "cifarnet" | "lenet";

export interface PreprocessOptions {
  readonly family: PreprocessFamily;
  readonly mode: PreprocessMode;
  /** Height and width of the input in pixels. */
  readonly size: number;
  /** 3, or 1 for grey. */
  readonly channels: number;
}

/** Decoding with all that decides its result settled. */
export type DecodeRules = DecodeOptions & Required<Pick<DecodeOptions, "exif" | "jpeg">>;

type Bytes = Plane<Uint8Array>;

interface Family {
  /** What each byte counts as before any resizing. */
  readonly levels: Float32Array;
  readonly scaling: Scaling;
  /** The evaluation's own crop and resize, scaled. */
  readonly frame: (image: Bytes, size: number, family: Family, out: Float32Array) => void;
  /** What is done to the whole image after that. */
  readonly finish?: (data: Float32Array) => void;
  readonly frameText: (size: number) => string;
  readonly scaleText: string;
}

const f = Math.fround;
/** The blank part of a height or width that central_crop(0.875) leaves out on each side. */
const cropShare = 0.875;

/** The means of ImageNet that vgg_preprocessing.py subtracts from R, G and B. */
const vggMeans = [123.68, 116.78, 103.94].map(f);
/** The short side that vgg_preprocessing.py resizes to before its crop of 224; kept in proportion for other sizes. */
const vggShortSide = (size: number) => (size === 224 ? 256 : Math.round((size * 256) / 224));

/** Bytes as the numbers they are. */
const plain = Float32Array.from({ length: 256 }, (_, byte) => byte);

/** What tf.image.central_crop(image, 0.875) leaves. */
function centralPart({ height, width }: Bytes): Region {
  const margin = (side: number) => Math.trunc((side - side * cropShare) / 2);
  const [top, left] = [margin(height), margin(width)];
  return { top, left, height: height - 2 * top, width: width - 2 * left };
}

/** The short side to 256 in proportion (rounded half to even), then the middle. */
function shortSideThenCrop(image: Bytes, size: number, { levels, scaling }: Family, out: Float32Array): void {
  const rint = (x: number) => {
    const below = Math.floor(x);
    if (x - below !== 0.5) return Math.round(x);
    return below % 2 === 0 ? below : below + 1;
  };
  const scale = f(vggShortSide(size) / Math.min(image.height, image.width));
  const height = rint(f(image.height * scale));
  const width = rint(f(image.width * scale));
  if (height < size || width < size) {
    throw new ImageError(
      `its ${image.width}x${image.height} pixels are too few for a crop of ${size}x${size}`,
    );
  }
  const middle = {
    top: Math.trunc((height - size) / 2),
    left: Math.trunc((width - size) / 2),
    height: size,
    width: size,
  };
  resizeLegacyBilinear(image, { height, width }, levels, scaling, wholeOf(image), middle, out);
}

/** tf.image.resize_image_with_crop_or_pad: the middle, with zeros around where the image is smaller. */
function cropOrPad(
  image: Bytes,
  size: number,
  { levels, scaling: { means, factor } }: Family,
  out: Float32Array,
): void {
  const { channels } = image;
  const top = Math.floor((image.height - size) / 2);
  const left = Math.floor((image.width - size) / 2);
  // A negative margin is padding; TensorFlow puts the odd line of it behind.
  const shift = (margin: number, side: number) => (margin >= 0 ? margin : -Math.floor((size - side) / 2));
  const [y0, x0] = [shift(top, image.height), shift(left, image.width)];
  for (let i = 0; i < out.length; i++) {
    const c = i % channels;
    const x = Math.floor(i / channels) % size;
    const [sy, sx] = [Math.floor(i / channels / size) + y0, x + x0];
    const inside = sy >= 0 && sy < image.height && sx >= 0 && sx < image.width;
    const value = inside ? levels[image.data[(sy * image.width + sx) * channels + c]] : 0;
    out[i] = f(value - means[c]) * factor;
  }
}

const unit = f(1 / 255);

const families: Readonly<Record<PreprocessFamily, Family>> = {
  inception: {
    // convert_image_dtype multiplies by 1/255; dividing by 255 would differ in the last bit.
    levels: plain.map((v) => v * unit),
    scaling: { means: [0.5, 0.5, 0.5], factor: 2 },
    frame: (image, size, { levels, scaling }, out) => {
      const square = { height: size, width: size };
      resizeLegacyBilinear(image, square, levels, scaling, centralPart(image), wholeOf(square), out);
    },
    frameText: () => "central crop 0.875, TensorFlow 1 bilinear",
    scaleText: "(x/255 - 0.5) * 2",
  },
  vgg: {
    levels: plain,
    scaling: { means: vggMeans, factor: 1 },
    frame: shortSideThenCrop,
    frameText: (size) => `short side ${vggShortSide(size)} by TensorFlow 1 bilinear, central crop`,
    scaleText: "x - [123.68, 116.78, 103.94]",
  },
  cifarnet: {
    levels: plain,
    scaling: unscaled,
    frame: cropOrPad,
    finish: standardize,
    frameText: () => "central crop or zero padding",
    scaleText: "(x - mean) / max(deviation, 1/sqrt(values))",
  },
  lenet: {
    levels: plain,
    scaling: { means: [128, 128, 128], factor: 1 / 128 },
    frame: cropOrPad,
    frameText: () => "central crop or zero padding",
    scaleText: "(x - 128) / 128",
  },
};

/** tf.image.per_image_standardization. */
function standardize(data: Float32Array): void {
  let sum = 0;
  for (const v of data) sum += v;
  const mean = sum / data.length;
  let squares = 0;
  for (const v of data) squares += (v - mean) ** 2;
  const deviation = Math.max(Math.sqrt(squares / data.length), 1 / Math.sqrt(data.length));
  for (const [i, v] of data.entries()) data[i] = (v - mean) / deviation;
}

/** Grey is the mean of R, G and B, rounded down. */
function withChannels({ width, height, data }: Pixels, channels: number): Bytes {
  if (channels === 3) return { width, height, channels, data };
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    grey[i] = Math.floor((data[3 * i] + data[3 * i + 1] + data[3 * i + 2]) / 3);
  }
  return { width, height, channels: 1, data: grey };
}

/** The family whose rules a mode takes. */
const familyFor = ({ family, mode }: Pick<PreprocessOptions, "family" | "mode">): PreprocessFamily =>
  mode === "inception" || mode === "vgg" ? mode : family;

/**
 * What a mode needs of a network's input.
 * @throws UsageError for a mode of colours where the input is grey.
 */
export function checkPreprocess(mode: PreprocessMode, channels: number): void {
  if (channels === 3 || (mode !== "inception" && mode !== "vgg")) return;
  throw new UsageError(
    `--preprocess ${mode} is for colours, and the network's input is grey.`,
    "Use --preprocess slim, the network's own, or resize.",
  );
}

/**
 * The input of one image: float32 values [size, size, channels], in `out` where that is there.
 * @throws ImageError when the image is too small for the family's crop.
 */
export function preprocess(
  pixels: Pixels,
  { family, mode, size, channels }: PreprocessOptions,
  out: Float32Array = new Float32Array(size * size * channels),
): Float32Array {
  const image = withChannels(pixels, channels);
  const it = families[familyFor({ family, mode })];
  const square = { height: size, width: size };
  if (mode === "seed") out.set(resizePillowBilinear(image, size, size).data);
  else if (mode === "resize")
    resizeLegacyBilinear(image, square, it.levels, it.scaling, wholeOf(image), wholeOf(square), out);
  else it.frame(image, size, it, out);
  if (mode !== "seed") it.finish?.(out);
  return out;
}

/**
 * How images are decoded for a mode. Pillow, with which Compute-Features read its images, turns nothing upright and
 * decodes JPEG by the accurate method; TensorFlow's is the fast one.
 * @throws UsageError when the fast method is asked for and cannot be had.
 */
export function decodeRules(mode: PreprocessMode, wishes: DecodeOptions, decoder: JpegPlatform): DecodeRules {
  const { exif = "auto", jpeg } = wishes;
  return mode === "seed"
    ? { ...wishes, exif: "ignore", jpeg: jpegMethodFor({ ...wishes, jpeg: jpeg ?? "accurate" }, decoder) }
    : { ...wishes, exif, jpeg: jpegMethodFor(wishes, decoder) };
}

/** The preprocessing in words, for the output's metadata. */
export function describePreprocess({ family, mode, size }: PreprocessOptions): string {
  if (mode === "seed") return `seed: Pillow bilinear to ${size}x${size}, raw 0..255`;
  const rules = familyFor({ family, mode });
  const { frameText, scaleText } = families[rules];
  const frame = mode === "resize" ? "whole image by TensorFlow 1 bilinear" : frameText(size);
  return `${rules}: ${frame} to ${size}x${size}, ${scaleText}`;
}
