/** Work done ahead of its consumer, within bounds, with the results in order. */
import { throwIfStopped } from "./stopped.ts";

export interface AheadLimits {
  /** How many items are worked on at the same time. */
  readonly atOnce: number;
  /** How many items may be begun and not yet taken. */
  readonly ahead: number;
  /** Ends the waiting, for items that may never come too. */
  readonly signal?: AbortSignal;
}

export type Items<T> = Iterable<T> | AsyncIterable<T>;

const isAsync = <T>(items: Items<T>): items is AsyncIterable<T> => Symbol.asyncIterator in items;

/**
 * Gives `work(item, index)` for each item in the order of `items`, while later items are already being worked on. When the
 * consumer leaves early, nothing new is begun and what is under way is waited for.
 * @throws what `items` throws, behind the results of those before; Stopped when the signal fires.
 */
export async function* workAhead<In, Out>(
  items: Items<In>,
  { atOnce, ahead, signal }: AheadLimits,
  work: (item: In, index: number) => Promise<Out>,
): AsyncGenerator<Out, void, undefined> {
  const source = isAsync(items) ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const waits = isAsync(items);
  const begun: Promise<Out>[] = [];
  let index = 0;
  let running = 0;
  let left = false;
  let ended = false;
  /** Set while the next item is waited for. */
  let coming: Promise<void> | undefined;
  const stopped = whenFired(signal);

  function begin(): void {
    while (!coming && !left && !ended && running < atOnce && begun.length < ahead) {
      if (!waits) {
        try {
          take((source as Iterator<In>).next());
        } catch (error) {
          fail(error);
        }
        continue;
      }
      coming = (source as AsyncIterator<In>)
        .next()
        .then(take, fail)
        .finally(() => {
          coming = undefined;
          begin();
        });
    }
  }

  function take({ done, value }: IteratorResult<In>): void {
    if (done) {
      ended = true;
      return;
    }
    running++;
    push(
      work(value, index++).finally(() => {
        running--;
        begin();
      }),
    );
  }

  function fail(error: unknown): void {
    ended = true;
    push(Promise.reject(error));
  }

  /** A failure is raised where its item is taken; until then it must not count as unhandled. */
  function push(result: Promise<Out>): void {
    result.catch(() => {});
    begun.push(result);
  }

  try {
    for (;;) {
      throwIfStopped(signal);
      begin();
      if (begun.length > 0) {
        const result = await Promise.race([begun[0], stopped.fired]);
        begun.shift();
        begin();
        yield result;
      } else if (coming) await Promise.race([coming, stopped.fired]);
      else return;
    }
  } finally {
    left = true;
    stopped.forget();
    // One that is asleep over its next item would hear of the end only when that comes.
    const closed = ended ? undefined : source.return?.();
    if (!coming) await closed;
    else if (closed) void Promise.resolve(closed).catch(() => {});
    await Promise.allSettled(begun);
  }
}

/** A promise that rejects with Stopped when the signal fires, until it is forgotten. */
function whenFired(signal: AbortSignal | undefined): { fired: Promise<never>; forget: () => void } {
  let listener = () => {};
  const fired = new Promise<never>((_, reject) => {
    listener = () => {
      try {
        throwIfStopped(signal);
      } catch (error) {
        reject(error);
      }
    };
    signal?.addEventListener("abort", listener);
  });
  fired.catch(() => {});
  return { fired, forget: () => signal?.removeEventListener("abort", listener) };
}
