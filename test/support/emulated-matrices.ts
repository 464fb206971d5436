/**
 * Small matrices for adapters that have none: in a kernel's text, a matrix that is loaded becomes the place where it lies,
 * and one of sums the eight numbers of each of 32 lanes. Slow, and enough to hold the kernels against the others.
 */
const loads = /subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, 16, 16>, row_major>\(&(\w+), /g;

/** The half at `at` of an array of words or vectors of them, two halves a word. */
const halves = (name: string, words: number) =>
  words === 2
    ? `unpack2x16float(${name}[at / 4u][(at / 2u) % 2u])[at % 2u]`
    : `unpack2x16float(${name}[at / 8u][(at / 2u) % 4u])[at % 2u]`;

const emulation = (left: string, right: string) => `var<private> own_lane: u32;
struct Place { at: u32, stride: u32 }
struct Sums { a: vec4f, b: vec4f }
fn place(at: u32, stride: u32) -> Place { return Place(at, stride); }
fn right_at(b: Place, k: u32, column: u32) -> vec4f {
  var v: vec4f;
  for (var i = 0u; i < 4u; i++) { v[i] = right_half((b.at + k * b.stride) * 8u + column + i); }
  return v;
}
fn left_half(at: u32) -> f32 { return ${halves(left, 2)}; }
fn right_half(at: u32) -> f32 { return ${halves(right, 4)}; }
fn multiply(a: Place, b: Place, c: Sums) -> Sums {
  var sums = c;
  let column = (own_lane % 2u) * 8u;
  // A bound that no compiler knows to be 16, so that none writes the loop out for every product.
  for (var k = 0u; k < 16u + own_lane / 64u; k++) {
    let value = vec4f(left_half((a.at + (own_lane / 2u) * a.stride) * 4u + k));
    sums.a += value * right_at(b, k, column);
    sums.b += value * right_at(b, k, column + 4u);
  }
  return sums;
}
fn store_strips(at: u32, value: Sums, stride: u32) {
  let to = at + (own_lane / 2u) * stride + (own_lane % 2u) * 8u;
  for (var i = 0u; i < 4u; i++) { strips[to + i] = value.a[i]; strips[to + 4u + i] = value.b[i]; }
}`;

export function emulatedMatrices(code: string): string {
  if (!code.includes("chromium_experimental_subgroup_matrix")) return code;
  const names = new Map([...code.matchAll(loads)].map(([, of, name]) => [of, name]));
  return code
    .replace(/^diagnostic.*$/m, "")
    .replace("enable chromium_experimental_subgroup_matrix;", "")
    .replace(loads, "place(")
    .replaceAll("subgroupMatrixMultiplyAccumulate", "multiply")
    .replaceAll("subgroupMatrixStore<row_major>(&strips, ", "store_strips(")
    .replaceAll("subgroup_matrix_result<f32, 16, 16>", "Sums")
    .replace("@compute", `${emulation(names.get("left") ?? "", names.get("right") ?? "")}\n@compute`)
    .replace("let subgroup = ", "own_lane = lid.x % 32u;\n  let subgroup = ");
}
