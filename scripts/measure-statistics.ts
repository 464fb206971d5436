/**
 * Measures the batch norm statistics that seeded weights need, where src/nets/statistics has none for a network:
 * `node --import tsx scripts/measure-statistics.ts NETWORK...`. Each moving mean and variance becomes what the samples
 * give at that place, layer after layer, so that activations stay as they are in a trained network.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { GraphNode } from "../src/engine/graph.ts";
import { preprocess } from "../src/images/index.ts";
import { opOf } from "../src/kernels/index.ts";
import { buildNetwork, findModel, type Model } from "../src/nets/index.ts";
import { ownFolders } from "../src/node/folder.ts";
import { decodeImage, listFolder } from "../src/node/images/index.ts";
import { seededVariable } from "../src/seeded.ts";
import { sizeOf } from "../src/tensor.ts";

const batch = 4;

async function readSamples(model: Model): Promise<Float32Array> {
  const folder = join(import.meta.dirname, "../samples");
  const paths = (await listFolder(folder, { globs: ["*.jpg", "*.png"] })).slice(0, batch);
  const pixels = sizeOf([model.inputSize, model.inputSize, model.inputChannels]);
  const images = new Float32Array(batch * pixels);
  for (const [i, { key }] of paths.entries()) {
    const image = await decodeImage(join(folder, key), { exif: "auto" });
    const recipe = {
      family: model.preprocess,
      mode: "slim",
      size: model.inputSize,
      channels: model.inputChannels,
    } as const;
    images.set(preprocess(image, recipe), i * pixels);
  }
  return images;
}

/** Mean and variance of each channel. */
function moments(values: Float32Array, channels: number): [mean: Float32Array, variance: Float32Array] {
  const [sum, squares] = [new Float64Array(channels), new Float64Array(channels)];
  for (let i = 0; i < values.length; i++) {
    sum[i % channels] += values[i];
    squares[i % channels] += values[i] * values[i];
  }
  const rows = values.length / channels;
  const mean = sum.map((s) => s / rows);
  const variance = squares.map((s, c) => Math.max(s / rows - mean[c] * mean[c], 1e-6));
  return [Float32Array.from(mean), Float32Array.from(variance)];
}

function compute(
  node: Extract<GraphNode, { kind: "op" }>,
  shapes: readonly (readonly number[])[],
  inputs: Float32Array[],
): Float32Array {
  const op = opOf(node.op);
  const geometry = op.infer(shapes, node.attrs);
  const out = new Float32Array(sizeOf(node.shape));
  op.reference(geometry, inputs, out);
  return out;
}

async function measure(name: string): Promise<void> {
  const model = findModel(name);
  const { nodes } = buildNetwork(model, batch);
  const lastUse = new Map<number, number>();
  nodes.forEach((node, i) => {
    if (node.kind === "op") for (const input of node.inputs) lastUse.set(input, i);
    if (node.kind === "reshape") lastUse.set(node.input, Number.POSITIVE_INFINITY);
  });
  const values = new Map<number, Float32Array>();
  const measured: [name: string, values: Float32Array][] = [];
  const images = await readSamples(model);
  for (const [i, node] of nodes.entries()) {
    if (node.kind === "input") values.set(i, images);
    else if (node.kind === "reshape") values.set(i, values.get(node.input) as Float32Array);
    else if (node.kind === "variable")
      values.set(i, seededVariable(node.name, node.shape) ?? new Float32Array(sizeOf(node.shape)));
    else {
      if (node.op === "batch_norm") {
        const statistics = moments(values.get(node.inputs[0]) as Float32Array, node.shape.at(-1) as number);
        statistics.forEach((statistic, k) => {
          const variable = nodes[node.inputs[1 + k]];
          if (variable.kind !== "variable" || !/moving_(mean|variance)$/.test(variable.name))
            throw new Error("not a statistic");
          values.set(node.inputs[1 + k], statistic);
          measured.push([variable.name, statistic]);
        });
      }
      const inputs = node.inputs.map((v) => values.get(v) as Float32Array);
      values.set(
        i,
        compute(
          node,
          node.inputs.map((v) => nodes[v].shape),
          inputs,
        ),
      );
      for (const input of node.inputs) if (lastUse.get(input) === i) values.delete(input);
    }
  }
  const path = ownFolders.statistics.at(`${name}.bn`);
  writeFileSync(`${path}.json`, JSON.stringify(measured.map(([n, v]) => [n, v.length])));
  writeFileSync(
    `${path}.f32`,
    Buffer.concat(measured.map(([, v]) => Buffer.from(v.buffer, v.byteOffset, v.byteLength))),
  );
  console.error(`${name}: ${measured.length} statistics`);
}

for (const name of process.argv.slice(2)) await measure(name);
