/**
 * Winograd convolution on the GPU: tiles of the input are transformed, one product for each of a tile's places, and
 * the products are transformed back with the epilogue. Groups of tiles go through the three stages together, so that
 * what lies between them stays small enough for a cache.
 */
import {
  chooseLaneTile,
  instructions,
  type LaneTile,
  laneStores,
  laneSums,
  lanesFit,
  laneWork,
} from "./conv-lanes.ts";
import { sharedPlaces } from "./conv-shared.ts";
import { epilogueInputs, epilogueWgsl, rowOf } from "./epilogue.ts";
import { type WindowGeometry, windowGeometry } from "./geometry.ts";
import { movingWork } from "./hardware.ts";
import {
  type Caps,
  type Epilogue,
  float32Bytes,
  type GpuKernel,
  type GpuStage,
  mostTexelBytes,
} from "./op.ts";
import { panelSize } from "./panels.ts";
import { panelChannels, placesFit, placesTile, placesWork } from "./shared-plan.ts";
import { each, encodeParams, flatDispatch, flatIndex, flatWorkgroup, wgslModule } from "./wgsl.ts";
import { depthOf, placesOf, sizeOf, type Tile, winogradMatrices } from "./winograd.ts";
import { winogradPacking } from "./winograd-packing.ts";

/**
 * Between the stages there are at most this many floats of transformed input and products together: what the cache of a
 * processor holds, or that of a chip, which wants many tiles at once.
 */
const mostBetween = ({ hardware }: Caps) => (hardware ? 2 ** 23 : 2 ** 20);

interface Tiling {
  readonly rows: number;
  readonly columns: number;
  readonly tiles: number;
  /** Tiles that go through the stages together. */
  readonly group: number;
}

/** Whether four values that follow each other are one vector of the input; else they come from several phases. */
const inVectors = (g: WindowGeometry) => g.inC % 4 === 0;

/** Whole tiles of the product's lanes, so that none of them idles but in the last group. */
const unitOf = ({ subgroupSize, hardware }: Caps) => (hardware ? 128 : 4 * subgroupSize);

function tilingOf(g: WindowGeometry, shape: Tile, caps: Caps): Tiling {
  const rows = Math.ceil(g.outH / shape.down.side);
  const columns = Math.ceil(g.outW / shape.across.side);
  const tiles = g.batch * rows * columns;
  const places = placesOf(shape);
  const unit = unitOf(caps);
  const most = Math.min(mostBetween(caps), caps.maxBindingBytes / 4);
  const group = Math.max(unit, Math.floor(most / (places * (depthOf(g) + g.outC)) / unit) * unit);
  return { rows, columns, tiles, group: Math.min(tiles, group) };
}

/** The product of one place as a 1x1 convolution over `tiles` pixels. */
const productOf = (g: WindowGeometry, tiles: number): WindowGeometry =>
  windowGeometry("conv2d", [1, 1, tiles, depthOf(g)], [1, 1], g.outC, { strides: [1, 1], padding: "VALID" });

/** Tiles of the GPU. `rough`: where rounding counts more than in a plain sum; see `Caps.roundsFreely`. */
export interface GpuTile extends Tile {
  readonly rough: boolean;
  /** What the windows move by, both ways. */
  readonly stride: number;
}

export const winogradFits = (g: WindowGeometry, tile: GpuTile, caps: Caps): boolean =>
  g.strideH === tile.stride &&
  g.strideW === tile.stride &&
  Math.ceil(g.kernelH / g.strideH) === tile.down.taps &&
  Math.ceil(g.kernelW / g.strideW) === tile.across.taps &&
  g.dilationH === 1 &&
  g.dilationW === 1 &&
  !caps.halfWeights &&
  (!tile.rough || caps.roundsFreely) &&
  depthOf(g) % 4 === 0 &&
  g.outC % 4 === 0 &&
  (caps.hardware ? placesFit(depthOf(g)) : lanesFit(g, caps)) &&
  float32Bytes(placesOf(tile) * depthOf(g) * Math.ceil(g.outC / 32) * 32) <=
    (caps.hardware ? caps.maxBindingBytes : mostTexelBytes(caps)) &&
  float32Bytes(placesOf(tile) * unitOf(caps) * Math.max(depthOf(g), g.outC)) <= caps.maxBindingBytes;

