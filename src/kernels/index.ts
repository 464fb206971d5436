/** The list of operations. Adding one is a file and a line here. */
import { conv2d } from "./conv2d.ts";
import { depthwiseConv2d } from "./depthwise-conv2d.ts";
import { add, batchNorm, biasAdd, relu, relu6 } from "./elementwise.ts";
import { concat, pad } from "./layout.ts";
import { matmul } from "./matmul.ts";
import type { Geometry, Op } from "./op.ts";
import { avgPool, maxPool } from "./pool.ts";
import { lrn, mean, softmax } from "./reduce.ts";
import { resizeBilinear } from "./resize-bilinear.ts";

export const ops = {
  conv2d,
  depthwise_conv2d: depthwiseConv2d,
  max_pool: maxPool,
  avg_pool: avgPool,
  batch_norm: batchNorm,
  concat,
  matmul,
  bias_add: biasAdd,
  add,
  relu,
  relu6,
  softmax,
  pad,
  mean,
  lrn,
  resize_bilinear: resizeBilinear,
} as const;

export type OpName = keyof typeof ops;

/** The attributes of the operation `N`, as a network writes them. */
export type AttrsOf<N extends OpName> = (typeof ops)[N] extends Op<infer A, infer _G> ? A : never;

/** An operation whose attribute and geometry types are not known here; they come from its own `infer`. */
export type AnyOp = Op<unknown, Geometry>;

/** The record of an operation by name. */
export const opOf = (name: OpName): AnyOp => ops[name] as unknown as AnyOp;
