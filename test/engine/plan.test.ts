/** The memory plan: nothing that is alive shares a slot, and far fewer slots than values are needed. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/engine/compile.ts";
import { lifetimes, planMemory } from "../../src/engine/plan.ts";
import { buildNetwork, findModel } from "../../src/nets/index.ts";

const graph = buildNetwork(findModel("inception_v1"), 1);

describe.each([
  ["the pooled feature", ["AvgPool_0a_7x7"]],
  ["every end point", [...graph.endPoints.keys()]],
])("the plan of inception_v1 for %s", (_, wanted) => {
  const program = compile(graph, wanted);
  const plan = planMemory(program);
  const lives = lifetimes(program);

  it("never puts two live values into one slot", () => {
    for (const a of lives) {
      for (const b of lives) {
        if (a === b || plan.slotOf.get(a.value) !== plan.slotOf.get(b.value)) continue;
        expect(a.from > b.to || b.from > a.to).toBe(true);
      }
    }
  });

  it("gives every value a slot that is large enough", () => {
    for (const life of lives)
      expect(plan.slots[plan.slotOf.get(life.value) as number]).toBeGreaterThanOrEqual(life.size);
  });

  it("keeps every wanted value to the end", () => {
    const slots = program.outputs.map((o) => plan.slotOf.get(o.value));
    for (const { value } of program.outputs) {
      expect(lives.find((l) => l.value === value)?.to).toBe(program.steps.length);
    }
    expect(new Set(slots).size).toBe(new Set(program.outputs.map((o) => o.value)).size);
  });
});

describe("the plan of inception_v1 for the pooled feature", () => {
  it("needs little more memory than the values alive at the fullest step", () => {
    const program = compile(graph, ["AvgPool_0a_7x7"]);
    const lives = lifetimes(program);
    const alive = (i: number) =>
      lives.filter((l) => l.from <= i && i <= l.to).reduce((sum, l) => sum + l.size, 0);
    const peak = Math.max(...program.steps.map((_, i) => alive(i)));
    const planned = planMemory(program).slots.reduce((a, b) => a + b, 0);
    expect(planned).toBeLessThan(1.5 * peak);
  });
});
