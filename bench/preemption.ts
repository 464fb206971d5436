/**
 * What losing workers costs: a simulation of many machines that compute shards, of which a part is taken away each hour. A
 * seed decides every loss, so that a figure can be had again:
 *
 *     npm run bench:preemption -- --workers 500 --per-hour 2 --rate 8.9 --images 1e9 --seed 1
 *
 * A worker computes shard after shard. It is lost after a time of an exponential distribution; what it had of its shard is
 * lost with it (its scratch folder too). The shard goes to another when its silence has lasted for the engine's patience; a
 * new worker comes after some time. `opening` is what a shard costs whatever its size: its inputs listed, its results put.
 */
import { parseArgs } from "node:util";
import { seededUnits } from "../src/seeded.ts";

interface Setting {
  readonly workers: number;
  /** Workers lost in an hour, in percent. */
  readonly perHour: number;
  /** Images a second of one worker. */
  readonly rate: number;
  readonly images: number;
  readonly perShard: number;
  /** Seconds: until a lost worker's shard is given to another, until there is a new worker, and before a shard's first image. */
  readonly patience: number;
  readonly replaced: number;
  readonly opening: number;
  readonly seed: string;
}

interface Outcome {
  readonly hours: number;
  /** Without any loss. */
  readonly idealHours: number;
  readonly losses: number;
  /** Of all computing, what was thrown away, in percent. */
  readonly wasted: number;
  readonly mostAttempts: number;
}

/** The least first. */
class Heap<T> {
  readonly #items: { at: number; item: T }[] = [];
  get size() {
    return this.#items.length;
  }
  push(at: number, item: T): void {
    const items = this.#items;
    items.push({ at, item });
    for (let i = items.length - 1; i > 0; ) {
      const up = (i - 1) >> 1;
      if (items[up].at <= items[i].at) break;
      [items[up], items[i]] = [items[i], items[up]];
      i = up;
    }
  }
  pop(): { at: number; item: T } | undefined {
    const items = this.#items;
    const first = items[0];
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    items[0] = last;
    for (let i = 0; ; ) {
      const [a, b] = [2 * i + 1, 2 * i + 2];
      let least = i;
      if (a < items.length && items[a].at < items[least].at) least = a;
      if (b < items.length && items[b].at < items[least].at) least = b;
      if (least === i) return first;
      [items[least], items[i]] = [items[i], items[least]];
      i = least;
    }
  }
}

/** Numbers from 0 to 1 without an end, of a seed. */
function units(seed: string): () => number {
  let block = 0;
  let at = 0;
  let values = new Float64Array();
  return () => {
    if (at === values.length) {
      values = Float64Array.from(seededUnits(`${seed} ${block++}`, 65_536), (u) => (u + 1) / 2);
      at = 0;
    }
    return values[at++];
  };
}

function simulate(setting: Setting): Outcome {
  const { workers, perHour, rate, images, perShard, patience, replaced, opening, seed } = setting;
  const shards = Math.ceil(images / perShard);
  const seconds = opening + perShard / rate;
  const random = units(`${seed} ${perShard}`);
  /** Seconds that a worker lives. */
  const lifetime = () =>
    perHour === 0 ? Number.POSITIVE_INFINITY : (-3600 * Math.log(1 - random())) / (perHour / 100);
  const attempts = new Uint16Array(shards);
  const lost: number[] = [];
  let next = 0;
  let done = 0;
  let [losses, wasted, spent, last] = [0, 0, 0, 0];
  type Event = { kind: "free"; ends: number } | { kind: "back"; shard: number };
  const events = new Heap<Event>();
  const idle: { ends: number }[] = [];
  for (let i = 0; i < workers; i++) events.push(0, { kind: "free", ends: lifetime() });

  function take(at: number, ends: number): void {
    const shard = lost.pop() ?? (next < shards ? next++ : undefined);
    if (shard === undefined) {
      idle.push({ ends });
      return;
    }
    attempts[shard]++;
    if (at + seconds <= ends) {
      spent += seconds;
      done++;
      last = Math.max(last, at + seconds);
      events.push(at + seconds, { kind: "free", ends });
      return;
    }
    const used = Math.max(0, ends - at);
    losses++;
    wasted += used;
    spent += used;
    events.push(ends + patience, { kind: "back", shard });
    events.push(ends + replaced, { kind: "free", ends: ends + replaced + lifetime() });
  }

  while (done < shards) {
    const event = events.pop();
    if (!event) break;
    if (event.item.kind === "free") take(event.at, event.item.ends);
    else {
      lost.push(event.item.shard);
      // One that waits, and was not lost meanwhile, takes it at once.
      let waiting = idle.pop();
      while (waiting && waiting.ends <= event.at) {
        events.push(Math.max(event.at, waiting.ends + replaced), {
          kind: "free",
          ends: waiting.ends + replaced + lifetime(),
        });
        waiting = idle.pop();
      }
      if (waiting) take(event.at, waiting.ends);
    }
  }
  return {
    hours: last / 3600,
    idealHours: images / rate / workers / 3600,
    losses,
    wasted: (100 * wasted) / spent,
    mostAttempts: attempts.reduce((a, b) => Math.max(a, b), 0),
  };
}

const { values } = parseArgs({
  options: {
    workers: { type: "string", default: "500" },
    "per-hour": { type: "string", default: "2" },
    rate: { type: "string", default: "8.9" },
    images: { type: "string", default: "1e9" },
    "per-shard": { type: "string", default: "1000,10000,100000,1000000" },
    patience: { type: "string", default: "60" },
    replaced: { type: "string", default: "180" },
    opening: { type: "string", default: "1" },
    seed: { type: "string", default: "1" },
  },
});
const number = (text: string) => Number(text);
console.log(
  "| images a shard | shards | hours a shard | hours | without loss | losses | wasted | most attempts |",
);
console.log("| -: | -: | -: | -: | -: | -: | -: | -: |");
for (const perShard of values["per-shard"].split(",").map(Number)) {
  const setting: Setting = {
    workers: number(values.workers),
    perHour: number(values["per-hour"]),
    rate: number(values.rate),
    images: number(values.images),
    perShard,
    patience: number(values.patience),
    replaced: number(values.replaced),
    opening: number(values.opening),
    seed: values.seed,
  };
  const { hours, idealHours, losses, wasted, mostAttempts } = simulate(setting);
  const shards = Math.ceil(setting.images / perShard);
  const cells = [
    perShard,
    shards,
    (perShard / setting.rate / 3600).toPrecision(3),
    hours.toFixed(1),
    idealHours.toFixed(1),
    losses,
    `${wasted.toFixed(2)} %`,
    mostAttempts,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
