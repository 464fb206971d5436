"""
Makes test/reference/graphs: the first layers of mobilenet_v1_025 as TensorFlow itself freezes and saves them, and constants
of every type in every form that a TensorProto has. By hand, with tensorflow-cpu 2.x:

    python scripts/make-graphs.py test/reference/graphs
"""
import json, os, shutil, sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import graph_pb2
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.python.tools import optimize_for_inference_lib

v1 = tf.compat.v1
out = sys.argv[1]
shutil.rmtree(out, ignore_errors=True)
os.makedirs(out)
chance = np.random.RandomState(15)

root = "MobilenetV1/Conv2d_"
shapes = {}
for layer, weights, channels in (
    ("0", ("weights", [3, 3, 3, 8]), 8),
    ("1_depthwise", ("depthwise_weights", [3, 3, 8, 1]), 8),
    ("1_pointwise", ("weights", [1, 1, 8, 16]), 16),
):
    shapes[f"{root}{layer}/{weights[0]}"] = weights[1]
    for part in ("beta", "gamma", "moving_mean", "moving_variance"):
        shapes[f"{root}{layer}/BatchNorm/{part}"] = [channels]
values = {}
for name, shape in shapes.items():
    drawn = chance.uniform(-1, 1, shape).astype(np.float32)
    values[name] = np.abs(drawn) + np.float32(0.5) if name.endswith(("variance", "gamma")) else drawn
# A beta that is the same number throughout: TensorFlow stores it once.
values[f"{root}0/BatchNorm/beta"][:] = 0.25


def layers(images, read):
    """The three layers, each variable as `read` gives it."""
    x = images
    for layer, stride in (("0", 2), ("1_depthwise", 1), ("1_pointwise", 1)):
        scope = root + layer
        if layer.endswith("depthwise"):
            x = tf.nn.depthwise_conv2d(x, read(f"{scope}/depthwise_weights"), [1, 1, 1, 1], "SAME")
        else:
            x = tf.nn.conv2d(x, read(f"{scope}/weights"), [1, stride, stride, 1], "SAME")
        b = [read(f"{scope}/BatchNorm/{p}") for p in ("gamma", "beta", "moving_mean", "moving_variance")]
        x, _, _ = v1.nn.fused_batch_norm(x, *b, epsilon=0.001, is_training=False, name=f"{scope}/bn")
        x = tf.nn.relu6(x)
    return tf.identity(x, name="output")


def write(name, graph):
    with open(os.path.join(out, name), "wb") as f:
        f.write(graph.SerializeToString())


def session_graph(resource, prefix=""):
    """A TensorFlow 1 session with the variables set: `use` is called inside it."""
    graph = tf.Graph()

    def run(use):
        with graph.as_default(), v1.Session() as session:
            images = v1.placeholder(tf.float32, [None, 16, 16, 3], "input")
            made = {}
            for name in shapes:
                with v1.variable_scope("", use_resource=resource):
                    made[name] = v1.get_variable(prefix + name, initializer=values[name])
            result = layers(images, lambda name: made[name])
            session.run(v1.global_variables_initializer())
            return use(session, images, result)

    return run


freeze = lambda s, *_: v1.graph_util.convert_variables_to_constants(s, s.graph.as_graph_def(), ["output"])
frozen = session_graph(False)(freeze)
write("frozen.pb", frozen)
write("frozen_resource.pb", session_graph(True)(freeze))
write("frozen_scoped.pb", session_graph(False, "FeatureExtractor/")(freeze))
write("unfrozen.pb", session_graph(False)(lambda s, *_: s.graph.as_graph_def()))
write("folded.pb", optimize_for_inference_lib.optimize_for_inference(frozen, ["input"], ["output"], 1))
with open(os.path.join(out, "frozen.pbtxt"), "w") as f:
    f.write(text_format.MessageToString(frozen)[:2000])


def save_v1(folder):
    def use(session, images, result):
        v1.saved_model.simple_save(session, os.path.join(out, folder), {"images": images}, {"output": result})

    return use


session_graph(False, "module/")(save_v1("saved_v1"))


class Module(tf.Module):
    def __init__(self):
        super().__init__()
        # Lists give the variables the keys that their places have; their own names stand in the object graph.
        self.kept = [tf.Variable(values[name], name=name) for name in shapes]

    @tf.function(input_signature=[tf.TensorSpec([None, 16, 16, 3], tf.float32)])
    def __call__(self, images):
        return layers(images, lambda name: dict(zip(shapes, self.kept))[name])


module = Module()
tf.saved_model.save(module, os.path.join(out, "saved_v2"))
write("frozen_v2.pb", convert_variables_to_constants_v2(module.__call__.get_concrete_function()).graph.as_graph_def())


