/** What a contender's process is asked and what it answers, one message each way at a time. */

export type Question =
  | { readonly ask: "load"; readonly contender: string; readonly model: string; readonly batch: number }
  | { readonly ask: "run" }
  /** Only of one that can tell, see "loaded". */
  | { readonly ask: "gpu" }
  | { readonly ask: "quit" };

export type Answer =
  | {
      readonly kind: "loaded";
      readonly about: string;
      readonly adapter?: string;
      /** Whether it can tell the GPU's own time. */
      readonly gpu: boolean;
      /** Of the workload's images, by the first run. */
      readonly features: Float32Array;
    }
  | {
      readonly kind: "ran";
      readonly milliseconds: number;
      /** What other processes took of the machine meanwhile, from 0 to 1. */
      readonly others: number;
      /** The most memory that the process has held so far. */
      readonly peakBytes: number;
    }
  | { readonly kind: "gpu"; readonly milliseconds: number }
  | { readonly kind: "failed"; readonly reason: string };
