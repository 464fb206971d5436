/** The process of one contender: answers the questions of `protocol.ts` over Node's channel to its parent. */
import { cpus } from "node:os";
import { contenders } from "./contenders.ts";
import type { Answer, Question } from "./protocol.ts";
import { type Engine, type OpenEngine, type Workload, workload } from "./workload.ts";

let engine: Engine | undefined;
let work: Workload | undefined;

/** Milliseconds that all processors were busy so far, whoever used them, and those that this process used. */
function busy(): { all: number; own: number } {
  const all = cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  const { user, system } = process.cpuUsage();
  return { all, own: (user + system) / 1000 };
}

async function answer(question: Question): Promise<Answer | undefined> {
  switch (question.ask) {
    case "load": {
      const contender = contenders.find((c) => c.name === question.contender);
      if (!contender) throw new Error(`There is no contender ${question.contender}.`);
      work = await workload(question.model, question.batch);
      const [file, name] = contender.engine;
      const engines = (await import(`./engines/${file}.ts`)) as Readonly<Record<string, OpenEngine>>;
      engine = await engines[name](work);
      const features = await engine.run(work.images);
      const { about, adapter, gpu } = engine;
      return { kind: "loaded", about, adapter, gpu: gpu !== undefined, features };
    }
    case "run": {
      if (!engine || !work) throw new Error("Nothing is loaded.");
      const before = busy();
      const start = performance.now();
      await engine.run(work.images);
      const milliseconds = performance.now() - start;
      const after = busy();
      const foreign = after.all - before.all - (after.own - before.own);
      return {
        kind: "ran",
        milliseconds,
        others: Math.max(0, foreign / (milliseconds * cpus().length)),
        peakBytes: process.resourceUsage().maxRSS * 1024,
      };
    }
    case "gpu": {
      if (!engine?.gpu || !work) throw new Error("It cannot tell the GPU's time.");
      return { kind: "gpu", milliseconds: await engine.gpu(work.images) };
    }
    case "quit":
      await engine?.close();
      engine = undefined;
      process.disconnect();
      return undefined;
  }
}

// Without a parent there is nothing to do, and some libraries would keep the process alive.
process.on("disconnect", () => process.exit());
process.on("message", async (question: Question) => {
  try {
    const said = await answer(question);
    if (said) process.send?.(said);
  } catch (error) {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    process.send?.({ kind: "failed", reason } satisfies Answer);
  }
});
