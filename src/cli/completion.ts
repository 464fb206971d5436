/** `completion`: scripts that let a shell complete commands, options and their values, from the command table itself. */
import { Argument, type Command } from "commander";
import { models } from "../nets/index.ts";
import { toolName } from "../node/package.ts";
import type { AddCommand } from "./command.ts";

interface Words {
  /** The command, such as "verify ops"; empty for the program. */
  readonly path: string;
  readonly words: readonly string[];
  readonly values: Readonly<Record<string, readonly string[]>>;
}

const modelNames = models.map((m) => m.name);

/** What may follow each command, and each option. */
function wordsOf(command: Command, path: readonly string[] = []): Words[] {
  const options = command.options.filter((o) => !o.hidden);
  const values = Object.fromEntries(
    options.flatMap((o) => {
      const known = o.argChoices ?? (o.long === "--model" ? ["auto", ...modelNames] : []);
      return o.long && known.length > 0 ? [[o.long, known] as const] : [];
    }),
  );
  const takesModel = command.registeredArguments.some((a) => a.name() === "model");
  const words = [
    ...command.commands.map((c) => c.name()),
    ...options.flatMap((o) => o.long ?? []),
    ...(takesModel ? modelNames : []),
  ];
  return [
    { path: path.join(" "), words, values },
    ...command.commands.flatMap((c) => wordsOf(c, [...path, c.name()])),
  ];
}

const quote = (words: readonly string[]) => `'${words.join(" ")}'`;

const cases = (table: readonly Words[], line: (words: string) => string) =>
  table.map(({ path, words }) => `    '${path}') ${line(quote(words))} ;;`).join("\n");

const valueCases = (table: readonly Words[], line: (words: string) => string) =>
  [...new Map(table.flatMap((t) => Object.entries(t.values)))]
    .map(([option, values]) => `    '${option}') ${line(quote(values))}; return ;;`)
    .join("\n");

const scripts: Readonly<Record<string, (table: readonly Words[]) => string>> = {
  bash: (table) => `# ${toolName}: source <(${toolName} completion bash)
_${toolName}() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" path="" w
  for w in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$w" in -*) break ;; *) path="\${path:+$path }$w" ;; esac
  done
  [ "$before" = "=" ] && before="\${COMP_WORDS[COMP_CWORD-2]}"
  [ "$word" = "=" ] && word=""
  case "$before" in
${valueCases(table, (words) => `COMPREPLY=($(compgen -W ${words} -- "$word"))`)}
  esac
  case "$path" in
${cases(table, (words) => `COMPREPLY=($(compgen -W ${words} -- "$word"))`)}
    *) COMPREPLY=() ;;
  esac
}
complete -o default -F _${toolName} ${toolName}
`,
  zsh: (table) => `#compdef ${toolName}
# ${toolName}: source <(${toolName} completion zsh)
_${toolName}() {
  local before="\${words[CURRENT-1]}" commands="" w
  for w in "\${words[@]:1:CURRENT-2}"; do
    case "$w" in -*) break ;; *) commands="\${commands:+$commands }$w" ;; esac
  done
  case "$before" in
${valueCases(table, (words) => `compadd -- \${=:-${words.slice(1, -1)}}`)}
  esac
  case "$commands" in
${cases(table, (words) => `compadd -- \${=:-${words.slice(1, -1)}}`)}
  esac
  _files
}
compdef _${toolName} ${toolName}
`,
  fish: (table) =>
    [
      `# ${toolName}: ${toolName} completion fish | source`,
      ...table.flatMap(({ path, words, values }) => {
        const condition =
          path === "" ? "__fish_use_subcommand" : `__fish_seen_subcommand_from ${path.split(" ").at(-1)}`;
        const plain = words.filter((w) => !w.startsWith("--"));
        return [
          ...(plain.length > 0
            ? [`complete -c ${toolName} -n '${condition}' -f -a '${plain.join(" ")}'`]
            : []),
          ...words
            .filter((w) => w.startsWith("--"))
            .map(
              (w) =>
                `complete -c ${toolName} -n '${condition}' -l ${w.slice(2)}${values[w] ? ` -x -a '${values[w].join(" ")}'` : ""}`,
            ),
        ];
      }),
      "",
    ].join("\n"),
};

export const addCompletion: AddCommand = (program, io) => {
  program
    .command("completion")
    .description("print a script that completes commands, options and their values")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(scripts)))
    .addHelpText("after", `\nExample:\n  source <(${toolName} completion bash)`)
    .action((shell: string) => io.out(scripts[shell](wordsOf(program))));
};
