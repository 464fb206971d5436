/**
 * Graphs with the weights in them: frozen GraphDefs, and SavedModels whose graph is frozen (tensorflow/core/framework/
 * {graph,node_def,function}.proto, protobuf/{meta_graph,saved_model}.proto). Each Const node is a tensor under its own name; what
 * is indexed of it is where it lies. Nothing in a graph is executed.
 */
import { CheckpointError } from "../errors.ts";
import type { ByteSource, Files } from "../platform/files.ts";
import { sizeOf } from "../tensor.ts";
import { damaged, openByteFile } from "./bytes.ts";
import { dtypeOf } from "./dtypes.ts";
import { tensorShape, text } from "./proto.ts";
import { type Range, type Ranges, rangesOf } from "./ranges.ts";
import {
  type Caveat,
  missingTensor,
  type Opened,
  sortNames,
  type TensorEntry,
  type TensorValue,
  toFloat32,
  unreadable,
} from "./tensor.ts";
import { constantValues, type TensorHead, tensorHead } from "./tensor-proto.ts";

interface Constant extends TensorHead {
  /** Of its TensorProto. */
  readonly range: Range;
}

/** Longer names than these are no node's. */
const longestName = 2 ** 16;

/** What all names together may take, and what is kept beside each; real graphs have well under a megabyte of names. */
const mostNameBytes = 2 ** 26;
const besideName = 64;

/** A node says first what it is called and what it does, in this way. */
const opPattern = /^[A-Za-z_][A-Za-z0-9_>./-]*$/;

async function textAt(ranges: Ranges, { from, to }: Range, what: string): Promise<string> {
  if (to - from > longestName) throw damaged(what, `a name has ${to - from} bytes`);
  return text(await ranges.bytes({ from, to }), what);
}

/** The first of a message's early fields that is a message of this number and passes. */
async function firstField(
  ranges: Ranges,
  range: Range,
  number: number,
  passes: (found: Range) => Promise<boolean>,
): Promise<Range | undefined> {
  let seen = 0;
  for await (const field of ranges.fields(range)) {
    if (field.number === number && field.wire === "bytes") return (await passes(field)) ? field : undefined;
    if (++seen === 64) break;
  }
  return undefined;
}

async function isNode(ranges: Ranges, range: Range, what: string): Promise<boolean> {
  let named = false;
  for await (const field of ranges.fields(range)) {
    if (field.wire !== "bytes") return false;
    const words = await textAt(ranges, field, what);
    if (field.number === 2) return named && opPattern.test(words);
    if (field.number !== 1) return false;
    named = true;
  }
  return false;
}

/** The GraphDef in a file: the whole of it, that of a MetaGraphDef, or that of a SavedModel's graph for serving. */
async function graphIn(file: ByteSource): Promise<Range | undefined> {
  const ranges = rangesOf(file, file.path);
  const isGraph = async (range: Range) =>
    (await firstField(ranges, range, 1, (node) => isNode(ranges, node, file.path))) !== undefined;
  const inMeta = (range: Range) => firstField(ranges, range, 2, isGraph);
  const whole = { from: 0, to: file.size };
  const readAs = (find: () => Promise<Range | undefined>) =>
    find().catch((error: unknown) => {
      // Read as another kind of message than it is, a file looks damaged.
      if (error instanceof CheckpointError) return undefined;
      throw error;
    });

  async function ofSavedModel(): Promise<Range | undefined> {
    let chosen: Range | undefined;
    let first = true;
    for await (const field of ranges.fields(whole)) {
      // The version of a SavedModel's schema, of which there is one.
      if (first && !(field.number === 1 && field.wire === "varint" && field.varint === 1n)) return undefined;
      first = false;
      if (field.number !== 2 || field.wire !== "bytes") continue;
      const graph = await inMeta(field);
      const serves = (await tagsOf(ranges, field, file.path)).includes("serve");
      if (graph && (serves || !chosen)) chosen = graph;
      if (graph && serves) break;
    }
    return chosen;
  }

  return (
    (await readAs(async () => ((await isGraph(whole)) ? whole : undefined))) ??
    (await readAs(() => inMeta(whole))) ??
    (await readAs(ofSavedModel))
  );
}

/** Whether a file begins as a graph does, whatever it is called. */
export const isGraphFile = async (file: ByteSource): Promise<boolean> => (await graphIn(file)) !== undefined;

