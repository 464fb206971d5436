/**
 * A thread beside the main one, in plain JavaScript, so that a worker starts in a moment. It sleeps until a run begins, and
 * takes part. How it sleeps, and how it comes by what it is sent, is the worker's: a process's may wait and receive when it likes,
 * a page's has to give its event loop its turns.
 */
import { leave, patienceOf, takeTasks, waitBefore, word } from "./steps.mjs";

/** The thread that `data` describes (ThreadData of src/platform); `tell` is told why it fails. */
export function openThread({ memory, thread, threads, cores }, tell) {
  // The main thread may have grown the memory while this one came by it, of which nobody tells this one any more: it would keep
  // the former buffer, and everything behind its end would be out of reach. Growing by nothing gives the present one.
  memory.grow(0);
  const control = new Int32Array(memory.buffer, 0, 16);
  const patience = patienceOf(threads, cores);
  /** Sessions by number; modules by theirs. */
  const sessions = new Map();
  const modules = new Map();

  /** A step without a module is the main thread's own. */
  function open({ steps, counters, counterWords, scratch }) {
    return {
      steps: steps.map(({ module, name, ...step }) => ({ ...step, run: modules.get(module)?.exports[name] })),
      counters: new Int32Array(memory.buffer, counters, counterWords),
      scratch: scratch[thread],
    };
  }

  /** A failure is every thread's: the run is given up. */
  function attempt(work) {
    try {
      work();
    } catch (error) {
      Atomics.store(control, word.failed, 1);
      tell(String(error?.stack ?? error));
    }
  }

  return {
    /** The words that the threads agree by; `word.run` changes when a run begins. */
    control,
    /** Takes something that the main thread sent. */
    take({ module, session, forget }) {
      attempt(() => {
        if (module) modules.set(module.id, new WebAssembly.Instance(module.code, { env: { memory } }));
        if (session) sessions.set(session.id, open(session));
        if (forget) sessions.delete(forget);
      });
    },
    /** Whether what the run is of was taken already. */
    knows: () => sessions.has(Atomics.load(control, word.session)),
    /** Takes part in the run that has begun. */
    takePart() {
      attempt(() => {
        if (Atomics.load(control, word.failed) !== 0) return;
        const { steps, counters, scratch } = sessions.get(Atomics.load(control, word.session));
        for (const step of steps) {
          if (!waitBefore(step, steps, counters, control, patience)) break;
          if (step.run) takeTasks(step, counters, scratch);
        }
      });
      leave(control, threads - 1);
    },
  };
}
