/**
 * Small matrices for adapters that have none: in a kernel's text, a matrix that is loaded becomes the place where it lies,
 * and one of sums the eight numbers of each of 32 lanes. Slow, and enough to hold the kernels against the others.
 */
const loads =
  /subgroupMatrixLoad<subgroup_matrix_(left|right)<f16, 16, 16>, row_major>\(&(\w+)\[([^\]]*)\], /g;
const stores = /subgroupMatrixStore<row_major>\(&(\w+)\[([^\]]*)\], /g;

/** A lane has half a row of the sums. Left matrices lie in pairs of words, right ones and sums in vectors of four. */
const emulation = (left: string, right: string, strips: string) => `var<private> own_lane: u32;
struct Place { piece: u32, at: u32, stride: u32 }
struct Sums { a: vec4f, b: vec4f }
fn multiply(a: Place, b: Place, c: Sums) -> Sums {
  var sums = c;
  // A bound that no compiler knows to be 16, so that none writes the loop out for every product.
  for (var k = 0u; k < 16u + own_lane / 64u; k++) {
    let words = ${left}[a.piece][a.at + (own_lane / 2u) * a.stride + k / 4u];
    let pair = unpack2x16float(select(words.x, words.y, (k & 2u) != 0u));
    let value = select(pair.x, pair.y, (k & 1u) != 0u);
    let row = ${right}[b.piece][b.at + k * b.stride + own_lane % 2u];
    sums.a += value * vec4f(unpack2x16float(row.x), unpack2x16float(row.y));
    sums.b += value * vec4f(unpack2x16float(row.z), unpack2x16float(row.w));
  }
  return sums;
}
fn store_sums(piece: u32, at: u32, value: Sums, stride: u32) {
  let to = at + (own_lane / 2u) * stride + (own_lane % 2u) * 2u;
  ${strips}[piece][to] = bitcast<vec4u>(value.a);
  ${strips}[piece][to + 1u] = bitcast<vec4u>(value.b);
}`;

export function emulatedMatrices(code: string): string {
  if (!code.includes("chromium_experimental_subgroup_matrix")) return code;
  const names = new Map([...code.matchAll(loads)].map(([, of, name]) => [of, name]));
  const [[, strips]] = code.matchAll(stores);
  return code
    .replace(/^diagnostic.*$/m, "")
    .replace("enable chromium_experimental_subgroup_matrix;", "")
    .replace(loads, "Place($3, ")
    .replaceAll("subgroupMatrixMultiplyAccumulate", "multiply")
    .replace(stores, "store_sums($2, ")
    .replaceAll("subgroup_matrix_result<f32, 16, 16>", "Sums")
    .replace("@compute", `${emulation(names.get("left") ?? "", names.get("right") ?? "", strips)}\n@compute`)
    .replace("let subgroup = ", "own_lane = lid.x % 32u;\n  let subgroup = ");
}