async function tagsOf(ranges: Ranges, meta: Range, what: string): Promise<string[]> {
  const tags: string[] = [];
  for await (const field of ranges.fields(meta)) {
    if (field.number !== 1 || field.wire !== "bytes") continue;
    for await (const info of ranges.fields(field))
      if (info.number === 4 && info.wire === "bytes") tags.push(await textAt(ranges, info, what));
    break;
  }
  return tags;
}

interface Node {
  readonly name: string;
  readonly op: string;
  readonly tensor?: Range;
}

async function readNode(ranges: Ranges, range: Range, what: string): Promise<Node> {
  let name = "";
  let op = "";
  const attributes: Range[] = [];
  for await (const field of ranges.fields(range)) {
    if (field.wire !== "bytes") continue;
    if (field.number === 1) name = await textAt(ranges, field, what);
    else if (field.number === 2) op = await textAt(ranges, field, what);
    else if (field.number === 5) attributes.push(field);
  }
  if (op !== "Const") return { name, op };
  for (const attribute of attributes) {
    let isValue = false;
    let value: Range | undefined;
    for await (const field of ranges.fields(attribute)) {
      if (field.wire !== "bytes") continue;
      if (field.number === 1) isValue = (await textAt(ranges, field, what)) === "value";
      else if (field.number === 2) value = field;
    }
    if (!isValue || !value) continue;
    for await (const field of ranges.fields(value))
      if (field.number === 8 && field.wire === "bytes") return { name, op, tensor: field };
  }
  throw damaged(what, `the constant ${name} has no value`);
}

/** Type and shape stand before the values, which are not walked over here; whoever reads these looks again. */
async function headAt(ranges: Ranges, range: Range, what: string): Promise<TensorHead> {
  let dtype = 0;
  let shape: readonly number[] = [];
  for await (const field of ranges.fields(range)) {
    if (field.number > 2) break;
    if (field.number === 1 && field.wire === "varint") dtype = Number(field.varint);
    else if (field.number === 2 && field.wire === "bytes") {
      if (field.to - field.from > longestName) throw damaged(what, "a tensor has more dimensions than any");
      shape = tensorShape(await ranges.bytes(field), what);
    }
  }
  return { dtype, shape };
}

/** What was done to a graph so that its constants are not its network's variables, told by some of its nodes. */
const signs: readonly {
  readonly seen: (node: Node) => boolean;
  readonly says: (count: number, example: string) => string;
  readonly always: boolean;
}[] = [
  {
    seen: ({ op }) => /^(Fake)?Quant|^Dequantize|^Requant/.test(op),
    says: (n, example) =>
      `The graph is quantized (${n} nodes such as ${example}): what it computes is not what its weights give in floating point. Freeze the network before it is quantized, or name its checkpoint.`,
    always: true,
  },
  {
    seen: ({ name, op }) => op === "Const" && /_bn_offset$|\/BatchNorm_Fold\//.test(name),
    says: (n, example) =>
      `Batch norms were folded into the weights of the graph (${n} constants such as ${example}): the variables of the network are no longer in it. Freeze the network without folding, or name its checkpoint.`,
    always: true,
  },
  {
    seen: ({ op }) => /^(Variable(V2)?|VarHandleOp)$/.test(op),
    says: (n, example) =>
      `The graph is not frozen: it has ${n} variables without their values (such as ${example}). Name the checkpoint that belongs to it.`,
    always: false,
  },
  {
    seen: ({ name, op }) => op === "Const" && name.endsWith("/ReadVariableOp/resource"),
    says: (n, example) =>
      `${n} constants of the graph are named after the operations that read them (such as ${example}), as TensorFlow 2 freezes: the variables' own names are lost. Name the SavedModel or the checkpoint that it was made from.`,
    always: false,
  },
];

interface Index {
  readonly constants: ReadonlyMap<string, Constant>;
  readonly caveat?: Caveat;
}

