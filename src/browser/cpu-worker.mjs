/**
 * A thread of the CPU path as a worker of a page. What it is sent comes by its event loop, so it does not sleep as a thread of a
 * process does, but has itself called when a run begins; what the run is of may come a moment later.
 */
import { word } from "../engine/cpu/steps.mjs";
import { openThread } from "../engine/cpu/thread.mjs";

async function serve(data) {
  const thread = openThread(data, (reason) => self.postMessage(reason));
  let came = () => {};
  self.onmessage = ({ data: sent }) => {
    thread.take(sent);
    came();
  };
  self.postMessage("ready");
  for (let seen = 0; ; ) {
    await Atomics.waitAsync(thread.control, word.run, seen).value;
    seen = Atomics.load(thread.control, word.run);
    while (!thread.knows()) {
      await new Promise((resolve) => {
        came = resolve;
      });
    }
    thread.takePart();
  }
}

self.onmessage = ({ data }) => void serve(data);
