/**
 * Dense spots of a map, and what is none of them: HDBSCAN ("Density-Based Clustering Based on Hierarchical Density
 * Estimates", Campello, Moulavi and Sander, 2013; clusters by excess of mass), with scikit-learn's counting.
 *
 * In a plane the plain way is quick enough: neighbours by a sweep along x, and the tree by Prim's algorithm, which takes the
 * square of the number of places in time but nothing of it in memory.
 */
import { UserError } from "../errors.ts";
import { breathing } from "./breathe.ts";

/** What makes a spot dense. */
export interface SpotOptions {
  /** Places that make a cluster, at least; a hundredth of all when left out, but from 5 to 100. */
  readonly leastSize?: number;
  /** Places within reach, itself counted, that make a place dense; more leave more places as noise. 5 when left out. */
  readonly samples?: number;
}

/** A cluster of places. */
export interface Spot {
  /** Its places. */
  readonly size: number;
  /** The place around which it is densest. */
  readonly centre: number;
}

/** The clusters of a map, and which place is in which. */
export interface Spots {
  /** For each place the number of its cluster, or -1 where it is in none. */
  readonly labels: Int32Array;
  /** The clusters by their number, the largest first. */
  readonly spots: readonly Spot[];
}

/** The least number of places of a cluster, where it is not said. */
const leastSizeOf = (count: number): number => Math.min(100, Math.max(5, Math.round(count / 100)));
const usualSamples = 5;

/**
 * Clusters of the places `xy` (x and y of each). One dense spot in all is no cluster: everything is noise then.
 * @throws UserError for a least size under 2, or samples under 1
 */
export async function findSpots(xy: Float32Array, options: SpotOptions = {}): Promise<Spots> {
  const count = xy.length / 2;
  const leastSize = options.leastSize ?? leastSizeOf(count);
  const samples = options.samples ?? usualSamples;
  if (leastSize < 2) throw new UserError(`Clusters of ${leastSize} cannot be looked for: 2 is the least.`);
  if (samples < 1) throw new UserError(`${samples} places within reach make nothing dense: 1 is the least.`);
  if (count < leastSize) return { labels: new Int32Array(count).fill(-1), spots: [] };
  const cores = coreDistances(xy, Math.min(samples, count));
  const condensed = condense(linkage(await spanningTree(xy, cores)), leastSize);
  return numbered(condensed, cores);
}

/** The square of each place's distance to its `samples`-th nearest, itself the first. */
function coreDistances(xy: Float32Array, samples: number): Float64Array {
  const count = xy.length / 2;
  const order = Int32Array.from({ length: count }, (_, i) => i).sort((a, b) => xy[2 * a] - xy[2 * b]);
  const cores = new Float64Array(count);
  const nearest = new Float64Array(samples);
  for (let at = 0; at < count; at++) {
    const place = order[at];
    nearest.fill(Number.POSITIVE_INFINITY);
    nearest[0] = 0;
    for (const step of [-1, 1]) {
      for (let k = at + step; k >= 0 && k < count; k += step) {
        const across = (xy[2 * order[k]] - xy[2 * place]) ** 2;
        if (across >= nearest[samples - 1]) break;
        let d = across + (xy[2 * order[k] + 1] - xy[2 * place + 1]) ** 2;
        for (let i = 1; i < samples; i++) {
          if (d < nearest[i]) [d, nearest[i]] = [nearest[i], d];
        }
      }
    }
    cores[place] = nearest[samples - 1];
  }
  return cores;
}

interface Edge {
  readonly a: number;
  readonly b: number;
  readonly distance: number;
}

/** The least tree over all places, by mutual reachability: the larger of the distance and both core distances. */
async function spanningTree(xy: Float32Array, cores: Float64Array): Promise<Edge[]> {
  const count = cores.length;
  const breathe = breathing();
  const edges: Edge[] = [];
  // What is not in the tree yet, side by side: the inner loop reads from front to back.
  const rest = Int32Array.from({ length: count - 1 }, (_, i) => i + 1);
  const x = Float64Array.from(rest, (i) => xy[2 * i]);
  const y = Float64Array.from(rest, (i) => xy[2 * i + 1]);
  const core = Float64Array.from(rest, (i) => cores[i]);
  const reach = new Float64Array(count - 1).fill(Number.POSITIVE_INFINITY);
  const from = new Int32Array(count - 1);
  let last = 0;
  for (let left = count - 1; left > 0; left--) {
    await breathe();
    const [lastX, lastY, lastCore] = [xy[2 * last], xy[2 * last + 1], cores[last]];
    let least = 0;
    for (let i = 0; i < left; i++) {
      const dx = x[i] - lastX;
      const dy = y[i] - lastY;
      let d = dx * dx + dy * dy;
      if (d < core[i]) d = core[i];
      if (d < lastCore) d = lastCore;
      if (d < reach[i]) {
        reach[i] = d;
        from[i] = last;
      }
      if (reach[i] < reach[least]) least = i;
    }
    last = rest[least];
    edges.push({ a: from[least], b: last, distance: Math.sqrt(reach[least]) });
    for (const column of [rest, x, y, core, reach, from]) column[least] = column[left - 1];
  }
  return edges;
}

