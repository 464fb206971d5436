/**
 * Object-based (TensorFlow 2) checkpoints name tensors by the path to the object that owns them; the stored graph tells
 * the variable's own name (TrackableObjectGraph in trackable_object_graph.proto).
 */
import { bytesOf, fieldsOf, text } from "./proto.ts";
import type { TensorValue } from "./tensor.ts";

export const objectGraphKey = "_CHECKPOINTABLE_OBJECT_GRAPH";

/** Variable names to keys, where a name is that of one tensor only and no key itself. */
export function objectNames(
  { data }: TensorValue,
  isKey: (key: string) => boolean,
): ReadonlyMap<string, string> {
  const keys = new Map<string, Set<string>>();
  const what = `the stored object graph`;
  const graph = Array.isArray(data) && data.length === 1 ? data[0] : new Uint8Array(0);
  for (const node of fieldsOf(graph, what)) {
    if (node.number !== 1) continue;
    for (const attribute of fieldsOf(bytesOf(node, what), what)) {
      if (attribute.number !== 2) continue;
      let name = "";
      let key = "";
      for (const f of fieldsOf(bytesOf(attribute, what), what)) {
        if (f.number === 2) name = text(bytesOf(f, what), what);
        else if (f.number === 3) key = text(bytesOf(f, what), what);
      }
      if (name !== "" && !isKey(name) && isKey(key)) keys.set(name, (keys.get(name) ?? new Set()).add(key));
    }
  }
  return new Map([...keys].flatMap(([name, set]) => (set.size === 1 ? [[name, [...set][0]] as const] : [])));
}
