#!/usr/bin/env bash
# Scaling studies on a real Slurm of four nodes on this machine: a weak-scaling study to its report;
# a walltime that runs out, a job that is cancelled, and a node that fails, each of which must end
# with the bits of an undisturbed run. Stops what it starts.
#
#   tests/slurm/run.sh          about four minutes
#   tests/slurm/run.sh brief    the walltime alone, in less than a minute
#   tests/slurm/run.sh long     60 s of walltime for a study of three minutes, in about eight
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/setup.sh
. jobs/setup.sh
# shellcheck source=tests/slurm/cluster.sh
. tests/slurm/cluster.sh

form=${1:-short}
case $form in
brief) rounds=12 margin=42 ;;
short) rounds=30 margin=42 ;;
long) rounds=600 margin=20 ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
echelon=$PWD/build/release/bin/echelon
folder=$(mktemp -d "${TMPDIR:-/tmp}/echelon-slurm.XXXXXX")
images=/usr/share/datasets/fashion-mnist

fail() {
  echo "tests/slurm: FAILED: $*" >&2
  echo "logs: $folder" >&2
  exit 1
}

pass() {
  cluster_stop
  rm -rf "$folder"
  echo "tests/slurm: passed in $SECONDS s"
  exit
}

check() {
  "$@" || fail "expected: $*"
}

# result STUDY COLUMN: of its first run.
result() {
  awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
    NR == 2 { print $column }' "$folder/$1/results.csv"
}

# submit STUDY FILE OPTION...: send a study.
submit() {
  local name=$1 file=$2
  shift 2
  "$echelon" scale "$file" --scheduler slurm --out "$folder/$name" --submit "$@" >"$folder/$name.sent"
}

# job STUDY NAME: the number of a job that was sent.
job() {
  awk -v name="$2:" '$1 == name { print $2 }' "$folder/$1.sent"
}

has_checkpoint() {
  compgen -G "$folder/$1/runs/*/checkpoint-*.h5"
}

restarts() {
  scontrol show job "$(job "$1" pooled-r2)" | grep -o 'Restarts=[0-9]*' | cut -d= -f2
}

# await STUDY SECONDS: until its collector has drawn the report.
await() {
  cluster_wait "$2" "the study $1" test -s "$folder/$1/report/report.html" ||
    fail "$1: $(squeue 2>&1; tail -n 5 "$folder/$1"/jobs/*.log 2>&1)"
}

expect_same_bits() {
  local found
  found=$(result "$1" model_xxh128)
  if [ -z "$found" ] || [ "$found" != "$whole" ]; then
    fail "$1 ended with $found, undisturbed: $whole"
  fi
  echo "$1: same bits, $found"
}

# ---- the studies ----

setup_packages munge slurm-wlm dataset-fashion-mnist
"$echelon" data import idx "$images" --out "$folder/data.h5" >/dev/null
cat >"$folder/train.yaml" <<END
data: {file: data.h5}
model: {name: smallconv}
topology: {kind: star, workers: 16}
strategy: {name: fedavg, participation: 0.25}
rounds: ${ROUNDS:-$rounds}
train: {epochs: 1, batch: 32, lr: 0.02}
evaluate: {every: 0}
checkpoint: {every: 1, keep: 2}
END
cat >"$folder/study.yaml" <<END
name: disturbed
kind: strong
config: train.yaml
workers: [16]
ranks: [2]
ranks_per_host: 1
END

cluster_start "$folder/cluster"
echo "cluster: $(sinfo -h -o '%D nodes, %T')"

# Two hosts of a rank each, undisturbed and without a limit.
submit whole "$folder/study.yaml"
await whole 600
whole=$(result whole model_xxh128)
echo "whole: $whole in $(result whole total_seconds) s"

# Slurm knows minutes: of a short study the margin takes three quarters. There a warning, as Slurm
# may send it early, makes sure that the job is queued again on a fast machine too.
submit walltime "$folder/study.yaml" --set job.walltime=60 --set "job.margin=$margin"
if [ "$form" != long ]; then
  check cluster_wait 60 "a checkpoint" has_checkpoint walltime
  scancel --signal=USR1 --batch "$(job walltime pooled-r2)"
fi
await walltime 900
check test "$(restarts walltime)" -ge 1
expect_same_bits walltime
echo "walltime: 60 s, margin $margin s, queued again $(restarts walltime) times"

[ "$form" = short ] || pass

# A cancelled job saves its model and stays cancelled; sent again, it goes on.
submit cancelled "$folder/study.yaml"
check cluster_wait 60 "a checkpoint" has_checkpoint cancelled
scancel "$(job cancelled pooled-r2)"
check cluster_wait 60 "the jobs' end" cluster_is_empty
check test "$(restarts cancelled)" = 0
check test ! -e "$folder/cancelled/report/report.html"
submit cancelled "$folder/study.yaml"
await cancelled 300
expect_same_bits cancelled

# A node that fails takes the job with it; Slurm queues it again, on others.
submit failed "$folder/study.yaml"
check cluster_wait 60 "a checkpoint" has_checkpoint failed
node=$(squeue -h -j "$(job failed pooled-r2)" -o %N | sed 's/.*\[\([0-9]\).*/n\1/')
scontrol update "nodename=$node" state=down reason=test
await failed 300
check test "$(restarts failed)" -ge 1
expect_same_bits failed
scontrol update "nodename=$node" state=resume 2>/dev/null || true # it may be back by itself
check cluster_wait 60 "four idle nodes" cluster_is_idle

# The weak-scaling study, small: both variants, one and two hosts.
submit weak jobs/studies/weak-scaling.yaml --set "models=[tinynet, smallnet]" \
  --set "workers=[2, 4]" --set ranks_per_host=2 --set repeats=1 --set job.walltime=0 \
  --set job.margin=0 --set calibrate=false
await weak 300
check test "$(wc -l <"$folder/weak/results.csv")" = 9
check grep -q ',processes,shared,2,4,' "$folder/weak/results.csv"
check grep -q "bits: runs of one model over the same workers agree" "$folder/weak/jobs/collect.log"
echo "weak: $(($(wc -l <"$folder/weak/results.csv") - 1)) runs"

pass
