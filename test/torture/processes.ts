/** Scenarios of processes: killed, stopped, suspended, unread, two at once, on a full disk, and ended 200 times. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { contentOf, drawFolder, type Ended, leftovers, startExtract } from "../support/runs.ts";
import { pick, type Random, type Scenario, type Setting } from "./scenario.ts";

type Backend = "cpu" | "webgpu";
const backends: readonly Backend[] = ["cpu", "webgpu"];
/** Some images cannot be read: a whole run ends with this. */
const wholeCode = 3;
/** A process that lives longer than this after its last word hangs, however busy the machine. */
const mostLingering = 10_000;

export interface Processes {
  /** Seconds that a whole run takes. */
  readonly seconds: Readonly<Record<Backend, number>>;
  readonly scenarios: Readonly<Record<string, Scenario>>;
  /** One run on WebGPU from beginning to end. */
  readonly exit: Scenario;
}

/** Draws the images and makes the runs that all others are held against. */
export async function prepareProcesses(folder: string): Promise<Processes> {
  const images = join(folder, "in");
  await drawFolder(images, 60);
  const start = (out: string, device: Backend) =>
    startExtract({ out, from: images, device, imageSize: 64, args: ["--commit-every", "1"] });
  const seconds = { cpu: 0, webgpu: 0 };
  const whole: Partial<Record<Backend, string[]>> = {};
  for (const device of backends) {
    const out = join(folder, `${device}.npy`);
    const began = performance.now();
    const { code, err } = await start(out, device).ended;
    if (code !== wholeCode)
      throw new Error(`a run on ${device} that nothing disturbs ends with ${code}: ${err}`);
    seconds[device] = (performance.now() - began) / 1000;
    whole[device] = contentOf(out);
  }

  const moment = (random: Random, device: Backend) => sleep(1000 * seconds[device] * random());

  /** Lets the run end now; gives what is wrong with its end, or with what it wrote. */
  async function finish(out: string, device: Backend): Promise<string[]> {
    const { code, signal, err } = await start(out, device).ended;
    if (code !== wholeCode) return [`the run after it ends with ${code ?? signal}: ${err.slice(-500)}`];
    const same = contentOf(out).every((content, i) => content === whole[device]?.[i]);
    return [
      ...(same ? [] : ["the bytes are not those of an unbroken run"]),
      ...leftovers(out).map((name) => `${name} was left`),
    ];
  }

  const ended = (end: Ended, setting: Setting, codes: readonly number[]): string[] => {
    setting.figures.exits++;
    setting.figures.slowestExit = Math.max(setting.figures.slowestExit, end.lingered);
    return [
      ...(end.code !== null && codes.includes(end.code)
        ? []
        : [
            `it ended with ${end.code ?? end.signal}, not with ${codes.join(" or ")}: ${end.err.slice(-500)}`,
          ]),
      ...(end.lingered > mostLingering
        ? [`it lived ${Math.round(end.lingered)} ms after its last word`]
        : []),
    ];
  };

  const scenarios: Record<string, Scenario> = {
    async killed(setting) {
      const { random, figures, folder } = setting;
      const device = pick(random, backends);
      const out = join(folder, "f.npy");
      for (let i = 0; i < 3; i++) {
        const run = start(out, device);
        await moment(random, device);
        run.child.kill("SIGKILL");
        if ((await run.ended).signal === "SIGKILL") figures.kills++;
      }
      return finish(out, device);
    },

    async stopped(setting) {
      const { random, figures, folder } = setting;
      const device = pick(random, backends);
      const [signal, code] = pick(random, [["SIGTERM", 143] as const, ["SIGINT", 130] as const]);
      const out = join(folder, "f.npy");
      const run = start(out, device);
      await run.says("computing");
      await moment(random, device);
      if (run.child.kill(signal)) figures.signals++;
      if (random() < 0.5) {
        await sleep(1100);
        run.child.kill(signal);
      }
      const end = await run.ended;
      return [...ended(end, setting, [code, wholeCode]), ...(await finish(out, device))];
    },

    async suspended(setting) {
      const { random, figures, folder } = setting;
      const device = pick(random, backends);
      const out = join(folder, "f.npy");
      const run = start(out, device);
      for (let i = 0; i < 3; i++) {
        await sleep((300 * seconds[device] * random()) | 0);
        run.child.kill("SIGSTOP");
        await sleep(1000 * random());
        run.child.kill("SIGCONT");
        figures.suspensions++;
      }
      return [...ended(await run.ended, setting, [wholeCode]), ...(await finish(out, device))];
    },

    async unread(setting) {
      const { random, folder } = setting;
      const device = pick(random, backends);
      const out = join(folder, "f.npy");
      const run = start(out, device);
      await moment(random, device);
      run.child.stdout?.destroy();
      if (random() < 0.5) run.child.stderr?.destroy();
      return [...ended(await run.ended, setting, [wholeCode]), ...(await finish(out, device))];
    },

    async "two at once"(setting) {
      const { random, folder } = setting;
      const device = pick(random, backends);
      const out = join(folder, "f.npy");
      const first = start(out, device);
      await sleep(200 * random());
      const second = start(out, device);
      const ends = await Promise.all([first.ended, second.ended]);
      const done = ends.filter((e) => e.code === wholeCode);
      return [
        ...ends.flatMap((e) => ended(e, setting, [wholeCode, 8])),
        ...(done.length === 0 ? ["neither did the work"] : []),
        ...(await finish(out, device)),
      ];
    },
  };

  const mounted = tmpfs(join(folder, "probe"), "64k");
  if (mounted) {
    scenarios["a full disk"] = async (setting) => {
      const { random, figures, folder } = setting;
      const device = pick(random, backends);
      const disk = join(folder, "disk");
      const kibibytes = 4 * Math.ceil(60 * random());
      const unmount = tmpfs(disk, `${kibibytes}k`);
      if (!unmount) return ["a file system could be mounted before, and cannot now"];
      try {
        const out = join(disk, "f.npy");
        const end = await start(out, device).ended;
        if (end.code === 7) figures.fullDisks++;
        const findings = ended(end, setting, [7, wholeCode]);
        if (end.code === 7 && !/the disk is full/.test(end.err)) findings.push(`it says: ${end.err}`);
        if (end.code === 7 && existsSync(`${out}.manifest.jsonl`))
          findings.push("half of the result was written");
        spawnSync("mount", ["-o", "remount,size=16m", disk]);
        return [...findings, ...(await finish(out, device))];
      } finally {
        unmount();
      }
    };
    mounted();
  } else {
    console.log("full disks are left out: no file system may be mounted here");
  }

  return {
    seconds,
    scenarios,
    async exit(setting) {
      return ended(await start(join(setting.folder, "f.npy"), "webgpu").ended, setting, [wholeCode]);
    },
  };
}

/** A file system of `size` in memory at `folder`. Gives what unmounts it; undefined where that is not allowed. */
function tmpfs(folder: string, size: string): (() => void) | undefined {
  mkdirSync(folder, { recursive: true });
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder]);
  return mount.status === 0 ? () => void spawnSync("umount", [folder]) : undefined;
}
