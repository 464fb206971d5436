/** What waits and takes need of a step. */
export interface ThreadStep {
  readonly index: number;
  readonly tasks: number;
  /** The earlier steps that it waits for. */
  readonly after: readonly number[];
}
export interface TaskStep extends ThreadStep {
  readonly params: number;
  readonly run: (params: number, task: number, scratch: number) => void;
}
export interface Patience {
  readonly most: number;
  look: number;
}
export declare const word: {
  readonly run: number;
  readonly session: number;
  readonly left: number;
  readonly failed: number;
  readonly inTurn: number;
};
export declare const wordsOfStep: number;
export declare function patienceOf(threads: number, cores: number): Patience;
export declare function waitFor(
  words: Int32Array,
  at: number,
  wanted: number,
  control: Int32Array,
  patience: Patience,
): boolean;
export declare function waitForStep(
  step: ThreadStep,
  counters: Int32Array,
  control: Int32Array,
  patience: Patience,
): boolean;
export declare function waitBefore(
  step: ThreadStep,
  steps: readonly ThreadStep[],
  counters: Int32Array,
  control: Int32Array,
  patience: Patience,
): boolean;
export declare function takeTasks(step: TaskStep, counters: Int32Array, scratch: number): void;
export declare function finish(step: ThreadStep, counters: Int32Array, done: number): void;
export declare function leave(control: Int32Array, others: number): void;
