/**
 * Object-based (TensorFlow 2) checkpoints name tensors by the path to the object that owns them; the stored graph tells
 * the variable's own name (TrackableObjectGraph in trackable_object_graph.proto). Where a variable has none, the path is its
 * name: objects may be kept under the names that their variables should have.
 */
import { bytesOf, fieldsOf, text } from "./proto.ts";
import type { TensorValue } from "./tensor.ts";

export const objectGraphKey = "_CHECKPOINTABLE_OBJECT_GRAPH";

/** What TensorFlow calls variables that nobody named. */
const unnamed = /^Variable(_\d+)?$/;

/** The path in a variable's key: dots and slashes in the names of objects are escaped (python/trackable/trackable_utils.py). */
function pathIn(key: string): string | undefined {
  const path = /^(.+)\/\.ATTRIBUTES\/VARIABLE_VALUE$/.exec(key)?.[1];
  // A part that begins with a dot is TensorFlow's own, such as an optimizer's slot.
  if (path === undefined || /(^|\/)\.[A-RT-Z]/.test(path)) return undefined;
  return path.replace(/\.([.S])/g, (_, escaped) => (escaped === "S" ? "/" : "."));
}

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
      let own = "";
      let key = "";
      for (const f of fieldsOf(bytesOf(attribute, what), what)) {
        if (f.number === 2) own = text(bytesOf(f, what), what);
        else if (f.number === 3) key = text(bytesOf(f, what), what);
      }
      const name = own === "" || unnamed.test(own) ? (pathIn(key) ?? own) : own;
      if (name !== "" && !isKey(name) && isKey(key)) keys.set(name, (keys.get(name) ?? new Set()).add(key));
    }
  }
  return new Map([...keys].flatMap(([name, set]) => (set.size === 1 ? [[name, [...set][0]] as const] : [])));
}
