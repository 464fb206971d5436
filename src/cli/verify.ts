/** `verify`: compares single operations or whole networks with reference values. */
import { Option } from "commander";
import { type DeviceName, type KernelKind, kernelKinds, openDevice } from "../engine/devices.ts";
import { ExitCode, NothingToDoError } from "../errors.ts";
import { nodePlatform } from "../node/platform.ts";
import { passed, type Verdict } from "../verify/measure.ts";
import type { NetsOptions } from "../verify/nets.ts";
import type { AddCommand } from "./command.ts";
import type { Io } from "./io.ts";
import { threadsOption } from "./numbers.ts";

const deviceOption = () =>
  new Option("--device <device>", "what computes").choices(["auto", "webgpu", "cpu"]).default("auto");

const kernelsOption = () =>
  new Option(
    "--kernels-of <kind>",
    "on WebGPU, the kernels of this kind of adapter, whatever this one is",
  ).choices(kernelKinds);

export const addVerify: AddCommand = (program, io, exit) => {
  const verify = program
    .command("verify")
    .description(
      "compare operations or networks with reference values; ends with 1 where an error is too large",
    )
    .addHelpText(
      "after",
      `
Examples:
  npm run verify -- ops test/reference
  npm run verify -- nets test/reference/pictures --net inception_v1 --device cpu`,
    );

  verify
    .command("ops")
    .description("single operations: a folder with ops.json and ops.f32")
    .argument("<dir>", "the folder")
    .addOption(deviceOption())
    .addOption(kernelsOption())
    .addOption(threadsOption())
    .action(async (dir: string, flags: DeviceFlags) => {
      const { verifyOps } = await import("../verify/ops.ts");
      await report(io, exit, flags, (opened) => verifyOps(dir, opened));
    });

  verify
    .command("nets")
    .description("networks on seeded weights: a folder with NET.json and NET.f32 for each")
    .argument("<dir>", "the folder")
    .option("--net <name>", "only this network")
    .option("--images <dir>", "folder of the images (default: images/ here or beside the folder)")
    .option(
      "--stats <dir>",
      "folder of the moving statistics NET.bn.* (default: nets/ beside the folder, or the project's own)",
    )
    .option("--first", "only the first image of each network")
    .addOption(deviceOption())
    .addOption(kernelsOption())
    .addOption(threadsOption())
    .action(async (dir: string, options: NetsOptions & DeviceFlags) => {
      const { verifyNets } = await import("../verify/nets.ts");
      await report(io, exit, options, (opened) => verifyNets(dir, opened, options));
    });
};

interface DeviceFlags {
  readonly device: DeviceName;
  readonly threads?: number;
  readonly kernelsOf?: KernelKind;
}

type Verify = (device: Awaited<ReturnType<typeof openDevice>>) => AsyncIterable<Verdict>;

/** Prints a line a case and the worst of all. */
async function report(
  io: Io,
  exit: (code: number) => void,
  { device: name, threads, kernelsOf }: DeviceFlags,
  verify: Verify,
): Promise<void> {
  const notice = (sentence: string) => io.err(`${sentence}\n`);
  const device = await openDevice(name, nodePlatform, { notice, threads, kernelsOf });
  try {
    io.err(`${device.backend}: ${device.adapter}\n`);
    let count = 0;
    let failed = 0;
    let worst: Verdict | undefined;
    const part = (v: Verdict) => v.error / v.bound;
    for await (const verdict of verify(device)) {
      const { name, error, bound, reason } = verdict;
      const ok = passed(verdict);
      await io.out(
        `${ok ? "ok  " : "FAIL"} ${error.toExponential(2)} of ${bound.toExponential(2)}  ${name}\n`,
      );
      if (reason) io.err(`  ${reason}\n`);
      count++;
      if (!ok) failed++;
      if (!worst || part(verdict) > part(worst)) worst = verdict;
    }
    if (!worst) throw new NothingToDoError("There was nothing to verify: the folder holds no cases.");
    await io.out(`${count - failed} passed, ${failed} failed\n`);
    await io.out(`worst: ${worst.name}, ${(100 * part(worst)).toFixed(0)} % of its bound\n`);
    if (failed > 0) exit(ExitCode.unexpected);
  } finally {
    await device.close();
  }
}
