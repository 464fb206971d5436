/**
 * Sliding windows: convolutions and pools share one geometry record, worked out once from TensorFlow's attributes.
 * SAME and VALID follow tensorflow/core/framework/common_shape_fns.cc (GetWindowedOutputSizeVerbose).
 */
import { ShapeError } from "../errors.ts";
import { formatShape, type Shape } from "../tensor.ts";
import type { Caps, Geometry } from "./op.ts";

/** SAME, VALID, or [[top, bottom], [left, right]] in pixels. */
export type Padding = "SAME" | "VALID" | readonly [readonly [number, number], readonly [number, number]];

export interface WindowAttrs {
  readonly strides: readonly [number, number];
  readonly padding: Padding;
  readonly dilations?: readonly [number, number];
}

export interface WindowGeometry extends Geometry {
  readonly batch: number;
  readonly inH: number;
  readonly inW: number;
  readonly inC: number;
  readonly outH: number;
  readonly outW: number;
  readonly outC: number;
  readonly kernelH: number;
  readonly kernelW: number;
  readonly strideH: number;
  readonly strideW: number;
  readonly dilationH: number;
  readonly dilationW: number;
  readonly padTop: number;
  readonly padLeft: number;
  /** Whether any window reaches outside the input. */
  readonly padded: boolean;
}

interface Axis {
  readonly out: number;
  readonly before: number;
  readonly padded: boolean;
}

function windowAxis(
  op: string,
  side: string,
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
  padding: Padding,
  explicit: readonly [number, number],
): Axis {
  for (const [what, n] of [
    ["kernel", kernel],
    ["stride", stride],
    ["dilation", dilation],
  ] as const) {
    if (!Number.isInteger(n) || n < 1)
      throw new ShapeError(`${op}: the ${side} of the ${what} is ${n}, not 1 or more.`);
  }
  const reach = (kernel - 1) * dilation + 1;
  let before = 0;
  let out: number;
  if (padding === "SAME") {
    out = Math.ceil(size / stride);
    before = Math.floor(Math.max((out - 1) * stride + reach - size, 0) / 2);
  } else {
    const [a, b] = padding === "VALID" ? [0, 0] : explicit;
    before = a;
    out = Math.floor((size + a + b - reach) / stride) + 1;
  }
  if (out < 1) {
    throw new ShapeError(
      `${op}: a window of ${reach} does not fit into the input's ${side} of ${size}.`,
      "The image is too small for this layer; use a larger input size.",
    );
  }
  return { out, before, padded: before > 0 || (out - 1) * stride - before + reach > size };
}

/**
 * The geometry of a window op on an NHWC input.
 * @throws ShapeError when the input is not of rank 4 or the window does not fit.
 */
export function windowGeometry(
  op: string,
  input: Shape,
  kernel: readonly [number, number],
  outC: number,
  attrs: WindowAttrs,
): WindowGeometry {
  if (input.length !== 4) {
    throw new ShapeError(`${op}: the input must be NHWC (rank 4), it is ${formatShape(input)}.`);
  }
  const [batch, inH, inW, inC] = input;
  const [dilationH, dilationW] = attrs.dilations ?? [1, 1];
  const [strideH, strideW] = attrs.strides;
  const explicit =
    typeof attrs.padding === "string"
      ? ([
          [0, 0],
          [0, 0],
        ] as const)
      : attrs.padding;
  const rows = windowAxis(op, "height", inH, kernel[0], strideH, dilationH, attrs.padding, explicit[0]);
  const cols = windowAxis(op, "width", inW, kernel[1], strideW, dilationW, attrs.padding, explicit[1]);
  return {
    out: [batch, rows.out, cols.out, outC],
    batch,
    inH,
    inW,
    inC,
    outH: rows.out,
    outW: cols.out,
    outC,
    kernelH: kernel[0],
    kernelW: kernel[1],
    strideH,
    strideW,
    dilationH,
    dilationW,
    padTop: rows.before,
    padLeft: cols.before,
    padded: rows.padded || cols.padded,
  };
}

/**
 * Images by which algorithms are chosen: an adapter in software takes as long for each, a chip is there for many, and half
 * precision is asked for by those who have more.
 */
export const typicalImages = ({ hardware, halfWeights }: Pick<Caps, "hardware" | "halfWeights">): number =>
  hardware ? (halfWeights ? 32 : 8) : 1;

/**
 * The geometry by which an algorithm is chosen: that of a given number of images, whatever the batch. Algorithms differ
 * in their last bits, and an image's bits must not depend on how many others are computed with it. (Tiles do not change
 * bits, and may follow the batch.) The rows of a matrix product, whose output is of rank 2, are images.
 */
export function ofTypicalBatch(g: WindowGeometry, caps: Caps): WindowGeometry {
  const images = typicalImages(caps);
  return g.out.length === 2 ? { ...g, inH: images, outH: images } : { ...g, batch: images };
}

/** Limits for estimating a typical batch, which is not what is run: its grid may be larger than the adapter allows. */
export const estimating = (caps: Caps): Caps => ({
  ...caps,
  maxWorkgroupsPerDimension: Number.POSITIVE_INFINITY,
});