/** Estimated work, to be compared with that of other ways. */
export function winogradWork(g: WindowGeometry, tile: Tile, caps: Caps): number {
  const { tiles, group } = tilingOf(g, tile, caps);
  const places = placesOf(tile);
  const outputs = tile.down.side * tile.across.side;
  const groups = tiles / group;
  const product = productOf(g, group);
  if (caps.hardware) {
    const moved = float32Bytes(2 * group * places * (depthOf(g) + g.outC));
    return groups * (placesWork(product, places, caps) + movingWork(moved / 2) * 2);
  }
  const lanes = caps.subgroupSize;
  // Single values take about half of what vectors take.
  const loads = depthOf(g) / (inVectors(g) ? 4 : 2);
  const moved = (tiles / lanes) * (places * (depthOf(g) / 4 + loads) + ((places + outputs) * g.outC) / 4);
  return groups * places * laneWork(product, lanes) + instructions.vector * moved;
}

/** A row of a matrix times named vectors, as WGSL. */
function combination(row: readonly number[], name: (i: number) => string): string {
  const terms = row.flatMap((c, i) => (c === 0 ? [] : [{ c, v: name(i) }]));
  if (terms.length === 0) return "vec4f()";
  return terms
    .map(({ c, v }, i) => {
      const sign = c < 0 ? " - " : i === 0 ? "" : " + ";
      return `${sign}${Math.abs(c) === 1 ? v : `${Math.abs(c)} * ${v}`}`;
    })
    .join("");
}

/** WGSL: `name`s of a list move down by `by`. */
const shift = (count: number, by: number) => each(count - by, (i) => `r${i} = r${i + by};`);

const locate = `  let t = i / p.vectors;
  let vector = i % p.vectors;
  let tile = p.firstTile + t;
  let column = tile % p.columns;
  let line = tile / p.columns;
  let image = line / p.rows;`;

