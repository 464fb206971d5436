/** A decoding worker, told by messages what to read. See pool.ts for the other end. */
import { parentPort, workerData } from "node:worker_threads";
import type { DecodeTask, FromWorker, ToWorker } from "./pool.ts";
import { type Content, decodeContent, giveBackContent, type Outcome, readContent } from "./read.ts";

const port = parentPort;
if (!port) throw new Error("worker.ts runs in a worker thread");
const { recipe } = workerData as DecodeTask;
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

/** Asks, with the hash of a content, whether it is known already: what is need not be decoded. */
async function decodeWanted(id: number, content: Content, room: SharedArrayBuffer): Promise<Outcome> {
  const wanted = new Promise<boolean>((resolve) => void answers.set(id, resolve));
  say({ kind: "ask", id, hash: content.hash });
  try {
    return (await wanted)
      ? await decodeContent(content, recipe, new Float32Array(room))
      : { status: "known", hash: content.hash };
  } finally {
    giveBackContent(content);
  }
}

port.on("message", async (message: ToWorker) => {
  const { id } = message;
  if (message.kind === "answer") {
    answers.get(id)?.(message.wanted);
    answers.delete(id);
    return;
  }
  if (underWay++ === 0) began = performance.now();
  try {
    const start = performance.now();
    const content = readContent(message.image);
    const reading = performance.now() - start;
    const outcome = "status" in content ? content : await decodeWanted(id, content, message.room);
    underWay--;
    const milliseconds = { reading, all: spell() };
    say({ kind: "done", id, outcome, milliseconds });
  } catch (error) {
    underWay--;
    say({ kind: "bug", id, stack: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
