/** A decoding worker, told by messages what to read. See pool.ts for the other end. */
import { parentPort, workerData } from "node:worker_threads";
import type { DecodeTask, FromWorker, SentOutcome, ToWorker } from "./pool.ts";
import { type Content, decodeContent, giveBackContent, type Outcome, readContent } from "./read.ts";
import { maybeSeen } from "./seen.ts";

const port = parentPort;
if (!port) throw new Error("worker.ts runs in a worker thread");
const { recipe, seen } = workerData as DecodeTask;
/** By their numbers. */
const rooms: Float32Array[] = [];
const answers = new Map<number, (wanted: boolean) => void>();
/** Images under way, and when the present spell of work began. */
let underWay = 0;
let began = 0;

const say = (message: FromWorker) => port.postMessage(message);

/** Time of work since the last image was done: two images that are under way together count once. */
function spell(): number {
  const now = performance.now();
  const milliseconds = now - began;
  began = now;
  return milliseconds;
}

/** Whether a content is to be decoded; asked only where it may be known. */
function isWanted(id: number, hash: string): boolean | Promise<boolean> {
  if (seen && !maybeSeen(seen, hash)) return true;
  const wanted = new Promise<boolean>((resolve) => void answers.set(id, resolve));
  say({ kind: "ask", id, hash });
  return wanted;
}

async function decodeWanted(id: number, content: Content, room: Float32Array): Promise<Outcome> {
  try {
    return (await isWanted(id, content.hash))
      ? await decodeContent(content, recipe, room)
      : { status: "known", hash: content.hash };
  } finally {
    giveBackContent(content);
  }
}

/** A room lies in shared memory: whoever lent it has what is in it. */
function withoutInput(outcome: Outcome): SentOutcome {
  if (outcome.status !== "ok") return outcome;
  const { status, hash, facts } = outcome;
  return { status, hash, facts };
}

port.on("message", async (message: ToWorker) => {
  const { id } = message;
  if (message.kind === "answer") {
    answers.get(id)?.(message.wanted);
    answers.delete(id);
    return;
  }
  const { image, room } = message;
  if (room.memory) rooms[room.number] = new Float32Array(room.memory);
  if (underWay++ === 0) began = performance.now();
  try {
    const start = performance.now();
    const content = readContent(image);
    const reading = performance.now() - start;
    const outcome = "status" in content ? content : await decodeWanted(id, content, rooms[room.number]);
    underWay--;
    const milliseconds = { reading, all: spell() };
    say({ kind: "done", id, outcome: withoutInput(outcome), milliseconds });
  } catch (error) {
    underWay--;
    say({ kind: "bug", id, stack: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
