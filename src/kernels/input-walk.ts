/** How the lanes of a workgroup fetch the input's tile, step by step along the depth of an implicit matrix product. */
import type { WindowGeometry } from "./geometry.ts";
import { each } from "./wgsl.ts";

/**
 * WGSL of a lane's walk: in each step it fetches vectors of its `own` part of the depth, x<i>. It needs `firstPixel`, the
 * function `corner`, and of the parameters those of the windows, pixels, rowLength, pixelLength, span and rowSteps.
 */
export interface InputWalk {
  /** Declares the walk and enters the row of `step`. */
  readonly begin: string;
  /** To the next step; `step` counts already. */
  readonly next: string;
  readonly fetch: string;
}

/** The walk in steps of `depth` products, whose `loads` vectors a lane fetches are `lanes / (depth / 4)` pixels apart. */
export function inputWalk(g: WindowGeometry, depth: number, loads: number, lanes: number): InputWalk {
  const vectors = g.inC % 4 === 0;
  const parts = depth / 4;
  /** Elements of the input in a step. */
  const stride = vectors ? parts : depth;
  const ragged = (g.kernelW * g.inC) % depth !== 0;
  const enterRow = each(
    loads,
    (i) => `{ let row = corner${i}.y + i32(ky * p.dilationH);
    ${g.padded ? `inside${i} = row >= 0 && row < i32(p.inH);` : ""}
    start${i} = (i32(corner${i}.row) + row) * i32(p.rowLength) + left${i}; }`,
  );
  const begin = `  let own = lid.x % ${parts}u;
${each(
  loads,
  (
    i,
  ) => `  let corner${i} = corner(firstPixel + lid.x / ${parts}u + ${(i * lanes) / parts}u); let left${i} = corner${i}.x * i32(p.pixelLength);
  var start${i}: i32;${g.padded ? ` var inside${i}: bool;` : ""} var x${i}: vec4f;`,
)}
  var ky = step / p.rowSteps;
  var at = (step % p.rowSteps) * ${stride}u;
${enterRow}`;
  const next = `      at += ${stride}u;
${g.kernelH > 1 ? `      if (step % p.rowSteps == 0u) {\n        at = 0u; ky++;\n${enterRow}\n      }` : ""}`;
  const value = (i: number, e: string) => {
    const conditions = [
      ...(g.padded ? [`inside${i}`, `left${i} + ${e} >= 0`, `left${i} + ${e} < i32(p.rowLength)`] : []),
      ...(ragged ? [`${e} < i32(p.span)`] : []),
    ];
    const zero = vectors ? "vec4f()" : "0.0";
    if (conditions.length === 0) return `x[u32(start${i} + ${e})]`;
    const inside = conditions.join(" && ");
    return `select(${zero}, x[select(0u, u32(start${i} + ${e}), ${inside})], ${inside})`;
  };
  const fetch = each(loads, (i) =>
    vectors
      ? `{ let e = i32(at + own); x${i} = ${value(i, "e")}; }`
      : `{ let e = i32(at + 4u * own); x${i} = vec4f(${[0, 1, 2, 3].map((s) => value(i, `(e + ${s})`)).join(", ")}); }`,
  );
  return { begin, next, fetch };
}