function inputStage(g: WindowGeometry, tile: Tile, tiling: Tiling, first: number, caps: Caps): GpuStage {
  const { down, across } = tile;
  const [height, width] = [sizeOf(down), sizeOf(across)];
  const count = Math.min(tiling.group, tiling.tiles - first);
  const [downwards, along] = [winogradMatrices(down).input, winogradMatrices(across).input];
  const vectors = depthOf(g) / 4;
  const params = {
    count: count * vectors,
    vectors,
    tiles: count,
    firstTile: first,
    height,
    width,
    rows: tiling.rows,
    columns: tiling.columns,
    inH: g.inH,
    inW: g.inW,
    inC: g.inC,
    strideW: g.strideW,
    parts: 4,
    padTop: { i32: g.padTop },
    padLeft: { i32: g.padLeft },
  };
  const pixel = "(image * p.inH + u32(row)) * p.inW + u32(col)";
  const isInside = "row >= 0 && row < i32(p.inH) && col >= 0 && col < i32(p.inW)";
  const readVectors = each(
    height,
    (k) =>
      `    let d${k} = vectorAt(image, top + ${k * g.strideH} + i32(phase / p.strideW), col + i32(phase % p.strideW), vector % (p.inC / 4u));`,
  );
  // Each vector is put together in a loop, so that a load stands in the text once for all four of its values.
  const readValues = `${each(height, (k) => `    var d${k} = vec4f();`)}
    for (var part = 0u; part < p.parts; part++) {
      let value = 4u * vector + part;
      let phase = value / p.inC;
      let row = top + i32(phase / p.strideW);
      let at = col + i32(phase % p.strideW);
${each(height, (k) => `      d${k} = vec4f(d${k}.yzw, valueAt(image, row + ${k * g.strideH}, at, value % p.inC));`)}
    }`;
  const code = wgslModule({
    params,
    inputs: [{ name: "x", type: inVectors(g) ? "vec4f" : "f32" }],
    output: "vec4f",
    workgroup: [flatWorkgroup, 1, 1],
    head: inVectors(g)
      ? `fn vectorAt(image: u32, row: i32, col: i32, vector: u32) -> vec4f {
  let inside = ${isInside};
  return select(vec4f(), x[select(0u, (${pixel}) * (p.inC / 4u) + vector, inside)], inside);
}`
      : `fn valueAt(image: u32, row: i32, col: i32, channel: u32) -> f32 {
  let inside = ${isInside};
  return select(0.0, x[select(0u, (${pixel}) * p.inC + channel, inside)], inside);
}`,
    body: `${flatIndex}
${locate}
${inVectors(g) ? "  let phase = vector / (p.inC / 4u);\n" : ""}  let top = i32((line % p.rows) * ${down.side * g.strideH}u) - p.padTop;
  let left = i32(column * ${across.side * g.strideW}u) - p.padLeft;
${each(height * width, (k) => `  var r${k} = vec4f();`)}
  // Columns come in turn and the earlier ones move on, so that a load stands in the text once for all columns; a bound
  // that the compiler knew would make it write the loop out.
  for (var j = 0; j < i32(p.width); j++) {
    let col = left + j * ${g.strideW};
${inVectors(g) ? readVectors : readValues}
${shift(height * width, height)}
${each(height, (k) => `    r${height * (width - 1) + k} = ${combination(downwards[k], (i) => `d${i}`)};`)}
  }
  for (var k = 0u; k < p.height; k++) {
    let to = (k * ${width}u * p.tiles + t) * p.vectors + vector;
${each(width, (l) => `    y[to + ${l}u * p.tiles * p.vectors] = ${combination(along[l], (j) => `r${j * height}`)};`)}
${shift(height * width, 1)}
  }`,
  });
  return {
    code,
    dispatches: [{ ...flatDispatch(params, caps), reads: [0], writes: { scratch: 0 } }],
  };
}

/** The products of all places read the transformed input and write what is transformed back. */
const between = { reads: [{ scratch: 0 }, 1], writes: { scratch: 1 } } as const;

function laneProducts(
  g: WindowGeometry,
  places: number,
  count: number,
  tile: LaneTile,
  lanes: number,
): GpuStage {
  const product = productOf(g, count);
  const sums = laneSums(product, tile, lanes);
  const vectors = tile.channels / 4;
  const panels = Math.ceil(g.outC / tile.channels);
  const params = {
    pixels: count,
    tile: tile.pixels,
    depth: product.inC / 4,
    block: sums.block,
    panel: panelSize(product, tile.channels) / 4,
    panels,
    vectors: g.outC / 4,
  };
  const code = wgslModule({
    params,
    inputs: [
      { name: "x", type: "vec4f" },
      { name: "filterPanels", type: "texels" },
    ],
    output: "vec4f",
    workgroup: [lanes, 1, 1],
    subgroups: true,
    body: `  let first = (wid.x * ${lanes}u + lid.x) * ${tile.pixels}u;
  let vector = wid.y * ${vectors}u;
${each(tile.pixels, (j) => `  let start${j} = (wid.z * p.pixels + min(first + ${j}u, p.pixels - 1u)) * p.depth;`)}
  var w = (wid.z * p.panels + wid.y) * p.panel + lane;
${sums.code}
${laneStores(sums, tile, (value, v) => `y[(wid.z * p.pixels + pixel) * p.vectors + vector + ${v}u] = ${value};`)}`,
  });
  return {
    code,
    dispatches: [
      {
        params: encodeParams(params),
        grid: [Math.ceil(count / (tile.pixels * lanes)), panels, places],
        ...between,
      },
    ],
  };
}

/** How the products of all places are computed. */
interface Products {
  /** Channels of a panel of the filter, and whether it lies in a texture. */
  readonly channels: number;
  readonly texels: boolean;
  readonly tile: string;
  /** The stage for `count` tiles. */
  stage(count: number): GpuStage;
}

