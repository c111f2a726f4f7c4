# shellcheck shell=bash
# Scaling studies through a scheduler's job scripts, and checks of what they leave, for
# tests/pbs/run.sh and tests/slurm/run.sh. Source it under bash from the top of the tree, with
# `scheduler` set; results, logs and all else lie in $folder. The caller defines
# `await STUDY SECONDS`, which returns when the study's report is there.

echelon=$PWD/build/release/bin/echelon
folder=$(mktemp -d "${TMPDIR:-/tmp}/echelon-${scheduler:?}.XXXXXX")

fail() {
  echo "tests/$scheduler: FAILED: $*" >&2
  echo "logs: $folder" >&2
  exit 1
}

check() {
  "$@" || fail "expected: $*"
}

# submit STUDY FILE OPTION...: send a study.
submit() {
  local name=$1 file=$2
  shift 2
  "$echelon" scale "$file" --scheduler "$scheduler" --out "$folder/$name" --submit "$@" \
    >"$folder/$name.sent"
}

# result STUDY COLUMN: of its first run.
result() {
  awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) column = i }
    NR == 2 { print $column }' "$folder/$1/results.csv"
}

# expect_same_bits STUDY REFERENCE
expect_same_bits() {
  local found expected
  found=$(result "$1" model_xxh128)
  expected=$(result "$2" model_xxh128)
  if [ -z "$found" ] || [ "$found" != "$expected" ]; then
    fail "$1 ended with $found, $2: $expected"
  fi
  echo "$1: same bits, $found"
}

# write_study ROUNDS [LINE...]: $folder/study.yaml, of one run on two hosts of a rank each; LINEs are
# further keys of it.
write_study() {
  local rounds=$1
  shift
  "$echelon" data import idx /usr/share/datasets/fashion-mnist --out "$folder/data.h5" >/dev/null
  cat >"$folder/train.yaml" <<YAML
data: {file: data.h5}
model: {name: smallconv}
topology: {kind: star, workers: 16}
strategy: {name: fedavg, participation: 0.25}
rounds: $rounds
train: {epochs: 1, batch: 32, lr: 0.02}
evaluate: {every: 0}
checkpoint: {every: 1, keep: 2}
YAML
  cat >"$folder/study.yaml" <<YAML
name: disturbed
kind: strong
config: train.yaml
workers: [16]
ranks: [2]
ranks_per_host: 1
YAML
  printf '%s\n' "$@" >>"$folder/study.yaml"
}

# The weak-scaling study, small: both variants, one and two hosts.
run_weak_study() {
  submit weak jobs/studies/weak-scaling.yaml --set "models=[tinynet, smallnet]" \
    --set "workers=[2, 4]" --set ranks_per_host=2 --set repeats=1 --set job.walltime=0 \
    --set job.margin=0 --set calibrate=false
  await weak 300
  check test "$(wc -l <"$folder/weak/results.csv")" = 9
  check grep -q ',processes,shared,2,4,' "$folder/weak/results.csv"
  check grep -q "bits: runs of one model over the same workers agree" \
    "$folder/weak/jobs/collect.log"
  echo "weak: $(($(wc -l <"$folder/weak/results.csv") - 1)) runs"
}
