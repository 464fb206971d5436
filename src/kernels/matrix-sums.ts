/**
 * The way of the sums of small matrices to memory. Which lane holds which sum is the chip's own business, so a subgroup
 * stores its matrices, a strip of rows at a time, into workgroup memory, and its lanes take whole vectors from there.
 *
 * What the sums are added to (a residual) comes from memory while the strip before is on its way, and before the first
 * one while the last products are summed. The strips are a loop whose length the compiler does not know: written out, it
 * may move these reads up until no register is left, or down into the branch that writes, where one waits for another.
 * Strips that end inside are written without a branch for each vector.
 */
import { epilogueInputs, finishWgsl, outputsOf, putWgsl, storeLine } from "./epilogue.ts";
import type { MatrixTile } from "./hardware.ts";
import type { Caps, Epilogue } from "./op.ts";
import { each, type ModuleParts } from "./wgsl.ts";

/** The side of the small matrices. */
export const side = 16;

/** Floats from row to row of a strip, with what keeps rows of a small matrix in different banks. */
const stripRow = ({ channels }: MatrixTile) => channels + 8;

/** A piece of workgroup memory: a matrix's rows of a strip. */
export const pieceBytes = (t: MatrixTile) => 4 * side * stripRow(t);

/** Rows of matrices that a strip may have, the best first: a lane of 32 has up to eight vectors of it. */
export const stripShapes = ({ pixels, channels }: MatrixTile): readonly number[] =>
  channels === 32 && pixels >= 2 * side ? [2, 1] : [1];

/** Strips that a subgroup's sums are. */
export const roundsOf = ({ pixels }: MatrixTile, strip: number) => pixels / (side * strip);

interface Sums {
  readonly tile: MatrixTile;
  /** Rows of matrices in a strip. */
  readonly strip: number;
  /** Groups that share the depth: where they are several, each writes its sums as they are. */
  readonly groups: number;
  readonly epilogue: Epilogue;
  readonly caps: Caps;
}

/**
 * WGSL of a subgroup whose sums are c<row>_<column>, and whose strips lie in `strips`, `strip` pieces of it for each
 * subgroup. It needs `subgroup`, `lane`, `firstPixel`, `ownPixel` and `ownVector`, and of the parameters pixels, vectors,
 * firstVector, endVector, rounds, and those of `storeParams`.
 */
interface SumsText {
  readonly inputs: ModuleParts["inputs"];
  readonly outputs: number;
  readonly head: string;
  /** Before the last products. */
  readonly begin: string;
  /** After them and a barrier. */
  readonly end: string;
}

export function sumsWgsl({ tile: t, strip, groups, epilogue, caps }: Sums, strips: string): SumsText {
  const rowVectors = t.channels / 4;
  /** Vectors of a strip that a lane has, and how many rows they are apart. */
  const own = (strip * side * rowVectors) / caps.subgroupSize;
  const apart = caps.subgroupSize / rowVectors;
  const columns = t.channels / side;
  const rounds = roundsOf(t, strip);
  const divided = groups > 1;
  const residual = !divided && epilogue.residual;
  const fetch = (k: number) =>
    `other${k} = residual[min(strip + ${k * apart}u, p.pixels - 1u) * p.vectors + known];`;
  const term = (name: "scale" | "bias") => (epilogue[name] ? `${name}[known]` : "vec4f()");
  const store = (round: number) =>
    each(strip, (r) =>
      each(
        columns,
        (j) =>
          `      subgroupMatrixStore<row_major>(&${strips}[subgroup * ${strip}u + ${r}u], ${(j * side) / 4}u, c${round * strip + r}_${j}, ${stripRow(t) / 4}u);`,
      ),
    );
  const value = (k: number) => {
    const row = k * apart;
    const at = `bitcast<vec4f>(${strips}[subgroup * ${strip}u + ${Math.floor(row / side)}u][inStrip + ${((row % side) * stripRow(t)) / 4}u])`;
    return divided ? at : `finished(${at}, factor, term, ${residual ? `other${k}` : "vec4f()"})`;
  };
  const write = (k: number) =>
    divided
      ? `y[(wid.z * p.pixels + strip + ${k * apart}u) * p.vectors + vector] = value${k};`
      : storeLine(epilogue, `(strip + ${k * apart}u)`, "vector", `value${k}`);
  return {
    inputs: divided ? [] : epilogueInputs(epilogue, "vec4f"),
    outputs: divided ? 1 : outputsOf(epilogue),
    head: divided ? "" : `${finishWgsl(epilogue, "vec4f")}\n${putWgsl(epilogue)}`,
    begin: `  let vector = p.firstVector + ownVector + lane % ${rowVectors}u;
  let known = min(vector, p.vectors - 1u);
  let inStrip = (lane / ${rowVectors}u) * ${stripRow(t) / 4}u + lane % ${rowVectors}u;
  var strip = firstPixel + ownPixel + lane / ${rowVectors}u;
${divided ? "" : `  let factor = ${term("scale")};\n  let term = ${term("bias")};`}
${residual ? each(own, (k) => `  var other${k}: vec4f; ${fetch(k)}`) : ""}`,
    end: `  for (var round = 0u; round < p.rounds; round++) {
    switch (round) {
${each(rounds, (round) => `      ${round === rounds - 1 ? "default" : `case ${round}u`}: {\n${store(round)}\n      }`)}
    }
    workgroupBarrier();
${each(own, (k) => `    let value${k} = ${value(k)};`)}
    if (vector < p.endVector) {
      if (strip + ${(own - 1) * apart}u < p.pixels) {
${each(own, (k) => `        ${write(k)}`)}
      } else {
${each(own, (k) => `        if (strip + ${k * apart}u < p.pixels) { ${write(k)} }`)}
      }
    }
    strip += ${strip * side}u;
${residual ? `    if (round + 1u < p.rounds) {\n${each(own, (k) => `      ${fetch(k)}`)}\n    }` : ""}
    workgroupBarrier();
  }`,
  };
}
