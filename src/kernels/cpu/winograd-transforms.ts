/** Winograd's transforms along one axis, written out with what several results share worked out once. */
import { add, type Expr, float, mul, type Scope, type Stmt, set, sub } from "../../wasm/code.ts";
import { type Minimal, polynomialOf } from "../winograd.ts";

type F64 = Expr<"f64">;

/** The sum of values times constants. */
function weighted(factors: readonly number[], values: readonly F64[]): F64 {
  const terms = values.flatMap((value, i) => (factors[i] ? [{ factor: factors[i], value }] : []));
  // A value that is taken as it is goes first, so that the others are added or subtracted.
  terms.sort((a, b) => Number(b.factor === 1) - Number(a.factor === 1));
  return (
    terms
      .map(({ factor, value }, i) => {
        const size = i === 0 ? factor : Math.abs(factor);
        return { minus: i > 0 && factor < 0, term: size === 1 ? value : mul(float("f64", size), value) };
      })
      .reduce<F64 | undefined>(
        (sum, { minus, term }) => (sum ? (minus ? sub : add)(sum, term) : term),
        undefined,
      ) ?? float("f64", 0)
  );
}

/** Points and their opposites next to each other: what they share is worked out once. */
function pairsOf(points: readonly number[]) {
  const pairs: { readonly point: number; readonly at: number; readonly opposite?: number }[] = [];
  for (const [at, point] of points.entries()) {
    const opposite = points.indexOf(-point);
    if (opposite === at || opposite < 0) pairs.push({ point, at });
    else if (opposite > at) pairs.push({ point, at, opposite });
  }
  return pairs;
}

/**
 * A transform along one axis, to be written out for any values: statements that prepare what several results share,
 * and the results.
 */
export type Transform = (values: readonly F64[]) => {
  readonly prepare: readonly Stmt[];
  readonly results: readonly F64[];
};

/** B^T. The polynomials of p and -p are one polynomial times x + p and times x - p. */
export function transformIn({ points }: Minimal, scope: Scope): Transform {
  const pairs = pairsOf(points).map((pair) => ({ ...pair, shared: scope.locals("f64", 2) }));
  return (values) => {
    const prepare: Stmt[] = [];
    const results: F64[] = [];
    for (const { point, at, opposite, shared } of pairs) {
      const roots = points.filter((_, i) => i !== at && i !== opposite);
      const polynomial = polynomialOf(roots);
      if (opposite === undefined) results[at] = weighted(polynomial, values.slice(0, polynomial.length));
      else {
        const [low, high] = shared;
        prepare.push(
          set(
            low,
            weighted(
              polynomial.map((c) => c * point),
              values.slice(0, polynomial.length),
            ),
          ),
        );
        prepare.push(set(high, weighted(polynomial, values.slice(1, polynomial.length + 1))));
        results[at] = add(high, low);
        results[opposite] = sub(high, low);
      }
    }
    results.push(weighted(polynomialOf(points), values));
    return { prepare, results };
  };
}

/** A^T. The powers of p and -p differ in sign where they are odd. */
export function transformOut({ side, points }: Minimal, scope: Scope): Transform {
  const pairs = pairsOf(points).map((pair) => ({ ...pair, shared: scope.locals("f64", 2) }));
  return (values) => {
    const prepare = pairs.flatMap(({ at, opposite, shared: [sum, difference] }) =>
      opposite === undefined
        ? []
        : [set(sum, add(values[at], values[opposite])), set(difference, sub(values[at], values[opposite]))],
    );
    const results = Array.from({ length: side }, (_, i) => {
      const terms = pairs.map(({ point, at, opposite, shared }) => ({
        factor: point ** i,
        value: opposite === undefined ? values[at] : shared[i % 2],
      }));
      if (i === side - 1) terms.push({ factor: 1, value: values[points.length] });
      return weighted(
        terms.map((t) => t.factor),
        terms.map((t) => t.value),
      );
    });
    return { prepare, results };
  };
}
