/** Prints the name of the WebGPU adapter that this environment has; prints nothing where it has none. */
import { openAdapter } from "../../src/engine/webgpu/adapter.ts";
import { DeviceError } from "../../src/errors.ts";

try {
  const adapter = await openAdapter();
  console.log(adapter.name);
  adapter.close();
} catch (error) {
  if (!(error instanceof DeviceError)) throw error;
}
