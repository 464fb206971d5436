/**
 * What the products of chips have in common: a filter as panels of its windows' rows, a grid of tiles, and a depth that
 * groups of workgroups may share, each writing the sums of its parts for a last stage to add.
 */
import { epilogueInputs, epilogueWgsl, outputsOf, putWgsl, storeLine, storeParams } from "./epilogue.ts";
import type { WindowGeometry } from "./geometry.ts";
import type { WindowRows } from "./input-walk.ts";
import type { Caps, Epilogue, GpuKernel, GpuStage, Place } from "./op.ts";
import { panelDispatches, panelPacking } from "./panels.ts";
import { panelChannels, pixelsOf } from "./shared-plan.ts";
import { encodeParams, flatDispatch, flatIndex, flatWorkgroup, type Params, wgslModule } from "./wgsl.ts";

/** The filter as its windows' rows: what `panelPacking` takes for one tap is a row. */
const rowsOf = (g: WindowGeometry): WindowGeometry => ({ ...g, kernelW: 1, inC: g.kernelW * g.inC });

export interface PanelProduct {
  readonly label: string;
  /** Of the tile and the split. */
  readonly name: string;
  readonly g: WindowGeometry;
  readonly epilogue: Epilogue;
  readonly caps: Caps;
  /**
   * The WGSL of the product, which writes outputs; or where there are several groups, the sums of parts as
   * [part][pixel][channels, filled up to vectors].
   */
  readonly code: string;
  /** The parameters of a chunk of `panels` panels from `firstPanel` on. */
  readonly params: (firstPanel: number, panels: number) => Params;
  /** How the depth is laid out. */
  readonly rows: WindowRows;
  /** A workgroup's outputs. */
  readonly tile: { readonly pixels: number; readonly channels: number };
  /** Groups of workgroups that share the depth, and the parts that they write where they are several. */
  readonly groups: number;
  readonly parts: number;
}

export function panelProduct(product: PanelProduct): GpuKernel {
  const { label, name, g, epilogue, caps, code, params, rows, tile, groups, parts } = product;
  const { pitch, lead, depth } = rows;
  const packing = panelPacking(rowsOf(g), panelChannels, caps, { rows: pitch, lead, depth });
  const divided = groups > 1;
  const extra = epilogueInputs(epilogue, "vec4f").map((_, k) => 2 + k);
  const stage: GpuStage = {
    code,
    dispatches: panelDispatches(packing, depth * panelChannels, (firstPanel, panels, chunk) => ({
      params: encodeParams(params(firstPanel, panels)),
      grid: [
        Math.ceil((panels * panelChannels) / tile.channels),
        Math.ceil(pixelsOf(g) / tile.pixels),
        groups,
      ] as const,
      reads: divided ? [0, 1] : [0, 1, ...extra],
      writes: divided ? { scratch: 0 } : undefined,
      chunk,
    })),
  };
  return {
    label,
    tile: name,
    stages: divided ? [stage, addStage(product)] : [stage],
    scratch: divided ? [4 * parts * pixelsOf(g) * Math.ceil(g.outC / 4)] : [],
    packing: { 1: packing },
  };
}

/** Adds the sums of the parts, in their order, and finishes: a lane an output, or a vector of four. */
function addStage({ g, epilogue, caps, parts }: PanelProduct): GpuStage {
  const output = g.outC % 4 === 0 ? "vec4f" : "f32";
  const width = output === "vec4f" ? 4 : 1;
  const stored = 4 * Math.ceil(g.outC / 4);
  const params = {
    count: (pixelsOf(g) * g.outC) / width,
    outC: g.outC / width,
    stored: stored / width,
    part: (pixelsOf(g) * stored) / width,
    parts,
    ...storeParams(epilogue, g.outC, width),
  };
  const extra = epilogueInputs(epilogue, output);
  const code = wgslModule({
    params,
    inputs: [{ name: "sums", type: output }, ...extra],
    output,
    outputs: outputsOf(epilogue),
    workgroup: [flatWorkgroup, 1, 1],
    head: epilogueWgsl(epilogue, output) + putWgsl(epilogue),
    body: `${flatIndex}
  let channel = i % p.outC;
  let pixel = i / p.outC;
  var at = pixel * p.stored + channel;
  var total = ${output}();
  for (var s = 0u; s < p.parts; s++) { total += sums[at]; at += p.part; }
  ${storeLine(epilogue, "pixel", "channel", "finish(total, channel, i)")}`,
  });
  const reads: Place[] = [{ scratch: 0 }, ...extra.map((_, k) => 2 + k)];
  return { code, dispatches: [{ ...flatDispatch(params, caps), reads }] };
}
