#!/usr/bin/env bash
# Packs this checkout, its packages and Node itself for a bare x86-64 Linux machine with a GPU: bench/gpu/pack.sh FOLDER
# There, in that folder: bash run.sh RESULTS. It needs nothing but the driver. Run "npm ci" first, and for the other engines
# "npm --prefix bench/peers ci --ignore-scripts". LEAVE="PATTERN ..." leaves files of the checkout out, such as weights.
set -euo pipefail
[ $# = 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"; out=$(cd "$1" && pwd)
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
pkg=$work/pkg; mkdir -p "$pkg/node_modules"
read -ra unwanted <<<"${LEAVE:-}"
(cd "$root" && git ls-files -z | tar cf - --null --ignore-failed-read "${unwanted[@]/#/--exclude=}" -T -) | tar x -C "$pkg"
# Other platforms' binaries, and what only tests and checks need.
leave=(--exclude='*.map' --exclude=.cache --exclude='*musl*' --exclude='webgpu/dist/darwin*' --exclude='webgpu/dist/win32*'
  --exclude=webgpu/dist/linux-arm64 --exclude='jpeg-turbo-darwin*' --exclude='jpeg-turbo-win32*' --exclude='jpeg-turbo-linux-arm*'
  --exclude=@sparticuz --exclude=@biomejs --exclude=@typescript --exclude=typescript --exclude=@rolldown --exclude=rolldown
  --exclude='lightningcss*' --exclude=vite --exclude=vitest --exclude=@vitest
  --exclude=@aws-sdk --exclude=@smithy --exclude=bullmq --exclude=ioredis)
tar cf - -C "$root/node_modules" "${leave[@]}" . | tar x -C "$pkg/node_modules"
if [ -d "$root/bench/peers/node_modules" ]; then
  mkdir -p "$pkg/bench/peers/node_modules"
  tar cf - -C "$root/bench/peers/node_modules" --exclude=napi-v6/darwin --exclude=napi-v6/win32 \
    --exclude=napi-v6/linux/arm64 --exclude='*.map' --exclude='*.min.js' . | tar x -C "$pkg/bench/peers/node_modules"
fi
cp "$(readlink -f "$(command -v node)")" "$pkg/node"
strip "$pkg/node" 2>/dev/null || true
tar cf - -C "$work" pkg | xz -T0 --x86 --lzma2=preset=9,dict=192MiB >"$out/pkg.txz"
# Vulkan's loader, which a bare machine may lack.
mkdir -p "$out/loader"
(cd "$out/loader" && apt-get download -qq libvulkan1 libegl1 libglvnd0 2>/dev/null) || true
cp "$root/bench/gpu/run.sh" "$out/"
du -sh "$out"
