/** Every operation, in every variant, on every device, against TensorFlow's values (test/reference/ops.json). */
import { describe, expect, it } from "vitest";
import type { OpName } from "../../src/kernels/index.ts";
import { opOf } from "../../src/kernels/index.ts";
import { maxAbs, relativeError } from "../../src/verify/measure.ts";
import { opBound, readOpCases, runOpCase } from "../../src/verify/ops.ts";
import { describeOnDevices } from "../support/devices.ts";
import { ownReference } from "../support/reference.ts";

const { cases, truthOf } = await readOpCases(ownReference);

describeOnDevices("operations equal TensorFlow's", (device, backend) => {
  for (const c of cases) {
    const op = opOf(c.op as OpName);
    const variants =
      backend === "cpu" ? ["reference", ...op.cpu.map((v) => v.name)] : op.gpu.map((v) => v.name);
    it.each(variants)(`${c.name}: %s`, async (variant) => {
      const truth = truthOf(c);
      const ours = await runOpCase(c, device(), { variant, sentinels: true });
      expect(relativeError(ours, truth, maxAbs(truth))).toBeLessThanOrEqual(opBound);
    });
  }
});

describe("the reference cases", () => {
  it("cover every operation", () => {
    const covered = new Set(cases.map((c) => c.op));
    expect([...covered].sort()).toEqual(
      [
        ...[
          "add",
          "avg_pool",
          "batch_norm",
          "bias_add",
          "concat",
          "conv2d",
          "depthwise_conv2d",
          "lrn",
          "matmul",
        ],
        ...["max_pool", "mean", "pad", "relu", "relu6", "resize_bilinear", "softmax"],
      ].sort(),
    );
  });

  it("have true values large enough that an output of zeros would fail", () => {
    for (const c of cases) expect(maxAbs(truthOf(c)), c.name).toBeGreaterThan(0.01);
  });
});
