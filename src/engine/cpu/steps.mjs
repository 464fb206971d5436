/**
 * What every thread does with a program, in plain JavaScript, so that a worker starts in a moment.
 *
 * Nobody leads. Each thread goes through the steps in order; of a step it takes the next task that nobody has taken,
 * until there is none, and goes on when all have been finished. A thread that comes late finds nothing left to do. The
 * words of a step are [taken, finished]; those of all are below.
 */

/** Words at the memory's beginning: what the threads agree by. */
export const word = { run: 0, session: 1, left: 2, failed: 3 };

/** Looks at a word so often before it sleeps: waking up takes longer than most waits. */
const looks = 2000;

/** Waits until `words[at]` is `wanted`. Returns false when a thread has failed meanwhile. */
export function waitFor(control, words, at, wanted) {
  for (let i = 0; i < looks; i++) if (Atomics.load(words, at) === wanted) return true;
  for (;;) {
    const now = Atomics.load(words, at);
    if (now === wanted) return true;
    if (Atomics.load(control, word.failed) !== 0) return false;
    Atomics.wait(words, at, now, 50);
  }
}

/** Does tasks of a step as long as there are any. */
export function takeTasks(step, counters, scratch) {
  const { run, params, tasks, index } = step;
  let done = 0;
  for (;;) {
    const task = Atomics.add(counters, 2 * index, 1);
    if (task >= tasks) break;
    run(params, task, scratch);
    done++;
  }
  if (done > 0) finish(step, counters, done);
}

/** Tells that `done` tasks of a step are finished. */
export function finish(step, counters, done) {
  const before = Atomics.add(counters, 2 * step.index + 1, done);
  if (before + done === step.tasks) Atomics.notify(counters, 2 * step.index + 1);
}

/** Waits until a step's tasks are finished. Returns false when a thread has failed. */
export const waitForStep = (step, control, counters) =>
  waitFor(control, counters, 2 * step.index + 1, step.tasks);