/** By a chip's kernel, or by one for adapters in software, for groups of at most `group` tiles. */
function productsOf(g: WindowGeometry, places: number, group: number, caps: Caps): Products {
  if (caps.hardware) {
    return {
      channels: panelChannels,
      texels: false,
      tile: placesTile(productOf(g, group), places, caps),
      stage: (count) => sharedPlaces(productOf(g, count), places, caps, between),
    };
  }
  const tile = chooseLaneTile(productOf(g, group), caps.subgroupSize);
  return {
    channels: tile.channels,
    texels: true,
    tile: `${tile.pixels}x${tile.channels}`,
    stage: (count) => laneProducts(g, places, count, tile, caps.subgroupSize),
  };
}

function outputStage(
  g: WindowGeometry,
  { down, across }: Tile,
  tiling: Tiling,
  first: number,
  epilogue: Epilogue,
  caps: Caps,
): GpuStage {
  const [height, width] = [sizeOf(down), sizeOf(across)];
  const count = Math.min(tiling.group, tiling.tiles - first);
  const [upwards, along] = [winogradMatrices(down).output, winogradMatrices(across).output];
  const place = rowOf(epilogue, g.outC, 4);
  const params = {
    count: (count * g.outC) / 4,
    vectors: g.outC / 4,
    tiles: count,
    firstTile: first,
    width,
    side: down.side,
    rows: tiling.rows,
    columns: tiling.columns,
    outH: g.outH,
    outW: g.outW,
    row: place.row,
    first: place.first,
  };
  const extra = epilogueInputs(epilogue, "vec4f");
  const code = wgslModule({
    params,
    inputs: [{ name: "products", type: "vec4f" }, ...extra],
    output: "vec4f",
    workgroup: [flatWorkgroup, 1, 1],
    head: epilogueWgsl(epilogue, "vec4f"),
    body: `${flatIndex}
${locate}
  let top = (line % p.rows) * ${down.side}u;
  let left = column * ${across.side}u;
${each(width * down.side, (k) => `  var r${k} = vec4f();`)}
  for (var j = 0u; j < p.width; j++) {
${each(height, (k) => `    let d${k} = products[((${k * width}u + j) * p.tiles + t) * p.vectors + vector];`)}
${shift(width * down.side, down.side)}
${each(down.side, (k) => `    r${(width - 1) * down.side + k} = ${combination(upwards[k], (i) => `d${i}`)};`)}
  }
  for (var k = 0u; k < p.side; k++) {
    let pixel = (image * p.outH + top + k) * p.outW + left;
    if (top + k < p.outH) {
${each(
  across.side,
  (l) =>
    `      if (left + ${l}u < p.outW) { y[(pixel + ${l}u) * p.row + p.first + vector] = finish(${combination(along[l], (j) => `r${j * down.side}`)}, vector, (pixel + ${l}u) * p.vectors + vector); }`,
)}
    }
${shift(width * down.side, 1)}
  }`,
  });
  return {
    code,
    dispatches: [{ ...flatDispatch(params, caps), reads: [{ scratch: 1 }, ...extra.map((_, k) => 2 + k)] }],
  };
}

export function winogradConvolution(
  label: string,
  g: WindowGeometry,
  shape: Tile,
  epilogue: Epilogue,
  caps: Caps,
): GpuKernel {
  const tiling = tilingOf(g, shape, caps);
  const places = placesOf(shape);
  const products = productsOf(g, places, tiling.group, caps);
  const stages: GpuStage[] = [];
  for (let first = 0; first < tiling.tiles; first += tiling.group) {
    const count = Math.min(tiling.group, tiling.tiles - first);
    stages.push(
      inputStage(g, shape, tiling, first, caps),
      products.stage(count),
      outputStage(g, shape, tiling, first, epilogue, caps),
    );
  }
  return {
    label,
    tile: `${shape.down.side}x${shape.across.side}, ${products.tile}`,
    stages,
    scratch: [places * tiling.group * depthOf(g), places * tiling.group * g.outC],
    packing: { 1: { ...winogradPacking(shape, g, products.channels), texels: products.texels } },
  };
}
