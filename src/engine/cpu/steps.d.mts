export interface ThreadStep {
  readonly index: number;
  readonly tasks: number;
  readonly params: number;
  readonly run: (params: number, task: number, scratch: number) => void;
}
export declare const word: {
  readonly run: number;
  readonly session: number;
  readonly left: number;
  readonly failed: number;
};
export declare function waitFor(control: Int32Array, words: Int32Array, at: number, wanted: number): boolean;
export declare function takeTasks(step: ThreadStep, counters: Int32Array, scratch: number): void;
export declare function finish(
  step: Pick<ThreadStep, "index" | "tasks">,
  counters: Int32Array,
  done: number,
): void;
export declare function waitForStep(
  step: Pick<ThreadStep, "index" | "tasks">,
  control: Int32Array,
  counters: Int32Array,
): boolean;
