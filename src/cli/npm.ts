/** What npm keeps of a command line: `npm run extract --model vgg_16` starts `extract vgg_16`, and the option is npm's. */
import type { Command, Option } from "commander";
import { UsageError } from "../errors.ts";
import { toolName } from "../node/package.ts";
import { shellWord } from "../text.ts";

const optionsOf = (command: Command): readonly Option[] => [
  ...command.options.filter((option) => !option.hidden),
  ...command.commands.flatMap(optionsOf),
];

/** npm has a setting of its own called scope, which may stand in anybody's .npmrc; one of variables has a slash. */
const isNpms = ({ long }: Option, value: string): boolean => long === "--scope" && !value.includes("/");

/**
 * @throws UsageError where npm took options of the command for its own, which would run it without them. npm tells its
 * scripts of them in the environment.
 */
export function refuseKeptByNpm(program: Command, args: readonly string[], env: NodeJS.ProcessEnv): void {
  const command = program.commands.find((c) => c.name() === env.npm_lifecycle_event);
  if (!command || command.name() !== args[0] || env.npm_package_name !== toolName) return;
  const kept = optionsOf(command).flatMap((option) => {
    const value = env[`npm_config_${option.long?.slice(2).replaceAll("-", "_")}`];
    return value && !isNpms(option, value) ? [{ option, value }] : [];
  });
  if (kept.length === 0) return;
  const left = args.slice(1);
  const typed = kept.map(({ option, value }) => {
    if (!option.required) return option.long;
    if (value !== "true") return `${option.long} ${shellWord(value)}`;
    return kept.length === 1 && left.length === 1 ? `${option.long} ${left[0]}` : option.flags;
  });
  // What npm left are the inputs, unless the value of an option is among them.
  const inputs = kept.some(({ option, value }) => option.required && value === "true") ? [] : left;
  throw new UsageError(
    `npm kept ${kept.map(({ option }) => option.long).join(", ")} for itself: options before -- are npm's.`,
    `Put -- before them: npm run ${command.name()} -- ${[...inputs.map(shellWord), ...typed].join(" ")}`,
  );
}
