/** The order of the CPU's steps: every step waits for all that it needs, and modules' branches do not wait for each other. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { scheduleOf } from "../../src/engine/cpu/schedule.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";

const programOf = (name: string, everything = false) => {
  const model = findModel(name);
  const graph = buildNetwork(model, 1);
  return compile(graph, everything ? [...graph.endPoints.keys()] : [model.featureEndPoint]);
};

/** For each step, all that is finished when it begins: what it waits for, what that waited for, and so on. */
function finishedBefore(after: readonly (readonly number[])[]): Set<number>[] {
  const before: Set<number>[] = [];
  for (const direct of after) before.push(new Set(direct.flatMap((i) => [i, ...before[i]])));
  return before;
}

describe.each([
  ["inception_v1", false],
  ["inception_resnet_v2", true],
  ["resnet_v2_50", true],
  ["nasnet_cifar", true],
] as const)("the schedule of %s, with all end points %s", (name, everything) => {
  const given = programOf(name, everything);
  const { program, placeOf, plan, after } = scheduleOf(given);
  const before = finishedBefore(after);
  const reads = program.steps.map((s) => s.operands.flatMap((o) => (o.kind === "value" ? [o.value] : [])));

  it("holds each step once, and says where it was", () => {
    expect([...placeOf].sort((a, b) => a - b)).toEqual(given.steps.map((_, i) => i));
    expect(program.steps).toEqual(placeOf.map((i) => given.steps[i]));
  });

  it("lets a step begin when all that it reads is written", () => {
    for (const [i, values] of reads.entries()) {
      for (const [k, { output }] of program.steps.entries())
        if (values.includes(output)) expect(before[i].has(k), `${i} reads of ${k}`).toBe(true);
    }
  });

  it("lets no step write memory that another value still needs", () => {
    for (const [i, step] of program.steps.entries()) {
      const slot = plan.slotOf.get(step.output);
      for (let k = 0; k < i; k++) {
        const others = [program.steps[k].output, ...reads[k]].filter((v) => v !== step.output);
        if (others.some((v) => plan.slotOf.get(v) === slot))
          expect(before[i].has(k), `${i} writes where ${k} works`).toBe(true);
      }
    }
  });
});

describe("the schedule of inception_v1", () => {
  it("lets the branches of a module run side by side", () => {
    const { program, after } = scheduleOf(programOf("inception_v1"));
    const before = finishedBefore(after);
    const place = (scope: string) => program.steps.findIndex((s) => s.scope.endsWith(scope));
    const [first, second] = ["Branch_1/Conv2d_0b_3x3", "Branch_2/Conv2d_0b_3x3"].map((branch) =>
      place(`Mixed_4d/${branch}`),
    );
    expect(first).toBeGreaterThan(0);
    expect(before[first].has(second) || before[second].has(first)).toBe(false);
  });
});
