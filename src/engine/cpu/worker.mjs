/** A thread beside the main one. It sleeps until a run begins, reads what it was sent meanwhile, and takes part. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { leave, patienceOf, takeTasks, waitBefore, word } from "./steps.mjs";

const { memory, thread, threads, cores } = workerData;
const control = new Int32Array(memory.buffer, 0, 16);
const patience = patienceOf(threads, cores);
/** Sessions by number; modules by theirs. */
const sessions = new Map();
const modules = new Map();

function receive() {
  for (let got = receiveMessageOnPort(parentPort); got; got = receiveMessageOnPort(parentPort)) {
    const { module, session, forget } = got.message;
    if (module) modules.set(module.id, new WebAssembly.Instance(module.code, { env: { memory } }));
    if (session) sessions.set(session.id, open(session));
    if (forget) sessions.delete(forget);
  }
}

/** A step without a module is the main thread's own. */
function open({ steps, counters, counterWords, scratch }) {
  return {
    steps: steps.map(({ module, name, ...step }) => ({ ...step, run: modules.get(module)?.exports[name] })),
    counters: new Int32Array(memory.buffer, counters, counterWords),
    scratch: scratch[thread],
  };
}

let seen = 0;
parentPort.postMessage("ready");
for (;;) {
  Atomics.wait(control, word.run, seen);
  seen = Atomics.load(control, word.run);
  try {
    receive();
    const { steps, counters, scratch } = sessions.get(Atomics.load(control, word.session));
    for (const step of steps) {
      if (!waitBefore(step, steps, counters, control, patience)) break;
      if (step.run) takeTasks(step, counters, scratch);
    }
  } catch (error) {
    Atomics.store(control, word.failed, 1);
    parentPort.postMessage(String(error?.stack ?? error));
  }
  leave(control, threads - 1);
}
