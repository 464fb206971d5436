/** Where every worker that needs our modules begins: it runs the script that it was handed. */
import { workerData } from "node:worker_threads";
import { run } from "./bundle.mjs";

run(workerData.script);
