/** Options that are given more than once, or nothing: read all, or refused; never the last one silently. */
import type { Command, Option } from "commander";

/** The parser of an option that may be given several times: its values in their order. */
export const repeated = (value: string, values: readonly string[] = []): readonly string[] => [
  ...values,
  value,
];

/** Whether an option is given a value, and only one. */
export const takesOne = (option: Option): boolean =>
  (option.required || option.optional) && !option.variadic && option.parseArg !== (repeated as unknown);

/** Makes the options of `command`, and of its commands, refuse an empty value: it is a variable of a shell that was never set. */
export function refuseEmpty(command: Command): void {
  for (const option of command.options.filter(({ required }) => required)) {
    command.on(`option:${option.name()}`, (value: string) => {
      if (value !== "") return;
      command.error(`error: ${option.long} is given nothing.\nhint: Name a value, or leave it out.`);
    });
  }
  for (const each of command.commands) refuseEmpty(each);
}

/** Makes the options of `command`, and of its commands, refuse a second value as other wrong usage is. */
export function refuseRepeats(command: Command): void {
  for (const option of command.options.filter(takesOne)) {
    let before: string | undefined;
    command.on(`option:${option.name()}`, (value: string) => {
      if (before !== undefined) {
        const both = before === value ? `twice, as ${value}` : `twice, as ${before} and as ${value}`;
        command.error(
          `error: ${option.long} is given ${both}; it takes one value.\nhint: Leave one of them out.`,
        );
      }
      before = value;
    });
  }
  for (const each of command.commands) refuseRepeats(each);
}
