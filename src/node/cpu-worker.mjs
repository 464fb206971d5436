/** A thread of the CPU path as a worker of Node: it sleeps until a run begins, and reads then what it was sent meanwhile. */
import { parentPort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { word } from "../engine/cpu/steps.mjs";
import { openThread } from "../engine/cpu/thread.mjs";

const thread = openThread(workerData, (reason) => parentPort.postMessage(reason));

function receive() {
  for (let got = receiveMessageOnPort(parentPort); got; got = receiveMessageOnPort(parentPort))
    thread.take(got.message);
}

let seen = 0;
parentPort.postMessage("ready");
for (;;) {
  Atomics.wait(thread.control, word.run, seen);
  seen = Atomics.load(thread.control, word.run);
  receive();
  thread.takePart();
}
