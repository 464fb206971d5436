"""
Asks TensorFlow about damaged checkpoints that the project's reader accepts, and compares the verdicts. By hand:

    npm run fuzz -- --target checkpoint --count 3000 --seed d --keep /tmp/accepted
    python scripts/differential.py /tmp/accepted

Each mutant is read in a process of its own, forked after TensorFlow is loaded: some make it end. Needs tensorflow-cpu.
"""
import base64, collections, hashlib, json, os, re, signal, sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import tensorflow as tf


def digest(name, value):
    """The digest that fuzz/target.ts makes of a tensor: its type, its shape and its bytes, each with a zero behind."""
    dtype = {"half": "float16"}.get(name, name)
    if dtype == "string":
        parts = [bytes(v) for v in np.asarray(value, dtype=object).reshape(-1)]
    elif dtype in ("float16", "bfloat16"):
        parts = [np.asarray(value).astype(np.float32).tobytes()]
    else:
        parts = [np.ascontiguousarray(value).tobytes()]
    shape = ",".join(str(d) for d in np.shape(value))
    found = hashlib.sha1()
    for part in [dtype.encode(), shape.encode(), *parts]:
        found.update(part + b"\0")
    return base64.b64encode(found.digest()).decode()


def prefix_of(folder, opened):
    """What TensorFlow calls the checkpoint: it takes a prefix where the project takes any file of it."""
    names = sorted(os.listdir(folder))
    name = opened
    if name == "":
        index = [n for n in names if n.endswith(".index")]
        name = (index or names)[0]
    name = re.sub(r"\.(index|data-\d{5}-of-\d{5})$", "", name)
    if f"{name}.index" not in names:
        name = re.sub(r"-\d{5}-of-\d{5}$", "", name) if name not in names or "-of-" in name else name
    shards = [n for n in names if n.startswith(f"{name}-") and "-of-" in n]
    return os.path.join(folder, f"{name}-?????-of-?????" if shards else name)


def ask(path):
    """TensorFlow's values as digests, or why it refuses some or all."""
    values, refusals = {}, []
    try:
        reader = tf.train.load_checkpoint(path)
        types = reader.get_variable_to_dtype_map()
    except Exception as error:
        return values, [str(error)]
    for name in reader.get_variable_to_shape_map():
        try:
            values[name] = digest(types[name].name, reader.get_tensor(name))
        except Exception as error:
            refusals.append(f"{name}: {error}")
    return values, refusals


def apart(path):
    """`ask` in a process of its own, for ten seconds at most."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        signal.alarm(10)
        with os.fdopen(write, "w") as out:
            json.dump(ask(path), out)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None, [f"ended by signal {os.WTERMSIG(status)}"]
    return tuple(json.loads(text))


def verdict(ours, values, refusals):
    if values is None:
        return f"TensorFlow {refusals[0]}"
    differing = [n for n, d in values.items() if n in ours and ours[n] != d]
    if differing:
        return f"OTHER VALUES of {differing[0]}"
    if refusals:
        words = re.sub(r"/\S+", "FILE", refusals[0].split(": ", 1)[-1])
        return "TensorFlow refuses: " + re.sub(r"\d+", "N", words)[:90]
    if set(values) != set(ours):
        return f"OTHER NAMES: {sorted(set(values) ^ set(ours))[:2]}"
    return "the same values"


def main(folder):
    counts, examples = collections.Counter(), {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".json"):
            continue
        case = json.load(open(os.path.join(folder, name)))
        values, refusals = apart(prefix_of(os.path.join(folder, name[:-5]), case["open"]))
        said = verdict(case["values"], values, refusals)
        counts[said] += 1
        examples.setdefault(said, f"{name[:-5]} ({case['how']})")
    for said, times in counts.most_common():
        print(f"{times:6}  {said}   e.g. {examples[said]}")


main(sys.argv[1])
