/**
 * Writing WGSL: one declaration gives the parameters' struct and their bytes, so the two cannot drift; bindings follow
 * one order everywhere (0 parameters, then operands, last the output).
 *
 * What is baked into the text and what is a parameter: whatever changes the loops or the code (window size, vector
 * width, epilogue, workgroup size) is baked; sizes and strides are parameters. Layers that differ only in size then
 * share a pipeline, and pipelines are cached by their text.
 */
import type { WindowGeometry } from "./geometry.ts";
import { type Caps, type Dispatch, texelsPerRow } from "./op.ts";

/** A uniform parameter: u32 unless it says otherwise. */
export type Param = number | { readonly f32: number } | { readonly i32: number };

export type Params = Readonly<Record<string, Param>>;

function structText(params: Params): string {
  const fields = Object.entries(params).map(([name, p]) => {
    const type = typeof p === "number" ? "u32" : "f32" in p ? "f32" : "i32";
    return `  ${name}: ${type},`;
  });
  return `struct Params {\n${fields.join("\n")}\n}\n`;
}

/** The bytes of the uniform struct, padded to the 16 that a uniform binding wants. */
export function encodeParams(params: Params): ArrayBuffer {
  const entries = Object.entries(params);
  const bytes = new ArrayBuffer(Math.ceil((4 * entries.length) / 16) * 16);
  const view = new DataView(bytes);
  entries.forEach(([name, p], i) => {
    if (typeof p === "number") {
      if (!Number.isInteger(p) || p < 0 || p > 0xffffffff)
        throw new Error(`parameter ${name} = ${p} is not a u32`);
      view.setUint32(4 * i, p, true);
    } else if ("f32" in p) view.setFloat32(4 * i, p.f32, true);
    else view.setInt32(4 * i, p.i32, true);
  });
  return bytes;
}

export type Element = "f32" | "vec2f" | "vec4f" | "vec4h" | "vec4u";

/** What an input is bound as: a buffer of elements, or a texture of four numbers a texel (see `texelAt`). */
export type Input = Element | "texels";

/** The type of weights packed into a buffer; what is read of them is converted by vec4f(), which leaves a vec4f as it is. */
export const weightElement = ({ halfWeights }: Caps): Element => (halfWeights ? "vec4h" : "vec4f");

/**
 * The vector `index` of weights in a texture. Processors that play a GPU look at every number of a buffer by itself,
 * whether it lies inside and whether its lane wants it; of a texture they fetch four numbers together.
 */
export const texelAt = (texture: string, index: string): string =>
  `textureLoad(${texture}, vec2u((${index}) % ${texelsPerRow}u, (${index}) / ${texelsPerRow}u), 0)`;

export interface ModuleParts {
  /** An example of the parameters: names and types are read off it. */
  readonly params: Params;
  readonly inputs: readonly { readonly name: string; readonly type: Input }[];
  readonly output: Element;
  /** How many outputs there are: y, and behind it y1, y2 and so on. */
  readonly outputs?: number;
  readonly workgroup: readonly [number, number, number];
  /** Whether the body uses subgroup operations; it then has `lane`, the lane's number in its subgroup. */
  readonly subgroups?: boolean;
  /** Whether the body uses subgroup matrices. */
  readonly matrices?: boolean;
  /** Functions and constants before `main`. */
  readonly head?: string;
  /** Uses `p` (parameters), the inputs by name, `y` (output), `wid`, `lid` and `groups`. */
  readonly body: string;
}

/** What the output of this number is called. */
export const outputName = (output: number): string => (output === 0 ? "y" : `y${output}`);

/** That every lane of a subgroup gives the same place of a small matrix is more than the compiler can see. */
const matricesHead = `diagnostic(off, chromium.subgroup_matrix_uniformity);
enable chromium_experimental_subgroup_matrix;
`;

/** A whole WGSL module with the entry point `main`. */
export function wgslModule(parts: ModuleParts): string {
  const bindings = [
    "@group(0) @binding(0) var<uniform> p: Params;",
    ...parts.inputs.map(({ name, type }, i) =>
      type === "texels"
        ? `@group(0) @binding(${i + 1}) var ${name}: texture_2d<f32>;`
        : `@group(0) @binding(${i + 1}) var<storage, read> ${name}: array<${type}>;`,
    ),
    ...Array.from(
      { length: parts.outputs ?? 1 },
      (_, i) =>
        `@group(0) @binding(${parts.inputs.length + 1 + i}) var<storage, read_write> ${outputName(i)}: array<${parts.output}>;`,
    ),
  ];
  const half = parts.matrices || parts.inputs.some(({ type }) => type === "vec4h");
  return `${parts.matrices ? matricesHead : ""}${half ? "enable f16;\n" : ""}${parts.subgroups ? "enable subgroups;\n" : ""}${structText(parts.params)}
${bindings.join("\n")}
${parts.head ?? ""}
@compute @workgroup_size(${parts.workgroup.join(", ")})
fn main(
  @builtin(workgroup_id) wid: vec3u,
  @builtin(local_invocation_id) lid: vec3u,
  @builtin(num_workgroups) groups: vec3u,${parts.subgroups ? "\n  @builtin(subgroup_invocation_id) lane: u32," : ""}
) {
${parts.body}
}
`;
}

/** Lines of text, numbered from 0 on. */
export const each = (n: number, line: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => line(i)).join("\n");

/** The parameters of a convolution's windows. */
export const windowParams = (g: WindowGeometry) => ({
  inH: g.inH,
  inW: g.inW,
  outH: g.outH,
  outW: g.outW,
  strideH: g.strideH,
  strideW: g.strideW,
  dilationH: g.dilationH,
  dilationW: g.dilationW,
  padTop: { i32: g.padTop },
  padLeft: { i32: g.padLeft },
});

/**
 * The function `corner(pixel)`: the first row of an output pixel's image, and where its window begins in it. From
 * `windowParams` and the parameter pixels.
 */
export const cornerWgsl = `struct Corner { row: u32, y: i32, x: i32 }
fn corner(pixel: u32) -> Corner {
  let q = min(pixel, p.pixels - 1u);
  let line = q / p.outW;
  let image = line / p.outH;
  return Corner(image * p.inH, i32((line % p.outH) * p.strideH) - p.padTop, i32((q % p.outW) * p.strideW) - p.padLeft);
}`;

/** The workgroup size of one-value-a-lane kernels; every adapter allows it. */
export const flatWorkgroup = 64;

/** WGSL that gives a one-value-a-lane kernel its index `i` and returns past `p.count`. */
export const flatIndex = `  let i = (wid.y * groups.x + wid.x) * ${flatWorkgroup}u + lid.x;
  if (i >= p.count) { return; }`;

/** Folds a long row of workgroups over the limit of one dimension. */
export function foldGrid(groups: number, caps: Caps): readonly [number, number, number] {
  const limit = caps.maxWorkgroupsPerDimension;
  if (groups <= limit) return [groups, 1, 1];
  const rows = Math.ceil(groups / limit);
  return [Math.ceil(groups / rows), rows, 1];
}

/** One dispatch with a lane for each of `count` values. */
export function flatDispatch(params: Params & { readonly count: number }, caps: Caps): Dispatch {
  return { params: encodeParams(params), grid: foldGrid(Math.ceil(params.count / flatWorkgroup), caps) };
}
