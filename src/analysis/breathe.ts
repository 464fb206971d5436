/** Long computations let others have their turn: a bar that is drawn, a Ctrl-C that is heard. */

/** Milliseconds after which others have waited long enough. */
const patience = 50;

/** A function that comes back at once, but for now and then, when it lets others have their turn first. */
export function breathing(): () => Promise<void> {
  let last = performance.now();
  return async () => {
    if (performance.now() - last < patience) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    last = performance.now();
  };
}
