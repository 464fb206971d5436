/**
 * Weights on a device: one copy for each source and layout, shared by all sessions on that source and freed with the
 * last of them. Two sources may use one name for different values, as the sizes of one network do.
 */
import type { WeightSource } from "./weights.ts";

/** A session's hold on the weights of its source. */
export interface Hold<T> {
  get(key: string): T | undefined;
  set(key: string, weight: T): void;
  /** Frees the weights when nobody else holds them. Harmless when said twice. */
  release(): void;
}

export interface WeightStore<T> {
  hold(source: WeightSource): Hold<T>;
  readonly bytes: number;
  /** Frees everything. */
  clear(): void;
}

export function createWeightStore<T>(
  bytesOf: (weight: T) => number,
  free: (weight: T) => void,
): WeightStore<T> {
  const shelves = new Map<WeightSource, { holders: number; weights: Map<string, T> }>();
  const drop = (source: WeightSource): void => {
    for (const weight of shelves.get(source)?.weights.values() ?? []) free(weight);
    shelves.delete(source);
  };
  return {
    hold(source) {
      const shelf = shelves.get(source) ?? { holders: 0, weights: new Map<string, T>() };
      shelves.set(source, shelf);
      shelf.holders++;
      let held = true;
      return {
        get: (key) => shelf.weights.get(key),
        set: (key, weight) => void shelf.weights.set(key, weight),
        release() {
          if (!held) return;
          held = false;
          shelf.holders--;
          if (shelf.holders === 0 && shelves.get(source) === shelf) drop(source);
        },
      };
    },
    get bytes() {
      let sum = 0;
      for (const { weights } of shelves.values())
        for (const weight of weights.values()) sum += bytesOf(weight);
      return sum;
    },
    clear() {
      for (const source of [...shelves.keys()]) drop(source);
    },
  };
}