# Variables without names of their own, which stand under TF-Slim's in the object that keeps them.
unnamed = tf.train.Checkpoint(net=tf.train.Checkpoint(**{n: tf.Variable(v) for n, v in values.items()}))
unnamed.write(os.path.join(out, "objects.ckpt"))


class Wrapped(tf.Module):
    def __init__(self):
        super().__init__()
        whole = v1.wrap_function(lambda: tf.import_graph_def(frozen, name=""), [])
        pruned = whole.prune(whole.graph.get_tensor_by_name("input:0"), whole.graph.get_tensor_by_name("output:0"))
        self.serve = tf.function(lambda images: pruned(images), input_signature=[tf.TensorSpec([None, 16, 16, 3])])


tf.saved_model.save(Wrapped(), os.path.join(out, "saved_frozen_v2"))


def save_frozen_v1():
    with tf.Graph().as_default() as graph, v1.Session(graph=graph) as session:
        tf.import_graph_def(frozen, name="")
        ends = [graph.get_tensor_by_name(n) for n in ("input:0", "output:0")]
        v1.saved_model.simple_save(session, os.path.join(out, "saved_frozen"), {"images": ends[0]}, {"output": ends[1]})


save_frozen_v1()

# Constants: content, lists, lists that stop where the rest repeats, nothing at all.
types = graph_pb2.GraphDef()
expected = {}


def constant(name, proto, dtype, shape):
    node = types.node.add(name=name, op="Const")
    node.attr["dtype"].type = dtype.as_datatype_enum
    proto.dtype = dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(proto)
    expected[name] = {"dtype": {"half": "float16"}.get(dtype.name, dtype.name), "shape": shape}


for dtype in (tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8,
              tf.uint16, tf.uint32, tf.uint64, tf.bool, tf.complex64, tf.complex128, tf.string):
    if dtype == tf.string:
        array = np.array([[b"a", b"\xff\0", b""], [b"d", b"e", b"f"]], dtype=object)
    elif dtype == tf.bool:
        array = np.array([[1, 0, 0], [1, 1, 0]], dtype=bool)
    else:
        array = np.array([[0, 1, 2], [3, 100, 5]], dtype=np.float64)
        array = (array * (1 if dtype.is_unsigned else -1)).astype(dtype.as_numpy_dtype)
    content = tf.make_tensor_proto(array)
    constant(f"{dtype.name}/content", content, dtype, [2, 3])
    field = {tf.float32: "float_val", tf.float64: "double_val", tf.float16: "half_val", tf.bfloat16: "half_val",
             tf.int64: "int64_val", tf.uint32: "uint32_val", tf.uint64: "uint64_val", tf.bool: "bool_val",
             tf.complex64: "scomplex_val", tf.complex128: "dcomplex_val", tf.string: "string_val"}.get(dtype, "int_val")
    plain = array.reshape(-1)
    if dtype in (tf.float16, tf.bfloat16):
        plain = plain.view(np.uint16)
    cells = [p for v in plain for p in ((v.real, v.imag) if dtype.is_complex else (v,))]
    cells = [c if dtype == tf.string else c.item() for c in cells]
    width = 2 if dtype.is_complex else 1
    for name, kept in (("list", 6), ("repeated", 4), ("once", 1), ("empty", 0)):
        proto = tf.make_tensor_proto(array)
        proto.ClearField("tensor_content")
        proto.ClearField(field)
        getattr(proto, field).extend(cells[: kept * width])
        constant(f"{dtype.name}/{name}", proto, dtype, [2, 3])
write("dtypes.pb", types)
with tf.Graph().as_default() as graph, v1.Session() as session:
    tf.import_graph_def(types, name="")
    for name, want in expected.items():
        found = session.run(f"{name}:0").reshape(-1)
        if want["dtype"] in ("bfloat16", "float16"):
            found = found.astype(np.float32)
        want["values"] = [
            v.decode("latin1") if isinstance(v, bytes) else [v.real, v.imag] if isinstance(v, complex) else
            str(v) if isinstance(v, int) and not isinstance(v, bool) else v
            for v in found.tolist()
        ]

images = chance.uniform(-1, 1, [1, 16, 16, 3]).astype(np.float32)
with tf.Graph().as_default() as graph, v1.Session() as session:
    tf.import_graph_def(frozen, name="")
    result = session.run("output:0", {"input:0": images})
floats = lambda array: [float(v) for v in np.asarray(array).reshape(-1)]
with open(os.path.join(out, "graphs.json"), "w") as f:
    json.dump({
        "layers": {n: {"dtype": "float32", "shape": shapes[n], "values": floats(values[n])} for n in shapes},
        "dtypes": expected,
        "run": {"input": floats(images), "output": floats(result)},
    }, f, separators=(",", ":"))
