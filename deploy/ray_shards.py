"""A plan's shards as Ray tasks. Untested here.

    slimfeatures plan 's3://bucket/in/{00000..00239}.tar' --out s3://bucket/out
    python deploy/ray_shards.py s3://bucket/out
    python deploy/ray_shards.py s3://bucket/out --gpus 1     # a plan made with --device webgpu

The tool is a process beside Ray's worker, whose stdin that worker holds: a worker that is killed closes it, and the shard
stops (--end-with stdin) instead of computing on as an orphan.
"""
import argparse
import json
import subprocess

import ray

PERMANENT = {2, 4, 5, 9}


class TryAgain(Exception):
    """Passing: Ray gives the shard to another worker."""


@ray.remote(max_retries=10, retry_exceptions=[TryAgain])
def shard(plan: str, index: int, count: int) -> str:
    command = ["slimfeatures", "shard", "--plan", plan, "--shard", f"{index}/{count}", "--end-with", "stdin", "--quiet"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # Not communicate(): that would close stdin.
    said = process.stdout.read()
    errors = process.stderr.read()
    code = process.wait()
    if code == 0:
        return said.strip()
    if code in PERMANENT:
        return f"{index} was given up ({code}): {errors.strip()}"
    raise TryAgain(f"{index} ended with {code}: {errors.strip()}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("plan")
    parser.add_argument("--cpus", type=float, default=2)
    parser.add_argument("--gpus", type=float, default=0)
    options = parser.parse_args()
    ray.init()
    check = subprocess.run(
        ["slimfeatures", "shards", "status", "--plan", options.plan, "--json"], capture_output=True, text=True, check=True
    )
    count = json.loads(check.stdout)["shards"]
    task = shard.options(num_cpus=options.cpus, num_gpus=options.gpus)
    waiting = [task.remote(options.plan, index, count) for index in range(count)]
    while waiting:
        done, waiting = ray.wait(waiting)
        for each in ray.get(done):
            print(each, flush=True)
    subprocess.run(["slimfeatures", "shards", "check", "--plan", options.plan], check=True)


if __name__ == "__main__":
    main()
