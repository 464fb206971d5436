/** Work done ahead of its consumer, within bounds, with the results in order. */

export interface AheadLimits {
  /** How many items are worked on at the same time. */
  readonly atOnce: number;
  /** How many items may be begun and not yet taken. */
  readonly ahead: number;
}

/**
 * Gives `work(item)` for each item in the order of `items`, while later items are already being worked on. When the
 * consumer leaves early, nothing new is begun and what is under way is waited for.
 */
export async function* workAhead<In, Out>(
  items: readonly In[],
  { atOnce, ahead }: AheadLimits,
  work: (item: In) => Promise<Out>,
): AsyncGenerator<Out> {
  const begun: Promise<Out>[] = [];
  let next = 0;
  let running = 0;
  let left = false;

  function begin(): void {
    while (!left && next < items.length && running < atOnce && begun.length < ahead) {
      running++;
      const result = work(items[next++]).finally(() => {
        running--;
        begin();
      });
      // A failure is raised where its item is taken; until then it must not count as unhandled.
      result.catch(() => {});
      begun.push(result);
    }
  }

  try {
    begin();
    while (begun.length > 0) {
      const result = await begun[0];
      begun.shift();
      begin();
      yield result;
    }
  } finally {
    left = true;
    await Promise.allSettled(begun);
  }
}
