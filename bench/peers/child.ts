/** The parent's end of a contender's process: a crash, a timeout or a killed process is an answer, not an end. */
import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import type { Answer, Question } from "./protocol.ts";

export interface Child {
  /** The answer, or "failed" with why there is none. After a failure every further answer is that failure. */
  ask(question: Question, timeoutMs: number): Promise<Answer>;
  /** Ends the process, by force if it does not end itself. */
  stop(): Promise<void>;
}

const keptOutput = 2000;
const patienceMs = 5000;

export function startChild(environment: NodeJS.ProcessEnv): Child {
  const child: ChildProcess = fork(join(import.meta.dirname, "contender-process.ts"), {
    env: environment,
    execArgv: ["--import", "tsx"],
    serialization: "advanced",
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (bytes: Buffer) => {
      output = (output + bytes).slice(-keptOutput);
    });
  let failure: Extract<Answer, { kind: "failed" }> | undefined;
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`could not be started: ${error.message}`));
    child.once("exit", (code, signal) =>
      resolve(signal ? `the process was ended by ${signal}` : `the process ended with code ${code}`),
    );
  });
  // One that computes does not see its parent end.
  const end = () => void child.kill("SIGKILL");
  process.once("exit", end);
  ended.then(() => process.off("exit", end));
  const lastLine = () => output.trim().split("\n").at(-1);

  return {
    async ask(question, timeoutMs) {
      if (failure) return failure;
      let timer: NodeJS.Timeout | undefined;
      let listener: ((answer: Answer) => void) | undefined;
      const answered = new Promise<Answer>((resolve) => {
        listener = resolve;
        child.once("message", resolve as (message: unknown) => void);
        if (child.connected) child.send(question, () => {});
      });
      const late = new Promise<Answer>((resolve) => {
        timer = setTimeout(
          () => resolve({ kind: "failed", reason: `no answer within ${timeoutMs / 1000} s` }),
          timeoutMs,
        );
      });
      const crashed = ended.then((how): Answer => {
        const said = lastLine();
        return { kind: "failed", reason: said ? `${how}: ${said}` : how };
      });
      const answer = await Promise.race([answered, late, crashed]);
      clearTimeout(timer);
      if (listener) child.off("message", listener as (message: unknown) => void);
      if (answer.kind === "failed") {
        failure = answer;
        child.kill("SIGKILL");
      }
      return answer;
    },
    async stop() {
      if (child.connected) child.send({ ask: "quit" } satisfies Question, () => {});
      // Some libraries hang at exit; what they computed is here already.
      const timer = setTimeout(() => child.kill("SIGKILL"), patienceMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
