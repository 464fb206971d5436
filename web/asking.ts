/** The page's side of its helper. */
import type { HelperCalls } from "./calls.ts";

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

const worker = new Worker(new URL("./helper.js", import.meta.url), { type: "module", name: "helper" });
const waiting = new Map<number, Waiting>();
let next = 0;

worker.onmessage = ({ data: { id, value, error } }) => {
  const call = waiting.get(id);
  waiting.delete(id);
  if (error === undefined) call?.resolve(value as never);
  else call?.reject(new Error(error));
};
worker.onerror = ({ message }) => {
  for (const { reject } of waiting.values()) reject(new Error(message || "The page's helper ended."));
  waiting.clear();
};

/** Asks the helper. @throws Error with a sentence. */
export const ask = <K extends keyof HelperCalls>(
  name: K,
  argument: HelperCalls[K]["argument"],
): Promise<HelperCalls[K]["value"]> =>
  new Promise((resolve, reject) => {
    const id = next++;
    waiting.set(id, { resolve, reject });
    worker.postMessage({ id, name, argument });
  });
