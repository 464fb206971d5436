/**
 * Convolution in plain JavaScript numbers, shared by conv2d and matmul. Sums are float64, so the CPU path is a little
 * nearer to the truth than any float32 engine.
 */
import type { WindowGeometry } from "./geometry.ts";
import type { CpuKernel, Packing } from "./op.ts";

const block = 4;

/** The filter [taps, outC] as panels [outC / 4][taps][4], zero-filled at the end. */
function panelPacking(g: WindowGeometry): Packing {
  const taps = g.kernelH * g.kernelW * g.inC;
  const panels = Math.ceil(g.outC / block);
  return {
    layout: `panels${block}`,
    chunks: [panels * taps * block],
    pack(filter) {
      const packed = new Float32Array(panels * taps * block);
      for (let panel = 0; panel < panels; panel++) {
        const channels = Math.min(block, g.outC - panel * block);
        for (let t = 0; t < taps; t++) {
          for (let c = 0; c < channels; c++) {
            packed[(panel * taps + t) * block + c] = filter[t * g.outC + panel * block + c];
          }
        }
      }
      return packed;
    },
  };
}

/** Copies the window of one pixel into lane `lane` of a patch [taps][4]; outside the image it is zero. */
function gather(g: WindowGeometry, x: Float32Array, pixel: number, patch: Float64Array, lane: number): void {
  const { kernelH, kernelW, inH, inW, inC } = g;
  const outX = pixel % g.outW;
  const line = (pixel - outX) / g.outW;
  const outY = line % g.outH;
  const image = (line - outY) / g.outH;
  let at = lane;
  for (let ky = 0; ky < kernelH; ky++) {
    const row = outY * g.strideH - g.padTop + ky * g.dilationH;
    for (let kx = 0; kx < kernelW; kx++) {
      const col = outX * g.strideW - g.padLeft + kx * g.dilationW;
      if (row < 0 || row >= inH || col < 0 || col >= inW) {
        for (let c = 0; c < inC; c++, at += block) patch[at] = 0;
      } else {
        const from = ((image * inH + row) * inW + col) * inC;
        for (let c = 0; c < inC; c++, at += block) patch[at] = x[from + c];
      }
    }
  }
}

/** Four pixels by four channels at a time: sixteen sums live in registers while the window is walked once. */
export function blockedConvolution(g: WindowGeometry): CpuKernel {
  const taps = g.kernelH * g.kernelW * g.inC;
  const pixels = g.batch * g.outH * g.outW;
  const patch = new Float64Array(taps * block);

  return {
    packing: { 1: panelPacking(g) },
    run([x, panels], out) {
      for (let pixel = 0; pixel < pixels; pixel += block) {
        const rows = Math.min(block, pixels - pixel);
        for (let lane = 0; lane < block; lane++) gather(g, x, pixel + Math.min(lane, rows - 1), patch, lane);
        for (let channel = 0; channel < g.outC; channel += block) {
          multiplyPanel(patch, panels, channel * taps, out, pixel * g.outC + channel, g.outC, rows, channel);
        }
      }
    },
  };
}

function multiplyPanel(
  patch: Float64Array,
  panels: Float32Array,
  start: number,
  out: Float32Array,
  at: number,
  outC: number,
  rows: number,
  channel: number,
): void {
  let s00 = 0;
  let s01 = 0;
  let s02 = 0;
  let s03 = 0;
  let s10 = 0;
  let s11 = 0;
  let s12 = 0;
  let s13 = 0;
  let s20 = 0;
  let s21 = 0;
  let s22 = 0;
  let s23 = 0;
  let s30 = 0;
  let s31 = 0;
  let s32 = 0;
  let s33 = 0;
  for (let i = 0, w = start; i < patch.length; i += 4, w += 4) {
    const x0 = patch[i];
    const x1 = patch[i + 1];
    const x2 = patch[i + 2];
    const x3 = patch[i + 3];
    const w0 = panels[w];
    const w1 = panels[w + 1];
    const w2 = panels[w + 2];
    const w3 = panels[w + 3];
    s00 += x0 * w0;
    s01 += x0 * w1;
    s02 += x0 * w2;
    s03 += x0 * w3;
    s10 += x1 * w0;
    s11 += x1 * w1;
    s12 += x1 * w2;
    s13 += x1 * w3;
    s20 += x2 * w0;
    s21 += x2 * w1;
    s22 += x2 * w2;
    s23 += x2 * w3;
    s30 += x3 * w0;
    s31 += x3 * w1;
    s32 += x3 * w2;
    s33 += x3 * w3;
  }
  const sums = [s00, s01, s02, s03, s10, s11, s12, s13, s20, s21, s22, s23, s30, s31, s32, s33];
  const columns = Math.min(block, outC - channel);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      out[at + row * outC + column] = sums[row * block + column];
  }
}
