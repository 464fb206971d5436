/** Prints the name of the WebGPU adapter that this environment has; prints nothing where it has none. */
import { DeviceError } from "../../src/errors.ts";
import { openAdapter } from "./node.ts";

try {
  const adapter = await openAdapter();
  console.log(adapter.name);
  adapter.close();
} catch (error) {
  if (!(error instanceof DeviceError)) throw error;
}
