/** WebGPU reports faults beside the call that made them; a guard brings them back as exceptions. */
import { DeviceError } from "../../errors.ts";

const filters: readonly GPUErrorFilter[] = ["internal", "out-of-memory", "validation"];

export interface Guard {
  /**
   * Runs `body` inside error scopes of every kind. Scopes are a stack of the device's, so the body must not wait for
   * anything; what it starts is awaited afterwards.
   * @throws DeviceError for the first fault that WebGPU reports of it, or that was reported of nothing in particular.
   */
  guarded<T>(doing: string, body: () => T): Promise<T>;
  /** The result of `promise`, or a DeviceError once the device is lost. */
  unlessLost<T>(promise: Promise<T>): Promise<T>;
}

function faultOf(error: GPUError, doing: string): DeviceError {
  const kind = error.constructor.name;
  if (kind === "GPUOutOfMemoryError") {
    return new DeviceError(
      `The GPU is out of memory while ${doing}: ${error.message}`,
      "Use a smaller --batch-size, or --device cpu.",
    );
  }
  return new DeviceError(`WebGPU reports a fault while ${doing} (${kind}): ${error.message}`);
}

export function createGuard(device: GPUDevice): Guard {
  let uncaptured: GPUError | undefined;
  device.onuncapturederror = ({ error }) => {
    uncaptured ??= error;
  };
  const lost = device.lost.then((info): never => {
    throw new DeviceError(
      `The GPU device was lost (${info.reason}): ${info.message || "no reason given"}.`,
      "Run again; if it happens every time, use a smaller --batch-size or --device cpu.",
    );
  });
  lost.catch(() => {}); // A loss after the last run is nobody's fault.

  return {
    async guarded(doing, body) {
      for (const filter of filters) device.pushErrorScope(filter);
      const scopes = () => filters.map(() => device.popErrorScope());
      let result: ReturnType<typeof body>;
      let popped: Promise<GPUError | null>[];
      try {
        result = body();
      } finally {
        popped = scopes();
      }
      const errors = await Promise.race([Promise.all(popped), lost]);
      const fault = errors.find((e) => e !== null) ?? uncaptured;
      if (fault) throw faultOf(fault, doing);
      return result;
    },
    unlessLost: (promise) => Promise.race([promise, lost]),
  };
}
