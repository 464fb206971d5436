/**
 * Into how large tasks a kernel cuts its work. Small ones share it evenly among the threads; large ones pack, transform and
 * widen less often what several of them need. Bits do not depend on it: a sum's order is that of its layer.
 */

/** Panels of four channels that fill a line of the cache: tasks that share a line would take it from each other. */
export const panelsOfLine = 4;

/** A way to cut a kernel's work, in instructions or anything else that is comparable. */
export interface Share {
  /** The work of all tasks, with what is done more than once. */
  readonly total: number;
  /** The work of the largest task. */
  readonly largest: number;
}

/**
 * Of the last task, the part that the other threads wait for: half of it where a step stands alone, little where others go on
 * beside it. Between a quarter and a half all networks tried were fastest on 16 threads.
 */
const waited = 0.3;

/** The way that `threads`, taking a task after the other, are expected to finish soonest. */
export function bestShare<S extends Share>(ways: readonly S[], threads: number): S {
  const time = ({ total, largest }: Share) => total / threads + (threads > 1 ? waited * largest : 0);
  return ways.reduce((best, way) => (time(way) < time(best) ? way : best));
}

/** `count` things in equal parts of at most `most`, each a multiple of `unit`. */
export function evenPart(count: number, most: number, unit: number): number {
  const parts = Math.ceil(count / most);
  return Math.ceil(count / parts / unit) * unit;
}

/** Different equal parts of `count` things, from those of at most `most` down to single units. */
export function evenParts(count: number, most: number, unit: number): number[] {
  const parts = new Set<number>();
  for (let limit = most; limit >= unit; limit = Math.min(limit - unit, Math.floor(0.8 * limit)))
    parts.add(evenPart(count, limit, unit));
  return [...parts];
}

/** What a task costs by itself, in multiply-adds of a convolution: taking it, and finding its numbers. */
export const workOfTask = 4000;

/** A layer as blocks of rows by groups of panels of output channels, a task for each pair. */
export interface GridShare extends Share {
  /** Rows (pixels, or Winograd's tiles) and panels of a task, and how many blocks and groups there are. */
  readonly taskRows: number;
  readonly taskPanels: number;
  readonly blocks: number;
  readonly groups: number;
}

/** Things of one axis, what a task takes of them at most, and what they are counted in. */
export interface Axis {
  readonly count: number;
  readonly most: number;
  readonly unit: number;
}

/**
 * The ways to cut a layer so. `work` is what is done, in multiply-adds, for so many rows that are read, panels of weights that
 * are read, and sums: a task reads its rows anew for each group, and its panels for each block.
 */
export const gridShares = (
  rows: Axis,
  panels: Axis,
  work: (rows: number, panels: number, sums: number) => number,
): GridShare[] =>
  evenParts(rows.count, rows.most, rows.unit).flatMap((taskRows) =>
    evenParts(panels.count, panels.most, panels.unit).map((taskPanels) => {
      const blocks = Math.ceil(rows.count / taskRows);
      const groups = Math.ceil(panels.count / taskPanels);
      const all = work(rows.count * groups, panels.count * blocks, rows.count * panels.count);
      return {
        taskRows,
        taskPanels,
        blocks,
        groups,
        total: all + workOfTask * blocks * groups,
        largest: work(taskRows, taskPanels, taskRows * taskPanels) + workOfTask,
      };
    }),
  );

/**
 * How many of `count` units, which share nothing, a task takes: at most `most`, where each is `work` multiply-adds, and a task
 * besides `ofTask`.
 */
export function unitsOfTask(
  count: number,
  work: number,
  most: number,
  threads: number,
  ofTask = workOfTask,
): number {
  const ways = evenParts(count, Math.max(1, Math.floor(most)), 1).map((units) => ({
    units,
    total: work * count + ofTask * Math.ceil(count / units),
    largest: work * units + ofTask,
  }));
  return bestShare(ways, threads).units;
}
