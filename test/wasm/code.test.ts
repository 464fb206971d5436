/** The assembler: each instruction does what it is called, and numbers survive their encoding. */
import { describe, expect, it } from "vitest";
import * as w from "../../src/wasm/code.ts";
import { encodeModule } from "../../src/wasm/module.ts";
import { disassemble } from "./disassemble.ts";

/** Runs statements that store at address 0, and gives what is there as the type says. */
function run(type: w.Type, statements: (scope: w.Scope) => readonly w.Stmt[], ...args: number[]): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  const code = encodeModule([w.func("f", args.length, (_, scope) => statements(scope))]);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
  (exports.f as (...args: number[]) => void)(...args);
  const views = { i32: Int32Array, f32: Float32Array, f64: Float64Array };
  return new views[type](memory.buffer as unknown as ArrayBuffer, 0, 1)[0];
}

const result = (expression: w.Expr): number => run(expression.type, () => [w.store(w.i32(0), expression)]);

describe("expressions", () => {
  it("encode every i32", () => {
    for (const v of [0, 1, -1, 63, 64, -64, -65, 127, 128, 8191, -8192, 2 ** 31 - 1, -(2 ** 31)])
      expect(result(w.i32(v))).toBe(v);
    expect(result(w.i32(3_000_000_000)), "an address over 2 GiB").toBe(3_000_000_000 - 2 ** 32);
  });

  it("encode floats", () => {
    for (const type of ["f32", "f64"] as const)
      for (const v of [0, -1.5, Number.POSITIVE_INFINITY, Number.NaN, 2 ** -40])
        expect(result(w.float(type, v))).toBe(v);
  });

  it("compute", () => {
    const [a, b] = [w.i32(-7), w.i32(3)];
    expect(result(w.add(a, b))).toBe(-4);
    expect(result(w.sub(a, b))).toBe(-10);
    expect(result(w.mul(a, b))).toBe(-21);
    expect(result(w.divU(w.i32(-1), w.i32(16))), "unsigned").toBe(0x0fffffff);
    expect(result(w.remU(w.i32(17), w.i32(5)))).toBe(2);
    expect(result(w.and(w.i32(12), w.i32(10)))).toBe(8);
    expect(result(w.xor(w.i32(12), w.i32(10)))).toBe(6);
    expect(result(w.shiftLeft(w.i32(3), w.i32(4)))).toBe(48);
    expect(result(w.shiftRight(w.i32(-1), w.i32(28)))).toBe(15);
    expect(result(w.div(w.float("f64", 1), w.float("f64", 3)))).toBe(1 / 3);
    expect(result(w.convert("f32", w.float("f64", 1 / 3)))).toBe(Math.fround(1 / 3));
    expect(result(w.floatOf("f64", w.i32(-1)))).toBe(2 ** 32 - 1);
    expect(result(w.bitsOf(w.float("f32", 1)))).toBe(0x3f800000);
  });

  it("compare", () => {
    const [one, two] = [w.i32(1), w.i32(2)];
    expect(
      [w.equal(one, two), w.unequal(one, two), w.less(one, two), w.greater(one, two)].map(result),
    ).toEqual([0, 1, 1, 0]);
    expect(result(w.less(w.i32(-1), one)), "unsigned").toBe(0);
    expect(result(w.lessSigned(w.i32(-1), one))).toBe(1);
    expect(result(w.atLeastSigned(w.i32(-1), one))).toBe(0);
    expect(result(w.less(w.float("f64", Number.NaN), w.float("f64", 0)))).toBe(0);
    expect(result(w.select(w.i32(0), one, two))).toBe(2);
  });
});

describe("statements", () => {
  it("loop and leave", () => {
    const sum = (from: number, to: number, step: number) =>
      run("i32", (scope) => {
        const [i, total] = scope.some("i32");
        return [
          w.count(i, w.i32(from), w.i32(to), w.i32(step), [w.increase(total, i)]),
          w.store(w.i32(0), total),
        ];
      });
    expect(sum(0, 10, 3)).toBe(18);
    expect(sum(5, 5, 1)).toBe(0);
    const left = run("i32", (scope) => {
      const i = scope.local("i32");
      return [
        w.leavable(w.again(w.i32(1), [w.increase(i, w.i32(1)), w.leaveWhen(w.equal(i, w.i32(7)))])),
        w.store(w.i32(0), i),
      ];
    });
    expect(left).toBe(7);
  });

  it("call functions, and those that they call", () => {
    const put = w.func("put", 2, ([at, value]) => [w.store(at, value)]);
    const twice = w.func("twice", 1, ([at]) => [
      w.call(put, at, w.i32(21)),
      w.store(at, w.add(w.load("i32", at), w.load("i32", at))),
    ]);
    expect(run("i32", () => [w.call(twice, w.i32(0))])).toBe(42);
  });
});

describe("disassembly", () => {
  it("refuses vectors", () => {
    const vector: w.Stmt = { run: [0x41, 0, 0xfd, 0x0f, 0x1a] }; // i32.const 0; i8x16.splat; drop
    const module = encodeModule([w.func("f", 0, () => [vector])]);
    expect(() => disassemble(module)).toThrow(/opcode 0xfd/);
  });
});
