/**
 * `npm run torture`: does to the tool what happens to programs, at random moments that a seed decides, and holds what
 * it leaves against undisturbed runs. Prints figures; ends with 1 on any finding.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { refuseRepeats } from "../../src/cli/repeats.ts";
import { prepareFaults } from "./gpu.ts";
import { prepareProcesses } from "./processes.ts";
import { type Figures, randomFrom, type Scenario } from "./scenario.ts";

function whole(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number.");
}

interface Options {
  readonly rounds?: number;
  readonly minutes?: number;
  readonly seed: number;
  readonly exits: number;
}

async function torture({ rounds, minutes, seed, exits }: Options): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "torture-"));
  const figures: Figures = {
    ...{ kills: 0, signals: 0, suspensions: 0, fullDisks: 0, deviceFaults: 0, exits: 0, slowestExit: 0 },
  };
  const findings: string[] = [];
  try {
    const processes = await prepareProcesses(join(folder, "processes"));
    const devices = await prepareFaults(join(folder, "devices"));
    const scenarios: readonly (readonly [string, Scenario])[] = [
      ["a device that fails", devices],
      ...Object.entries(processes.scenarios),
    ];
    const went: Record<string, number> = {};

    const play = async (name: string, scenario: Scenario, round: number) => {
      const own = mkdtempSync(join(folder, "round-"));
      console.error(`round ${round}: ${name}`);
      try {
        const found = await scenario({ random: randomFrom(seed * 100_003 + round), figures, folder: own });
        went[name] = (went[name] ?? 0) + 1;
        for (const finding of found) {
          findings.push(finding);
          console.log(`FINDING in round ${round}, ${name}: ${finding}`);
        }
      } finally {
        rmSync(own, { recursive: true, force: true });
      }
    };

    for (let i = 0; i < exits; i++) await play("the end of a process", processes.exit, i);
    const end = minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + 60_000 * minutes;
    const most = rounds ?? (minutes === undefined ? 10 * scenarios.length : Number.POSITIVE_INFINITY);
    for (let round = 0; round < most && performance.now() < end; round++) {
      const [name, scenario] = scenarios[round % scenarios.length];
      await play(name, scenario, round);
    }

    for (const [name, times] of Object.entries(went)) console.log(`${`${name}:`.padEnd(24)}${times} times`);
    const { kills, signals, suspensions, fullDisks, deviceFaults } = figures;
    console.log(
      `${kills} kills, ${signals} signals, ${suspensions} suspensions, ${fullDisks} full disks, ${deviceFaults} faults of devices, ${figures.exits} exits (the slowest ${Math.round(figures.slowestExit)} ms after the last word)`,
    );
    console.log(`seed ${seed}: ${findings.length} findings`);
    return findings.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const program = new Command("torture")
  .description("kills, stops, suspends and starves the tool, and makes its devices fail")
  .option("--rounds <n>", "how many scenarios to play (default: ten of each)", whole)
  .option("--minutes <n>", "how long to play instead", Number)
  .option("--seed <n>", "decides moments and faults", whole, 1)
  .option("--exits <n>", "how many runs on WebGPU must end well in a row before", whole, 200)
  .action(async (options: Options) => {
    process.exitCode = await torture(options);
  });
refuseRepeats(program);
await program.parseAsync();
