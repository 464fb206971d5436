/**
 * What every thread does with a program, in plain JavaScript, so that a worker starts in a moment.
 *
 * Nobody leads. Each thread goes through the steps in order; of a step it takes the next task that nobody has taken, until
 * there is none, and goes on to the next step. It waits only where what that step needs is not finished. A thread that
 * comes late finds nothing left to do.
 */

/** Words at the memory's beginning: what the threads agree by. `inTurn` is 1 when each step waits for the one before. */
export const word = { run: 0, session: 1, left: 2, failed: 3, inTurn: 4 };

/** The words of a step, each in a line of the cache of its own: tasks that were taken, and tasks that are finished. */
export const wordsOfStep = 32;
const taken = (step) => wordsOfStep * step;
const finished = (step) => wordsOfStep * step + wordsOfStep / 2;

/**
 * Milliseconds that a thread looks at a word before it sleeps. Waking one up takes 20 to 100 microseconds, most waits for a
 * step's last tasks are shorter; so where each thread has a core, it looks for that long. Where others want the cores
 * too, the thread that is waited for may not be running, and looking on keeps it from that: there, and after a look in
 * vain, soon asleep is better.
 */
const longestLook = 0.2;
const shortestLook = 0.004;
/** Looks between two readings of the clock. */
const looksAtOnce = 16;

/** How long a thread looks: by how its last waits went. */
export const patienceOf = (threads, cores) => {
  const most = threads <= cores ? longestLook : shortestLook;
  return { most, look: most };
};

/** Something slow that leaves a core's units to its other thread, as the processor's own pause would. */
function pause(from) {
  let x = from;
  for (let i = 0; i < 4; i++) x = Math.sqrt(x + 1);
  return x;
}

/** Whether `words[at]` became `wanted` while the thread looked. */
function seen(words, at, wanted, milliseconds) {
  const end = performance.now() + milliseconds;
  let x = 1;
  do {
    for (let i = 0; i < looksAtOnce; i++) {
      if (Atomics.load(words, at) === wanted) return true;
      x = pause(x);
    }
  } while (performance.now() < end && x > 0);
  return false;
}

/** Waits until `words[at]` is `wanted`. Returns false when a thread has failed meanwhile. */
export function waitFor(words, at, wanted, control, patience) {
  if (Atomics.load(words, at) === wanted) return true;
  if (seen(words, at, wanted, patience.look)) return true;
  const start = performance.now();
  let good;
  for (;;) {
    const now = Atomics.load(words, at);
    good = now === wanted;
    if (good || Atomics.load(control, word.failed) !== 0) break;
    Atomics.wait(words, at, now, 50);
  }
  // Had it looked a little longer, it would not have slept.
  const little = performance.now() - start < patience.most;
  patience.look = little
    ? Math.min(patience.most, 2 * patience.look)
    : Math.max(shortestLook, patience.look / 2);
  return good;
}

/** Waits until a step's tasks are finished. Returns false when a thread has failed. */
export const waitForStep = (step, counters, control, patience) =>
  waitFor(counters, finished(step.index), step.tasks, control, patience);

/** Waits until what a step needs is finished. Returns false when a thread has failed. */
export function waitBefore(step, steps, counters, control, patience) {
  const inTurn = Atomics.load(control, word.inTurn) !== 0;
  if (inTurn) return step.index === 0 || waitForStep(steps[step.index - 1], counters, control, patience);
  return step.after.every((before) => waitForStep(steps[before], counters, control, patience));
}

/** Does tasks of a step as long as there are any. */
export function takeTasks(step, counters, scratch) {
  const { run, params, tasks, index } = step;
  // Only looked at where nothing is left: a write would take the line from those that are at work.
  if (Atomics.load(counters, taken(index)) >= tasks) return;
  let done = 0;
  for (;;) {
    const task = Atomics.add(counters, taken(index), 1);
    if (task >= tasks) break;
    run(params, task, scratch);
    done++;
  }
  if (done > 0) finish(step, counters, done);
}

/** Tells that `done` tasks of a step are finished. */
export function finish(step, counters, done) {
  const before = Atomics.add(counters, finished(step.index), done);
  if (before + done === step.tasks) Atomics.notify(counters, finished(step.index));
}

/** Tells that a thread besides the main one is through with a run. */
export function leave(control, others) {
  if (Atomics.add(control, word.left, 1) + 1 === others) Atomics.notify(control, word.left);
}
