#!/bin/bash
# A Slurm array: each task is every 240th shard of the plan.
#
#   slimfeatures plan /shared/in --per-shard 10000 --out /shared/out
#   sbatch deploy/slurm.sh /shared/out
#   sbatch --array="$(slimfeatures shards check --plan /shared/out --requeue)" deploy/slurm.sh /shared/out   # what is missing
#
# The second sbatch works where the array has as many tasks as the plan has shards (OF=, its number, is left out then).
#SBATCH --job-name=slimfeatures
#SBATCH --array=0-239%60
#SBATCH --cpus-per-task=4
#SBATCH --mem=4G
#SBATCH --time=04:00:00
# Given back to the queue when its machine is taken away, and told a minute before.
#SBATCH --requeue
#SBATCH --signal=TERM@60
set -u
plan=$1
scratch=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/slimfeatures-$USER

slimfeatures=${SLIMFEATURES:-slimfeatures}
# exec: signals reach the program itself.
exec $slimfeatures shard --plan "$plan" --index-from-env ${OF:+--of "$OF"} \
  --threads "${SLURM_CPUS_PER_TASK:-1}" --scratch "$scratch"
