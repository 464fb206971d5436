#!/bin/bash
# GNU parallel: a plan's shards over processes of this machine, or of several that share a disk or S3.
#
#   slimfeatures plan photos --per-shard 1000 --out out
#   deploy/parallel.sh out              # this machine
#   deploy/parallel.sh out hosts.txt    # machines by ssh, one a line: 4/user@host runs four there
set -euo pipefail
plan=$1
hosts=${2:-}
slimfeatures=${SLIMFEATURES:-slimfeatures}
jobs=${JOBS:-2}

# What is missing, as numbers; nothing where all is there.
missing() { $slimfeatures shards check --plan "$plan" --json 2>/dev/null | node -e '
  const { missing, foreign } = JSON.parse(require("fs").readFileSync(0, "utf8"));
  for (const shard of [...missing, ...foreign.map((f) => f.shard)]) console.log(shard);' || true; }
count=$(node -e 'console.log(JSON.parse(require("fs").readFileSync(0, "utf8")).shards)' \
  < <($slimfeatures shards status --plan "$plan" --json))

# A wait between attempts: what is busy now may not be in a minute. --end-with: a parallel that is killed takes them along.
missing | parallel --jobs "$jobs" ${hosts:+--sshloginfile "$hosts"} --retries 3 --delay "${DELAY:-0}" \
  --joblog "${JOBLOG:-/dev/null}" \
  "$slimfeatures shard --plan $plan --shard {}/$count --end-with parent --quiet" || true

$slimfeatures shards check --plan "$plan"
