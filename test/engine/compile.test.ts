/** What compiling keeps, folds and fuses. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { createGraph, type GraphBuilder, type Value } from "../../src/engine/graph.ts";
import { UsageError } from "../../src/errors.ts";

const conv = (b: GraphBuilder, x: Value, name: string, depth = 4): Value =>
  b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [x, b.variable(name, [1, 1, b.shapeOf(x)[3], depth])]);

const norm = (b: GraphBuilder, x: Value, name: string): Value => {
  const vector = [b.shapeOf(x)[3]];
  return b.op("batch_norm", { epsilon: 0.001, scale: false }, [
    x,
    ...["mean", "variance", "beta"].map((v) => b.variable(`${name}/${v}`, vector)),
  ]);
};

function program(build: (b: GraphBuilder, x: Value) => void, wanted: string[]) {
  const b = createGraph();
  build(b, b.input("x", [1, 3, 3, 4]));
  return compile(b.finish(), wanted);
}

const summary = (p: ReturnType<typeof program>) =>
  p.steps.map(({ op, epilogue: e }) =>
    [op, e.bias && "bias", e.residual && "residual", e.activation !== "none" && e.activation]
      .filter(Boolean)
      .join("+"),
  );

describe("compile", () => {
  it("keeps only what the wanted end points need, and asks only for their variables", () => {
    const p = program(
      (b, x) => {
        const first = b.endPoint("first", conv(b, x, "a"));
        b.endPoint("second", conv(b, first, "b"));
      },
      ["first"],
    );
    expect(p.variables.map((v) => v.name)).toEqual(["a"]);
    expect(summary(p)).toEqual(["conv2d"]);
  });

  it("folds batch norm and fuses the activation into one step", () => {
    const p = program(
      (b, x) => b.endPoint("out", b.op("relu", {}, [norm(b, conv(b, x, "w"), "bn")])),
      ["out"],
    );
    expect(summary(p)).toEqual(["conv2d+bias+relu"]);
    expect(p.variables.map((v) => v.name)).toEqual(["w", "bn/mean", "bn/variance", "bn/beta"]);
  });

  it("leaves a value alone that is an end point or has another reader", () => {
    const p = program(
      (b, x) => {
        const sum = b.endPoint("sum", conv(b, x, "w"));
        b.endPoint("out", b.op("relu", {}, [norm(b, sum, "bn")]));
      },
      ["sum", "out"],
    );
    expect(summary(p)).toEqual(["conv2d", "batch_norm+relu"]);
  });

  it("fuses a residual sum and its activation into the branch that is made last", () => {
    const p = program(
      (b, x) => {
        const shortcut = conv(b, x, "shortcut");
        const branch = norm(b, conv(b, b.op("relu", {}, [conv(b, x, "first")]), "second"), "bn");
        b.endPoint("out", b.op("relu", {}, [b.op("add", {}, [shortcut, branch])]));
      },
      ["out"],
    );
    expect(summary(p)).toEqual(["conv2d", "conv2d+relu", "conv2d+bias+residual+relu"]);
  });

  it("does not fuse past an activation: relu, then sum", () => {
    const p = program(
      (b, x) => {
        const branch = b.op("relu", {}, [conv(b, x, "w")]);
        b.endPoint("out", b.op("add", {}, [x, branch]));
      },
      ["out"],
    );
    expect(summary(p)).toEqual(["conv2d+relu", "add"]);
  });

  it("does not fuse a sum of a value with itself", () => {
    const p = program(
      (b, x) => {
        const w = conv(b, x, "w");
        b.endPoint("out", b.op("add", {}, [w, w]));
      },
      ["out"],
    );
    expect(summary(p)).toEqual(["conv2d", "add"]);
  });

  describe("a concat over channels", () => {
    const places = (p: ReturnType<typeof program>) =>
      p.steps.map(({ op, epilogue: { placement: at } }) => (at ? `${op} ${at.channel} of ${at.of}` : op));

    it("copies nothing: its parts are written into their places, also through another concat", () => {
      const p = program(
        (b, x) => {
          const inner = b.op("concat", { axis: 3 }, [conv(b, x, "a"), conv(b, x, "b", 8)]);
          b.endPoint("out", b.op("concat", { axis: -1 }, [conv(b, x, "c"), inner]));
        },
        ["out"],
      );
      expect(places(p)).toEqual(["conv2d 4 of 16", "conv2d 8 of 16", "conv2d 0 of 16"]);
      expect(new Set(p.steps.map((s) => s.output)).size).toBe(1);
    });

    it.each<[string, (b: GraphBuilder, x: Value) => void, string[]]>([
      [
        "an end point that is wanted",
        (b, x) => {
          const part = b.endPoint("part", conv(b, x, "a"));
          b.endPoint("out", b.op("concat", { axis: 3 }, [part, conv(b, x, "b")]));
        },
        ["part", "out"],
      ],
      [
        "read by others",
        (b, x) => {
          const part = conv(b, x, "a");
          const other = b.op("relu", {}, [part]);
          b.endPoint("out", b.op("concat", { axis: 3 }, [part, other]));
        },
        ["out"],
      ],
      [
        "the input",
        (b, x) => void b.endPoint("out", b.op("concat", { axis: 3 }, [conv(b, x, "a"), x])),
        ["out"],
      ],
      [
        "there twice",
        (b, x) => {
          const part = conv(b, x, "a");
          b.endPoint("out", b.op("concat", { axis: 3 }, [part, part]));
        },
        ["out"],
      ],
      [
        "not of whole vectors of channels",
        (b, x) =>
          void b.endPoint("out", b.op("concat", { axis: 3 }, [conv(b, x, "a", 6), conv(b, x, "b", 6)])),
        ["out"],
      ],
      [
        "joined along another axis",
        (b, x) => void b.endPoint("out", b.op("concat", { axis: 1 }, [conv(b, x, "a"), conv(b, x, "b")])),
        ["out"],
      ],
    ])("copies parts where one of them is %s", (_name, build, wanted) => {
      const p = program(build, wanted);
      expect(p.steps.at(-1)?.op).toBe("concat");
      expect(places(p).join()).not.toContain(" of ");
    });
  });

  it("gives reshaped end points the storage of what they reshape", () => {
    const p = program(
      (b, x) => {
        const out = b.endPoint("map", conv(b, x, "w"));
        b.endPoint("flat", b.reshape(out, [1, 36]));
      },
      ["map", "flat"],
    );
    expect(p.outputs.map((o) => [o.name, o.value, o.shape])).toEqual([
      ["map", p.outputs[0].value, [1, 3, 3, 4]],
      ["flat", p.outputs[0].value, [1, 36]],
    ]);
  });

  it("refuses an unknown end point and lists those there are", () => {
    const build = () => program((b, x) => b.endPoint("out", conv(b, x, "w")), ["ouch"]);
    expect(build).toThrow(UsageError);
    expect(build).toThrow('There is no end point called "ouch".');
  });
});

describe("shapes that do not fit", () => {
  it("are reported with the scope and both numbers", () => {
    const b = createGraph();
    const x = b.input("x", [1, 3, 3, 4]);
    const build = () =>
      b.scope("Net", () =>
        b.scope("Conv", () =>
          b.op("conv2d", { strides: [1, 1], padding: "SAME" }, [x, b.variable("w", [1, 1, 5, 2])]),
        ),
      );
    expect(build).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: In Net/Conv: conv2d: the input 1x3x3x4 has 4 channels, the filter 1x1x5x2 wants 5.]`,
    );
  });

  it("say that a window does not fit", () => {
    const b = createGraph();
    const x = b.input("x", [1, 3, 3, 4]);
    const build = () => b.op("max_pool", { ksize: [7, 7], strides: [1, 1], padding: "VALID" }, [x]);
    expect(build).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: max_pool: a window of 7 does not fit into the input's height of 3.]`,
    );
  });
});
