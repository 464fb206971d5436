import { describe, expect, it } from "vitest";
import { copyFloats } from "../../src/node/copy.ts";

describe("copied floats", () => {
  const memories = [ArrayBuffer, SharedArrayBuffer];
  const pairs = memories.flatMap((from) => memories.map((to) => [from, to] as const));

  it.each(pairs)("are the same bits, and nothing beside them (%o to %o)", (From, To) => {
    for (const [first, count, at] of [
      [0, 7, 0],
      [3, 1, 5],
      [1, 6, 2],
      [2, 0, 4],
    ]) {
      const from = new Float32Array(new From(4 * 8));
      // One NaN has bits of its own: a copy of numbers might change them.
      new Uint32Array(from.buffer).set([0x7fa00001, 0x80000000, 1, 2, 0x3f800000, 4, 5, 0xff800000]);
      const to = new Float32Array(new To(4 * 10)).fill(9);
      copyFloats(from.subarray(first, first + count), to.subarray(at));
      const bits = [...new Uint32Array(new Float32Array(10).fill(9).buffer)];
      bits.splice(at, count, ...new Uint32Array(from.buffer).subarray(first, first + count));
      expect([...new Uint32Array(to.buffer)]).toEqual(bits);
    }
  });

  it("are refused where they do not fit", () => {
    expect(() => copyFloats(new Float32Array(3), new Float32Array(2))).toThrow(RangeError);
  });
});
