/** The seeded stream: vectors of the reference implementation in Python, bit for bit. */
import { describe, expect, it } from "vitest";
import { seededRandom, seededTensor, seededUnits, seededVariable } from "../src/seeded.ts";

describe("the seeded stream", () => {
  it("gives the reference's numbers", () => {
    expect([...seededUnits("a", 4)]).toEqual([
      -0.1538630723953247, 0.2754427194595337, 0.146081805229187, 0.733025312423706,
    ]);
    expect([...seededTensor("conv/x", [2, 2], 0.5, 1)]).toEqual([
      0.5619849562644958, 1.1980252265930176, 1.2301349639892578, 0.9435017704963684,
    ]);
    expect([...(seededVariable("net/weights", [1, 1, 3, 2]) as Float32Array)]).toEqual([
      1.1158132553100586, 0.03631608560681343, -0.9041604995727539, -1.268320918083191, -0.5681777596473694,
      -0.5609936118125916,
    ]);
    expect(seededUnits("é/ü", 1)[0]).toBe(0.8644058704376221);
  });

  it("draws no moving statistics", () => {
    expect(seededVariable("net/BatchNorm/moving_mean", [4])).toBeUndefined();
  });

  it("can be drawn from one number at a time", () => {
    const random = seededRandom("a");
    for (const unit of seededUnits("a", 1000)) expect(2 * random() - 1).toBeCloseTo(unit, 6);
  });
});
