#!/usr/bin/env bash
# On the machine with the GPU, beside what pack.sh packed: bash run.sh RESULTS. Takes some ten minutes; what is needed most
# comes first, each step has a limit of its own, and RESULTS/results.tgz is renewed after each.
set -uo pipefail
[ $# = 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
kit=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"; results=$(cd "$1" && pwd)
PATH=$PATH:/usr/sbin:/sbin
if ! ldconfig -p | grep -q libvulkan; then
  for deb in "$kit"/loader/*.deb; do dpkg -x "$deb" /; done
  ldconfig
fi
work=$(mktemp -d)
xz -dc "$kit/pkg.txz" | tar x -C "$work"
cd "$work/pkg" || exit 9
export PATH=$PWD:$PATH NO_COLOR=1
mkdir out; began=$SECONDS
step() {
  local limit=$1 name=$2; shift 2
  timeout -k 3 "$limit" "$@" >"out/$name.out" 2>"out/$name.err"
  echo "[$((SECONDS - began)) s] $name: exit code $?"
  tar czf "$results/results.tgz" out bench/results
}
run="node bin/slimfeatures.mjs"; bench="node --import tsx bench/main.ts"
step 30 doctor $run doctor
step 60 operations $run verify ops test/reference --device webgpu
networks="inception_v1 resnet_v1_50 mobilenet_v1 inception_v3 vgg_16"
if [ -d bench/peers/node_modules ]; then
  for name in $networks; do
    step 90 "peers-$name" node --import tsx bench/peers/main.ts --model "$name" --batch 1,8,32 --runs 7 --timeout 40 \
      --contenders ours-webgpu,onnxruntime-webgpu,tfjs-webgpu --save
  done
  for file in bench/results/peers-*.json; do
    # Only where PyTorch with CUDA is, and only the file of this machine's GPU.
    if [ "$file" -nt package.json ]; then step 90 torch python3 bench/peers/torch_reference.py "$file"; fi
  done
fi
for name in $networks; do
  for batch in 1 32; do
    step 30 "layers-$name-x$batch" $bench --model "$name" --device webgpu --batch $batch --runs 10 --starts 0 --save
    step 30 "half-$name-x$batch" $bench --model "$name" --device webgpu --batch $batch --runs 10 --starts 0 --precision f16 --json
  done
done
step 60 extract node --import tsx bench/extract.ts --contest decoding webgpu --model inception_v1 --images 3000 --computed 3000
step 60 threads $bench --device cpu --model inception_v1 --batch 8 --runs 3 --threads 1,16
step 200 networks $run verify nets test/reference/pictures --first --device webgpu
step 200 tune $run tune $networks --batch 1,32
