/** Logits beside the end points that were asked for: what an image shows, for next to nothing. */
import { notFinite } from "../engine/finite.ts";
import { needs } from "../engine/needs.ts";
import type { WeightSource } from "../engine/weights.ts";
import { CheckpointError } from "../errors.ts";
import { logitsOf } from "../nets/end-points.ts";
import { buildNetwork, type GraphOptions, type Model } from "../nets/index.ts";
import { fitOf } from "./fit.ts";
import type { Scope, Shapes } from "./scopes.ts";

interface LogitsWish {
  readonly source: WeightSource;
  /** Every tensor of the file, where the network's are under `scope`. */
  readonly shapes: Shapes;
  readonly scope: Scope;
  readonly endPoints: readonly string[];
  readonly options: GraphOptions;
}

/** The part of the work up to the end points that logits besides may cost. */
const littleWork = 0.05;

/**
 * The logits' end point where it comes at next to no cost. A file whose logits are damaged or are no numbers still gives the
 * end points that were asked for, so its head is read here.
 */
export async function logitsBeside(
  model: Model,
  { source, shapes, scope, endPoints, options }: LogitsWish,
): Promise<string | undefined> {
  const graph = buildNetwork(model, 1, options);
  const logits = logitsOf(graph);
  if (!graph.endPoints.has(logits) || endPoints.includes(logits)) return undefined;
  const [asked, both] = [needs(graph, endPoints), needs(graph, [...endPoints, logits])];
  if (both.macs > (1 + littleWork) * asked.macs) return undefined;
  if (fitOf(model, shapes, [...endPoints, logits], options, scope).misfits.length > 0) return undefined;
  const known = new Set(asked.variables.map((v) => v.name));
  for (const { name } of both.variables.filter((v) => !known.has(v.name))) {
    const values = await source.read(name).catch((error: unknown) => {
      if (error instanceof CheckpointError) return undefined;
      throw error;
    });
    if (!values || notFinite(values) !== undefined) return undefined;
  }
  return logits;
}
