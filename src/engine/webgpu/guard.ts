/** WebGPU reports faults beside the call that made them; a guard brings them back as exceptions. */
import { DeviceError } from "../../errors.ts";
import type { Gpu } from "../../platform/index.ts";

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

const outOfMemory = (message: string, doing: string): DeviceError =>
  new DeviceError(
    `The GPU is out of memory while ${doing}: ${message}`,
    "Use a smaller --batch-size, or --device cpu.",
  );

function faultOf(error: GPUError, doing: string): DeviceError {
  const kind = error.constructor.name;
  if (kind === "GPUOutOfMemoryError") return outOfMemory(error.message, doing);
  return new DeviceError(`WebGPU reports a fault while ${doing} (${kind}): ${error.message}`);
}

/**
 * What the library throws for a fault of the device, as an error for the user: a buffer that cannot be mapped where it
 * is made throws a RangeError, a mapping that a loss ends a DOMException. Anything else is a mistake of ours and stays.
 */
function thrownFault(error: unknown, doing: string): unknown {
  if (error instanceof RangeError && error.message.startsWith("createBuffer")) {
    return outOfMemory(error.message, doing);
  }
  if (!(error instanceof DOMException)) return error;
  return new DeviceError(
    `WebGPU reports a fault while ${doing} (${error.name}): ${error.message || "no reason given"}`,
    undefined,
    { cause: error },
  );
}

export function createGuard(device: GPUDevice, { nextTurn }: Pick<Gpu, "nextTurn">): Guard {
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
  /** A loss ends what is under way and unmaps buffers as well; the loss itself says more, and is told a moment later. */
  const lossBehind = (error: unknown): Promise<unknown> | undefined =>
    error instanceof DOMException ? Promise.race([lost, nextTurn()]) : undefined;

  return {
    async guarded(doing, body) {
      for (const filter of filters) device.pushErrorScope(filter);
      const scopes = () => filters.map(() => device.popErrorScope());
      let result: ReturnType<typeof body>;
      try {
        result = body();
      } catch (error) {
        // What the scopes hold is about the same fault.
        for (const scope of scopes()) scope.catch(() => {});
        await lossBehind(error);
        throw thrownFault(error, doing);
      }
      const popped = scopes();
      const errors = await Promise.race([Promise.all(popped), lost]);
      const fault = errors.find((e) => e !== null) ?? uncaptured;
      if (fault) throw faultOf(fault, doing);
      return result;
    },
    async unlessLost(promise) {
      try {
        return await Promise.race([promise, lost]);
      } catch (error) {
        await lossBehind(error);
        throw thrownFault(error, "waiting for the GPU");
      }
    },
  };
}
