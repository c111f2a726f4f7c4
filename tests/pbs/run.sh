#!/usr/bin/env bash
# Scaling studies through PBS's job scripts, run by a stand-in for its qsub on this machine: a study
# without a limit, the same under a walltime that runs out, which must end with the same bits, and
# the weak-scaling study. About a minute; stops what it starts.
set -euo pipefail
cd "$(dirname "$0")/../.."

echelon=$PWD/build/release/bin/echelon
folder=$(mktemp -d "${TMPDIR:-/tmp}/echelon-pbs.XXXXXX")
images=/usr/share/datasets/fashion-mnist
export PATH=$PWD/tests/pbs:$PATH PBS_STANDIN=$folder/jobs
mkdir "$PBS_STANDIN"

stop() {
  local job
  trap - EXIT
  for job in "$PBS_STANDIN"/*/; do
    [ -e "$job/ended" ] || [ ! -e "$job/pid" ] || kill -- "-$(cat "$job/pid")" 2>/dev/null || true
  done
}
trap stop EXIT

fail() {
  echo "tests/pbs: FAILED: $*" >&2
  echo "logs: $folder" >&2
  exit 1
}

check() {
  "$@" || fail "expected: $*"
}

# result STUDY COLUMN: of its first run.
result() {
  awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
    NR == 2 { print $column }' "$folder/$1/results.csv"
}

submit() {
  local name=$1 file=$2
  shift 2
  "$echelon" scale "$file" --scheduler pbs --out "$folder/$name" --submit "$@" >"$folder/$name.sent"
}

all_ended() {
  local job
  for job in "$PBS_STANDIN"/*/; do
    [ -e "$job/ended" ] || return 1
  done
}

# await STUDY SECONDS: until its collector has drawn the report and no job is left.
await() {
  local end=$(($(date +%s) + $2))
  until [ -s "$folder/$1/report/report.html" ] && all_ended; do
    [ "$(date +%s)" -lt "$end" ] || fail "$1: $(tail -n 5 "$folder/$1"/jobs/*.log 2>&1)"
    sleep 0.2
  done
}

# ended_with NAME CODE: how many jobs of this name have ended with this code.
ended_with() {
  local job count=0
  for job in "$PBS_STANDIN"/*/; do
    if grep -q "^#PBS -N $1\$" "$job/script" && [ "$(cat "$job/ended")" = "$2" ]; then
      count=$((count + 1))
    fi
  done
  echo "$count"
}

"$echelon" data import idx "$images" --out "$folder/data.h5" >/dev/null
cat >"$folder/train.yaml" <<END
data: {file: data.h5}
model: {name: smallconv}
topology: {kind: star, workers: 16}
strategy: {name: fedavg, participation: 0.25}
rounds: 20
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
job: {account: project1, partition: small}
END

submit whole "$folder/study.yaml"
await whole 300
whole=$(result whole model_xxh128)
seconds=$(result whole total_seconds)
seconds=${seconds%.*}
echo "whole: $whole in $seconds s"
check test "$(ended_with pooled-r2 75)" = 0

# Less than the time that it takes, of which each job gets a part, and sends the next.
submit walltime "$folder/study.yaml" --set "job.walltime=$((seconds / 3 + 8))" --set job.margin=5
await walltime 300
found=$(result walltime model_xxh128)
[ "$found" = "$whole" ] || fail "ended with $found under a walltime, without: $whole"
check test "$(ended_with pooled-r2 75)" -ge 1
check test "$(ended_with pooled-r2 0)" = 2
echo "walltime: same bits, sent again $(ended_with pooled-r2 75) times"

# The weak-scaling study, small: both variants, one and two hosts.
submit weak jobs/studies/weak-scaling.yaml --set "models=[tinynet, smallnet]" \
  --set "workers=[2, 4]" --set ranks_per_host=2 --set repeats=1 --set job.walltime=0 \
  --set job.margin=0 --set calibrate=false
await weak 300
check test "$(wc -l <"$folder/weak/results.csv")" = 9
check grep -q ',processes,shared,2,4,' "$folder/weak/results.csv"
check grep -q "bits: runs of one model over the same workers agree" "$folder/weak/jobs/collect.log"
echo "weak: $(($(wc -l <"$folder/weak/results.csv") - 1)) runs"

# What PBS does not know, the stand-in does not take.
printf '#!/bin/bash\n#PBS -l nodes=2:ppn=4\ntrue\n' >"$folder/old.sh"
if qsub "$folder/old.sh" 2>"$folder/refused"; then fail "an unknown resource was taken"; fi
check grep -q 'unknown resource: -l nodes=2:ppn=4' "$folder/refused"

stop
rm -rf "$folder"
echo "tests/pbs: passed in $SECONDS s"
