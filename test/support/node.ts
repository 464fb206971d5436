/** Devices, networks and what belongs to them, on Node, as tests open them. */
import { type CpuOptions, openCpu as openCpuOn } from "../../src/engine/cpu/device.ts";
import type { Heap } from "../../src/engine/cpu/heap.ts";
import { openPool as openPoolOn } from "../../src/engine/cpu/pool.ts";
import { type OpenDevice, openDevice as openDeviceOn } from "../../src/engine/devices.ts";
import { openAdapter as openAdapterOn } from "../../src/engine/webgpu/adapter.ts";
import {
  openWebGpu as openWebGpuOn,
  type WebGpuDevice,
  type WebGpuWishes,
} from "../../src/engine/webgpu/device.ts";
import { createGuard as createGuardOn } from "../../src/engine/webgpu/guard.ts";
import { imagenetNames as imagenetNamesIn } from "../../src/nets/imagenet.ts";
import type { Model } from "../../src/nets/index.ts";
import { seededWeights as seededWeightsIn } from "../../src/nets/seeded-weights.ts";
import {
  type IdentifyOptions,
  identifyCheckpoint as identifyCheckpointOn,
  type NetworkOptions,
  openNetwork as openNetworkOn,
} from "../../src/network/network.ts";
import { nodeGpu } from "../../src/node/gpu.ts";
import { nodePlatform } from "../../src/node/platform.ts";
import { nodeThreads } from "../../src/node/threads.ts";

export type { WebGpuDevice };

export const openDevice: OpenDevice = (name, wishes) => openDeviceOn(name, nodePlatform, wishes);
export const openCpu = (options?: CpuOptions) => openCpuOn(nodePlatform, options);
export const openPool = (heap: Heap, threads: number) => openPoolOn(heap, threads, nodeThreads);
export const openWebGpu = (wishes?: WebGpuWishes) => openWebGpuOn(nodePlatform, wishes);
export const openAdapter = () => openAdapterOn(nodeGpu);
export const createGuard = (device: GPUDevice) => createGuardOn(device, nodeGpu);
export const openNetwork = (options: NetworkOptions) => openNetworkOn(options, nodePlatform);

export const identifyCheckpoint = (path: string, options: IdentifyOptions = {}) =>
  identifyCheckpointOn(path, options, nodePlatform);

export const { statistics } = nodePlatform.own;
export const seededWeights = (network: string, variables: Parameters<typeof seededWeightsIn>[1]) =>
  seededWeightsIn(network, variables, statistics);
export const imagenetNames = (model: Model, classes: number) =>
  imagenetNamesIn(model, classes, nodePlatform.own.names);