async function indexOf(ranges: Ranges, graph: Range): Promise<Index> {
  const what = ranges.file.path;
  const constants = new Map<string, Constant>();
  const seen = signs.map(() => ({ count: 0, example: "" }));
  let nameBytes = 0;

  /** `inFunction` is the name of the function that the node is in; its constants may be called like those of others. */
  async function add(range: Range, inFunction?: string): Promise<void> {
    const node = await readNode(ranges, range, what);
    signs.forEach((sign, i) => {
      if (!sign.seen(node)) return;
      seen[i].count++;
      seen[i].example ||= `${node.name}, ${node.op}`;
    });
    if (!node.tensor) return;
    const taken = constants.has(node.name) && inFunction !== undefined;
    const name = taken ? `${inFunction}/${node.name}` : node.name;
    if (constants.has(name)) throw damaged(what, `two of its nodes are called ${name}`);
    nameBytes += name.length + besideName;
    if (nameBytes > mostNameBytes) throw damaged(what, "its names are longer than any are");
    constants.set(name, {
      ...(await headAt(ranges, node.tensor, `the constant ${name} in ${what}`)),
      range: node.tensor,
    });
  }

  const functions: Range[] = [];
  for await (const field of ranges.fields(graph)) {
    if (field.wire !== "bytes") continue;
    if (field.number === 1) await add(field);
    if (field.number !== 2) continue;
    for await (const inner of ranges.fields(field))
      if (inner.number === 1 && inner.wire === "bytes") functions.push(inner);
  }
  // Behind the graph's own nodes, so that these keep their names.
  for (const range of functions) {
    let called = "";
    for await (const field of ranges.fields(range)) {
      if (field.wire !== "bytes") continue;
      if (field.number === 1) {
        for await (const signature of ranges.fields(field)) {
          if (signature.number !== 1 || signature.wire !== "bytes") continue;
          called = await textAt(ranges, signature, what);
          break;
        }
      } else if (field.number === 3) await add(field, called);
    }
  }
  const at = seen.findIndex(({ count }) => count > 0);
  if (at < 0) return { constants };
  const { says, always } = signs[at];
  return { constants, caveat: { sentence: says(seen[at].count, seen[at].example), always } };
}

/** Some tools put the constant in the place of the node that reads the variable. */
const readSuffix = "/read";

/** Opens a graph. `shown` is the path that the user named. @throws CheckpointError where there is none, or it is damaged. */
export async function openGraph(path: string, shown: string, files: Files): Promise<Opened> {
  const file = await openByteFile(path, files);
  try {
    const graph = await graphIn(file);
    if (!graph) throw damaged(path, "it holds no graph that can be read");
    return openIndexed(file, await indexOf(rangesOf(file, path), graph), shown);
  } catch (error) {
    await file.close();
    throw error;
  }
}

function openIndexed(file: ByteSource, { constants, caveat }: Index, shown: string): Opened {
  const names = sortNames(constants.keys());
  const aliases = new Map(
    names.flatMap((name) => {
      const variable = name.endsWith(readSuffix) ? name.slice(0, -readSuffix.length) : "";
      return variable !== "" && !constants.has(variable) ? [[variable, name] as const] : [];
    }),
  );

  function describe(name: string, { dtype, shape, range }: Constant): TensorEntry {
    const { name: dtypeName, width } = dtypeOf(dtype);
    return {
      name,
      dtype: dtypeName,
      shape,
      bytes: width > 0 ? width * sizeOf(shape) : range.to - range.from,
    };
  }

  async function read(wanted: string): Promise<TensorValue> {
    const name = aliases.get(wanted) ?? wanted;
    const constant = constants.get(name);
    if (!constant) throw missingTensor(shown, wanted);
    const what = `the tensor ${name} in ${shown}`;
    const dtype = dtypeOf(constant.dtype);
    if (!dtype.listed) throw unreadable(shown, describe(name, constant));
    const { from, to } = constant.range;
    const message = await file.read(from, to - from);
    const { dtype: told, shape } = tensorHead(message, what);
    const count = sizeOf(shape);
    if (told !== constant.dtype || shape.join() !== constant.shape.join())
      throw damaged(what, "its type or shape is told twice");
    return { dtype: dtype.name, shape, data: constantValues(message, dtype, count, what) };
  }

  return {
    path: shown,
    format: "frozen graph",
    names,
    aliases,
    caveat,
    entry(wanted) {
      const name = aliases.get(wanted) ?? wanted;
      const constant = constants.get(name);
      return constant && describe(name, constant);
    },
    read,
    readFloat32: async (name) => toFloat32(shown, name, await read(name)),
    close: () => file.close(),
  };
}
