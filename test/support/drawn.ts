/** Rows drawn around centres, with the centre of each as its label. */
import type { Rows } from "../../src/analysis/matrix.ts";
import { seededRandom } from "../../src/seeded.ts";

export interface Drawn {
  readonly rows: Rows;
  readonly labels: Int32Array;
}

/** Pairs of draws become draws of the normal distribution (Box and Muller). */
export function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** `each` rows around each of `groups` centres, whose numbers are drawn `apart` times as widely as the rows around them. */
export function drawnGroups(
  name: string,
  { groups, each, width, apart }: { groups: number; each: number; width: number; apart: number },
): Drawn {
  const random = seededRandom(name);
  const centres = Float64Array.from({ length: groups * width }, () => apart * normal(random));
  const count = groups * each;
  const labels = Int32Array.from({ length: count }, (_, i) => i % groups);
  const data = Float32Array.from({ length: count * width }, (_, at) => {
    return centres[labels[Math.floor(at / width)] * width + (at % width)] + normal(random);
  });
  return { rows: { count, width, data }, labels };
}
