/** Features as they come, in memory that grows with them and with nothing else. */

export interface Rows {
  readonly count: number;
  push(values: Float32Array): void;
  /** All of them back to back, in memory of their own. */
  all(): Float32Array;
}

const blockRows = 256;

export function createRows(width: number): Rows {
  const blocks: Float32Array[] = [];
  let count = 0;
  return {
    get count() {
      return count;
    },
    push(values) {
      const at = count % blockRows;
      if (at === 0) blocks.push(new Float32Array(blockRows * width));
      blocks[blocks.length - 1].set(values, at * width);
      count++;
    },
    all() {
      const whole = new Float32Array(count * width);
      for (const [i, block] of blocks.entries())
        whole.set(
          block.subarray(0, Math.min(block.length, whole.length - i * block.length)),
          i * block.length,
        );
      return whole;
    },
  };
}
