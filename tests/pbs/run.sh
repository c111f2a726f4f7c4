#!/usr/bin/env bash
# Scaling studies through PBS's job scripts, run by a stand-in for its qsub on this machine: a study
# without a limit, the same under a walltime that runs out, which must end with the same bits, and
# the weak-scaling study. About a minute; stops what it starts.
set -euo pipefail
cd "$(dirname "$0")/../.."

scheduler=pbs
# shellcheck source=tests/scale/studies.sh
. tests/scale/studies.sh
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

write_study 20 'job: {account: project1, partition: small}'

submit whole "$folder/study.yaml"
await whole 300
seconds=$(result whole total_seconds)
seconds=${seconds%.*}
echo "whole: $(result whole model_xxh128) in $seconds s"
check test "$(ended_with pooled-r2 75)" = 0

# Less than the time that it takes, of which each job gets a part, and sends the next.
submit walltime "$folder/study.yaml" --set "job.walltime=$((seconds / 3 + 8))" --set job.margin=5
await walltime 300
expect_same_bits walltime whole
check test "$(ended_with pooled-r2 75)" -ge 1
check test "$(ended_with pooled-r2 0)" = 2
echo "walltime: sent again $(ended_with pooled-r2 75) times"

run_weak_study

# What PBS does not know, the stand-in does not take.
printf '#!/bin/bash\n#PBS -l nodes=2:ppn=4\ntrue\n' >"$folder/old.sh"
if qsub "$folder/old.sh" 2>"$folder/refused"; then fail "an unknown resource was taken"; fi
check grep -q 'unknown resource: -l nodes=2:ppn=4' "$folder/refused"

stop
rm -rf "$folder"
echo "tests/pbs: passed in $SECONDS s"