/** A binary tree: nodes below `count` are places, the others join two nodes each, the last of them all. */
interface Linkage {
  readonly count: number;
  /** Of the joining nodes, from `count` on: what they join, and at what distance. */
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly distance: Float64Array;
  /** Places under each node. */
  readonly size: Int32Array;
}

function linkage(edges: readonly Edge[]): Linkage {
  const count = edges.length + 1;
  const left = new Int32Array(edges.length);
  const right = new Int32Array(edges.length);
  const size = new Int32Array(2 * count - 1).fill(1, 0, count);
  const above = Int32Array.from({ length: 2 * count - 1 }, (_, i) => i);
  const top = (node: number): number => {
    let at = node;
    while (above[at] !== at) {
      above[at] = above[above[at]];
      at = above[at];
    }
    return at;
  };
  const sorted = [...edges].sort((p, q) => p.distance - q.distance);
  for (const [i, { a, b }] of sorted.entries()) {
    left[i] = top(a);
    right[i] = top(b);
    size[count + i] = size[left[i]] + size[right[i]];
    above[left[i]] = count + i;
    above[right[i]] = count + i;
  }
  return { count, left, right, size, distance: Float64Array.from(sorted, (e) => e.distance) };
}

/** The tree without what is too small to be a cluster. Cluster 0 is everything; children come after their parents. */
interface Condensed {
  readonly parent: number[];
  /** How long its places stay together: the sum over them of the densities between its birth and their leaving. */
  readonly stability: number[];
  /** The cluster that each place was in last. */
  readonly last: Int32Array;
}

/** Places that lie on each other are together up to a density that can still be counted with. */
const densest = 1e12;

function condense(tree: Linkage, leastSize: number): Condensed {
  const { count, left, right, size } = tree;
  const widest = tree.distance.at(-1) || 1;
  const density = (i: number) => Math.min(densest, widest / tree.distance[i]);
  const parent = [-1];
  const birth = [0];
  const stability = [0];
  const last = new Int32Array(count);
  function leave(node: number, cluster: number): void {
    const under = [node];
    for (let next = under.pop(); next !== undefined; next = under.pop()) {
      if (next < count) last[next] = cluster;
      else under.push(left[next - count], right[next - count]);
    }
  }
  const open: (readonly [node: number, cluster: number])[] = [[2 * count - 2, 0]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [node, cluster] = next;
    const lambda = density(node - count);
    const children = [left[node - count], right[node - count]];
    const parts = children.every((child) => size[child] >= leastSize);
    for (const child of children) {
      const stays = size[child] >= leastSize && !parts;
      if (!stays) stability[cluster] += (lambda - birth[cluster]) * size[child];
      if (parts) {
        open.push([child, parent.length]);
        parent.push(cluster);
        birth.push(lambda);
        stability.push(0);
      } else if (stays) open.push([child, cluster]);
      else leave(child, cluster);
    }
  }
  return { parent, stability, last };
}

/** Takes the clusters that are steadier than what they part into, and numbers them by size. */
function numbered({ parent, stability, last }: Condensed, cores: Float64Array): Spots {
  const within = new Float64Array(parent.length);
  const taken = parent.map(() => false);
  for (let c = parent.length - 1; c > 0; c--) {
    taken[c] = within[c] <= stability[c];
    within[parent[c]] += taken[c] ? stability[c] : within[c];
  }
  /** The uppermost cluster that was taken, of each cluster. */
  const spotOf = new Int32Array(parent.length).fill(-1);
  for (let c = 1; c < parent.length; c++) {
    const above = spotOf[parent[c]];
    spotOf[c] = above >= 0 ? above : taken[c] ? c : -1;
  }
  const found = new Map<number, { size: number; centre: number }>();
  for (const [place, cluster] of last.entries()) {
    const id = spotOf[cluster];
    if (id < 0) continue;
    const spot = found.get(id);
    if (!spot) found.set(id, { size: 1, centre: place });
    else {
      spot.size++;
      if (cores[place] < cores[spot.centre]) spot.centre = place;
    }
  }
  const order = [...found].sort(([, a], [, b]) => b.size - a.size || a.centre - b.centre);
  const numberOf = new Map(order.map(([id], n) => [id, n]));
  return {
    labels: last.map((cluster) => numberOf.get(spotOf[cluster]) ?? -1),
    spots: order.map(([, spot]) => spot),
  };
}
