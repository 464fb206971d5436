/**
 * `npm test`: finds a WebGPU adapter for the tests and runs them. Any Vulkan, Metal or D3D12 adapter of the system will
 * do; where there is none, SwiftShader is unpacked from a development dependency. The driver's path must stand in the
 * environment before a process starts, so the tests run in a child. Arguments go on to vitest, but for
 * `--adapter system|swiftshader`, which forces one.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { unpackSwiftShader } from "./support/swiftshader.ts";

const root = join(import.meta.dirname, "..");
const args = process.argv.slice(2);
const at = args.indexOf("--adapter");
const wanted = at < 0 ? undefined : args.splice(at, 2)[1];
if (wanted !== undefined && wanted !== "system" && wanted !== "swiftshader") {
  console.error(`--adapter is system or swiftshader, not ${wanted}.`);
  process.exit(2);
}

function node(environment: NodeJS.ProcessEnv, ...command: string[]) {
  return spawnSync(process.execPath, command, {
    cwd: root,
    env: { ...process.env, ...environment },
    stdio: ["inherit", command.includes(probe) ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
  });
}

const probe = join(root, "test/support/probe-adapter.ts");
const nameOf = (environment: NodeJS.ProcessEnv): string =>
  node(environment, "--import", "tsx", probe).stdout.trim();

let environment: NodeJS.ProcessEnv = {};
let adapter = wanted === "swiftshader" ? "" : nameOf(environment);
if (adapter === "" && wanted !== "system") {
  environment = await unpackSwiftShader(join(root, "node_modules/.cache/swiftshader"));
  adapter = nameOf(environment);
}
if (adapter === "") {
  console.error("No WebGPU adapter works here, and the tests do not run without one.");
  process.exit(1);
}
console.log(`WebGPU adapter for the tests: ${adapter}`);
const { status } = node(environment, join(root, "node_modules/vitest/vitest.mjs"), "run", ...args);
process.exitCode = status ?? 1;
