/**
 * The mapping of buffers, and their end. Where a buffer is destroyed while it is being mapped, the `webgpu` package (0.6.2)
 * settles the mapping's promise twice, of which the process dies now and then. So it is destroyed when that is over. (The end
 * of a device, or its loss, does no harm.)
 */
export interface Mapping {
  map(buffer: GPUBuffer, mode: GPUMapModeFlags): Promise<void>;
  /** Destroys a buffer, now or when it has been mapped. */
  destroy(buffer: GPUBuffer): void;
}

export function createMapping(): Mapping {
  const waiting = new Map<GPUBuffer, Promise<void>>();
  return {
    map(buffer, mode) {
      const mapped = buffer.mapAsync(mode);
      const settled = () => void waiting.delete(buffer);
      waiting.set(buffer, mapped.then(settled, settled));
      return mapped;
    },
    destroy(buffer) {
      const over = waiting.get(buffer);
      if (over) void over.then(() => buffer.destroy());
      else buffer.destroy();
    },
  };
}
