/** Guards around a program's memory, for tests: see LoadOptions.sentinels. */

/** Floats behind each slot. */
export const guardFloats = 64;

const guardValue = -12345.5;

/** A slot's memory before a run: not a number where values belong, then the guard. */
export function poisoned(floats: number): Float32Array {
  return new Float32Array(floats + guardFloats).fill(Number.NaN).fill(guardValue, floats);
}

/** @throws Error when a write went past the end of a slot of `floats` values. */
export function checkGuard(memory: Float32Array, floats: number, slot: number): void {
  const broken = memory.subarray(floats, floats + guardFloats).findIndex((v) => v !== guardValue);
  if (broken >= 0) throw new Error(`a kernel wrote ${broken + 1} values past the end of slot ${slot}`);
}
