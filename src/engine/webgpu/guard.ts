/** WebGPU reports faults beside the call that made them; these bring them back as exceptions. */
import { DeviceError } from "../../errors.ts";

const filters: readonly GPUErrorFilter[] = ["internal", "out-of-memory", "validation"];

function faultOf(error: GPUError, doing: string): Error {
  const kind = error.constructor.name;
  if (kind === "GPUOutOfMemoryError") {
    return new DeviceError(
      `The GPU is out of memory while ${doing}: ${error.message}`,
      "Use a smaller --batch-size, or --device cpu.",
    );
  }
  return new DeviceError(`WebGPU reports a fault while ${doing} (${kind}): ${error.message}`);
}

/** Runs `body` inside error scopes of every kind. @throws DeviceError for the first fault that WebGPU reports. */
export async function guarded<T>(device: GPUDevice, doing: string, body: () => T | Promise<T>): Promise<T> {
  for (const filter of filters) device.pushErrorScope(filter);
  let result: T | undefined;
  let thrown: unknown;
  try {
    result = await body();
  } catch (error) {
    thrown = error ?? new Error("unknown");
  }
  const errors = await Promise.all(filters.map(() => device.popErrorScope().catch(() => null)));
  const fault = errors.find((e) => e !== null);
  if (fault) throw faultOf(fault, doing);
  if (thrown !== undefined) throw thrown;
  return result as T;
}

/** A promise that rejects when the device is lost, for racing against. It never resolves. */
export function rejectOnLoss(device: GPUDevice): Promise<never> {
  const lost = device.lost.then((info) => {
    throw new DeviceError(
      `The GPU device was lost (${info.reason}): ${info.message || "no reason given"}.`,
      "Run again; if it happens every time, use a smaller --batch-size or --device cpu.",
    );
  });
  lost.catch(() => {}); // A loss after the last run is nobody's fault.
  return lost;
}
