/** Filters as panels: all taps of a few output channels side by side, in the order in which a kernel reads them. */
import type { WindowGeometry } from "./geometry.ts";
import { type Caps, mostTexelBytes, type Packing } from "./op.ts";

/** Floats of one panel of `channels` outputs, whose taps have `rows` values each. */
export const panelSize = (g: WindowGeometry, channels: number, rows = g.inC) =>
  g.kernelH * g.kernelW * rows * channels;

/**
 * The filter [window, inC, outC] as panels [outC / channels][window][rows][channels], zero-filled where there are more rows
 * than input channels (`lead` of them before these), behind the window up to `depth` rows in all, and at the end. A filter
 * over the binding limit (vgg's fc6: 411 MB) becomes several chunks.
 */
export function panelPacking(
  g: WindowGeometry,
  channels: number,
  caps: Caps,
  options: {
    readonly rows?: number;
    readonly lead?: number;
    readonly depth?: number;
    readonly texels?: boolean;
  } = {},
): Packing {
  const { rows = g.inC, lead = 0, texels = false } = options;
  const filled = g.kernelH * g.kernelW * rows;
  const { depth = filled } = options;
  const panel = depth * channels;
  const ofRows = rows === g.inC ? "" : ` of ${rows} rows${lead > 0 ? ` from ${lead}` : ""}`;
  const toDepth = depth === filled ? "" : ` to ${depth}`;
  const most = texels ? mostTexelBytes(caps) : caps.maxBindingBytes;
  const panels = Math.ceil(g.outC / channels);
  const panelsPerChunk = Math.max(1, Math.floor(most / (4 * panel)));
  const chunks: number[] = [];
  for (let first = 0; first < panels; first += panelsPerChunk) {
    chunks.push(Math.min(panelsPerChunk, panels - first) * panel);
  }
  return {
    layout: `panels${channels}${ofRows}${toDepth}${texels ? " as texels" : ""}${caps.halfWeights ? " in half precision" : ""}`,
    chunks,
    half: caps.halfWeights,
    texels,
    pack(filter, chunk) {
      const packed = new Float32Array(chunks[chunk]);
      const taps = g.kernelH * g.kernelW * g.inC;
      for (let start = 0; start < packed.length; start += panel) {
        const first = (chunk * panelsPerChunk + start / panel) * channels;
        const filled = Math.min(channels, g.outC - first);
        for (let t = 0; t < taps; t++) {
          const row = Math.floor(t / g.inC) * rows + lead + (t % g.inC);
          for (let c = 0; c < filled; c++)
            packed[start + row * channels + c] = filter[t * g.outC + first + c];
        }
      }
      return packed;
    },
  };
}

/** One dispatch a chunk of panels: `make` gets the first panel and how many there are. */
export function panelDispatches<T>(
  packing: Packing,
  panel: number,
  make: (firstPanel: number, panels: number, chunk: number) => T,
): T[] {
  let firstPanel = 0;
  return packing.chunks.map((floats, chunk) => {
    const made = make(firstPanel, floats / panel, chunk);
    firstPanel += floats / panel;
    return made;
  });
}

/**
 * Float32 sums grow inexact with their length, so products are summed in blocks, a few blocks in a group, and groups to
 * the end. The deep networks of separable convolutions, whose products are all 1x1, need the shorter blocks to stay as
 * exact as TensorFlow.
 */
export const blockLength = (g: WindowGeometry) => (g.kernelH * g.kernelW === 1 ? 16 : 32);
export const groupLength = 8;
