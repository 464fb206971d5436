/**
 * Copies all of `from` to the start of `to`. Where shared memory takes part, `set` copies eight bytes at a time, and the filling of a
 * buffer with another one of its length does not: it takes half the time.
 */
export function copyFloats(from: Float32Array, to: Float32Array): void {
  if (from.length > to.length) throw new RangeError(`${from.length} floats do not fit into ${to.length}`);
  if (from.length === 0) return;
  const bytes = Buffer.from(from.buffer, from.byteOffset, from.byteLength);
  Buffer.from(to.buffer, to.byteOffset, from.byteLength).fill(bytes);
}
