"""PyTorch on CUDA beside our figures: the same networks or their nearest kin in torchvision, host to host, in float32.

    python3 bench/peers/torch_reference.py bench/results/peers-NAME.json

Run it on the machine that the file's figures come from. It adds a contender "torch-cuda" to the file's entries, whose run
is one of its own, so the tables mark its ratios with "~". Weights are random: how long a layer takes does not depend on
them. TF32 is off, as the engines beside it compute in float32.
"""

import datetime
import json
import statistics
import sys
import time

import torch
import torchvision

# Our network, torchvision's, and its input.
NETWORKS = {
    "inception_v1": ("googlenet", 224),
    "inception_v3": ("inception_v3", 299),
    "resnet_v1_50": ("resnet50", 224),
    "mobilenet_v1": ("mobilenet_v2", 224),
    "vgg_16": ("vgg16", 224),
}
RUNS = 7
WARMTH = 1.0  # Seconds: a GPU that was idle slows its clock.


def milliseconds(network, batch, size):
    """Milliseconds of each run, an array on the host in, an array on the host out."""
    images = torch.rand(batch, 3, size, size)
    times = []
    with torch.inference_mode():

        def run():
            began = time.perf_counter()
            network(images.cuda()).cpu()
            return 1000 * (time.perf_counter() - began)

        began = time.perf_counter()
        while time.perf_counter() - began < WARMTH:
            run()
        times = [run() for _ in range(RUNS)]
    return times


def main(path):
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    with open(path, encoding="utf8") as file:
        result = json.load(file)
    run = datetime.datetime.now(datetime.timezone.utc).isoformat()
    networks = {}
    for entry in result["entries"]:
        if entry["model"] not in NETWORKS:
            continue
        name, size = NETWORKS[entry["model"]]
        if name not in networks:
            special = {"googlenet": {"aux_logits": False}, "inception_v3": {"aux_logits": False}}.get(name, {})
            made = getattr(torchvision.models, name)(weights=None, init_weights=False, **special) if special else getattr(torchvision.models, name)(weights=None)
            networks[name] = made.eval().cuda()
        times = milliseconds(networks[name], entry["batch"], size)
        figure = {
            "contender": "torch-cuda",
            "about": f"PyTorch {torch.__version__}, {torch.cuda.get_device_name()}, {name}",
            "milliseconds": {"min": min(times), "median": statistics.median(times)},
            "runs": RUNS,
            "run": run,
            "commit": "",
        }
        entry["figures"] = [f for f in entry["figures"] if f["contender"] != "torch-cuda"] + [figure]
        print(entry["model"], entry["batch"], name, f"{figure['milliseconds']['median']:.2f} ms", file=sys.stderr)
    with open(path, "w", encoding="utf8") as file:
        file.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    main(sys.argv[1])
