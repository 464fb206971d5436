/** Pixels of a browser's bitmaps, as they are in them: a canvas keeps colours multiplied by alpha, a texture does not. */
import type { Rgb } from "../images/turn.ts";
import type { DecodeOptions } from "../platform/decoder.ts";

/** What is used of an ImageBitmap, whose type TypeScript has together with a browser's only. */
export interface Bitmap {
  readonly width: number;
  readonly height: number;
  close(): void;
}

interface Context2d {
  imageSmoothingEnabled: boolean;
  globalCompositeOperation: string;
  drawImage(image: Bitmap, x: number, y: number): void;
  getImageData(x: number, y: number, width: number, height: number): { readonly data: Uint8ClampedArray };
}

/** What is used of WebGL 2: https://registry.khronos.org/webgl/specs/latest/2.0/ */
interface Gl {
  readonly [constant: string]: unknown;
  createTexture(): object;
  bindTexture(target: unknown, texture: object): void;
  pixelStorei(name: unknown, value: unknown): void;
  texImage2D(...args: readonly unknown[]): void;
  createFramebuffer(): object;
  bindFramebuffer(target: unknown, buffer: object): void;
  framebufferTexture2D(...args: readonly unknown[]): void;
  checkFramebufferStatus(target: unknown): unknown;
  readPixels(...args: readonly unknown[]): void;
  getParameter(name: unknown): unknown;
  getExtension(name: string): { loseContext(): void } | null;
}

interface Canvas {
  getContext(kind: "2d", options: { willReadFrequently: boolean }): Context2d | null;
  getContext(kind: "webgl2"): Gl | null;
}

const here = globalThis as unknown as {
  readonly OffscreenCanvas?: new (width: number, height: number) => Canvas;
  readonly ImageBitmap?: new () => Bitmap;
  createImageBitmap(image: Blob, options: Readonly<Record<string, string>>): Promise<Bitmap>;
};

/** The browser's, in windows and in workers. */
export const createImageBitmap: typeof here.createImageBitmap = (image, options) =>
  here.createImageBitmap(image, options);

export const isBitmap = (value: unknown): value is Bitmap =>
  here.ImageBitmap !== undefined && value instanceof here.ImageBitmap;

/** Pixels of a canvas: larger ones are refused by some browsers. */
const stripPixels = 2 ** 22;

function openCanvas(width: number, height: number): Canvas {
  if (!here.OffscreenCanvas) throw new Error("this browser has no OffscreenCanvas");
  return new here.OffscreenCanvas(width, height);
}

/** Calls `see` with the RGBA values of strips of a bitmap; stops where that gives false. */
function eachStrip(bitmap: Bitmap, see: (rgba: Uint8ClampedArray, firstPixel: number) => boolean): boolean {
  const { width, height } = bitmap;
  const high = Math.max(1, Math.min(height, Math.floor(stripPixels / width)));
  const context = openCanvas(width, high).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser gives no canvas");
  context.imageSmoothingEnabled = false;
  context.globalCompositeOperation = "copy";
  for (let top = 0; top < height; top += high) {
    context.drawImage(bitmap, 0, -top);
    const rows = Math.min(high, height - top);
    if (!see(context.getImageData(0, 0, width, rows).data, top * width)) return false;
  }
  return true;
}

/** RGBA values through a texture; undefined where WebGL is not there, or the bitmap is too large for it. */
function throughTexture(bitmap: Bitmap): Uint8Array | undefined {
  const { width, height } = bitmap;
  const gl = openCanvas(1, 1).getContext("webgl2");
  if (!gl) return undefined;
  try {
    if (Math.max(width, height) > Number(gl.getParameter(gl.MAX_TEXTURE_SIZE))) return undefined;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
    gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
    gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    if (gl.checkFramebufferStatus(gl.FRAMEBUFFER) !== gl.FRAMEBUFFER_COMPLETE) return undefined;
    const rgba = new Uint8Array(4 * width * height);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, rgba);
    return rgba;
  } finally {
    gl.getExtension("WEBGL_lose_context")?.loseContext();
  }
}

/**
 * The colours of a bitmap, alpha dropped, or a background shown through it as libvips' flatten has it.
 * @throws Error where the browser gives no pixels.
 */
export function pixelsOfBitmap(bitmap: Bitmap, background?: DecodeOptions["background"]): Rgb {
  const { width, height } = bitmap;
  const data = new Uint8Array(3 * width * height);
  const opaque = eachStrip(bitmap, (rgba, first) => {
    for (let from = 0, to = 3 * first; from < rgba.length; from += 4, to += 3) {
      if (rgba[from + 3] !== 255) return false;
      data[to] = rgba[from];
      data[to + 1] = rgba[from + 1];
      data[to + 2] = rgba[from + 2];
    }
    return true;
  });
  if (opaque) return { width, height, data };
  const rgba = throughTexture(bitmap);
  if (!rgba)
    throw new Error(
      "what is under its transparent pixels cannot be read here: this browser gives no WebGL 2",
    );
  for (let i = 0; i < width * height; i++) {
    const alpha = background ? rgba[4 * i + 3] : 255;
    for (let c = 0; c < 3; c++) {
      const value = rgba[4 * i + c];
      data[3 * i + c] =
        alpha === 255 ? value : Math.floor((value * alpha + (background?.[c] ?? 0) * (255 - alpha)) / 255);
    }
  }
  return { width, height, data };
}
