#!/usr/bin/env bash
# Fuzzes every reader under AddressSanitizer, UndefinedBehaviorSanitizer and LeakSanitizer.
#
#   tests/fuzz/run.sh SECONDS [TARGET...]    SECONDS for each target; all of them if none is named
#
# As many at once as there are cores. Continuous integration runs 60 s each; `tests/fuzz/run.sh 3600`
# is the hour. Needs clang, and build/release for the seeds. What was learned stays in
# build/fuzz/corpus. An input that a reader does not survive is kept in build/fuzz/found, and its
# name is printed. Exit code 0: none was found.
set -euo pipefail
if [ $# -lt 1 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
readonly seconds=$1
shift
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/setup.sh
. jobs/setup.sh
# shellcheck source=tests/together.sh
. tests/together.sh
readonly corpus=build/fuzz/corpus found=build/fuzz/found
readonly program=build/release/bin/echelon
all=()
for file in tests/fuzz/fuzz_*.c; do
  file=${file##*/fuzz_}
  all+=("${file%.c}")
done
if [ $# -gt 0 ]; then
  all=("$@")
fi

# A small model, tree and data set: each kind of file that Echelon writes.
make_files() {
  local out=$1
  {
    printf '\000\000\010\003\000\000\000\050\000\000\000\034\000\000\000\034'
    head -c $((40 * 784)) build/release/bin/echelon
  } >"$out/images"
  {
    printf '\000\000\010\001\000\000\000\050'
    printf '\000\001\002\003\004\005\006\007\010\011%.0s' 1 2 3 4
  } >"$out/labels"
  "$program" data import idx --train-images="$out/images" --train-labels="$out/labels" \
    --out "$out/data.h5"
  "$program" data split "$out/data.h5" --workers 4 --out "$out/split.h5"
  "$program" data shard "$out/data.h5" --split "$out/split.h5" --hosts 2 --out "$out/shards"
  cat >"$out/fit.yaml" <<END
data: {file: data.h5}
model: {name: smallconv}
topology: {kind: star, workers: 2}
rounds: 1
evaluate: {every: 0}
END
  mpiexec -n 1 "$program" fit "$out/fit.yaml" --out "$out/fit"
}

make_seeds() {
  local out name
  out=$(mktemp -d)
  make_files "$out" >/dev/null
  for name in "${all[@]}"; do
    mkdir -p "$corpus/$name"
  done
  seed() { [ ! -d "$corpus/$1" ] || cp "$2" "$corpus/$1/seed-${3:-${2##*/}}"; }
  seed sealed "$out/data.h5"
  seed sealed "$out/split.h5"
  seed sealed "$out/shards/shards.h5"
  seed sealed "$out/fit/run.h5"
  seed sealed "$out/fit/checkpoint-000001.h5"
  seed sealed tests/golden/mcmahancnn.h5
  seed golden tests/golden/mcmahancnn.h5
  for name in jobs/*.yaml jobs/studies/*.yaml "$out/fit.yaml"; do
    seed yaml "$name"
    seed config "$name"
  done
  printf '{"kind": "leader", "children": [{"kind": "worker"}, {"kind": "aggregator", ' >"$out/tree"
  printf '"children": [{"kind": "worker", "speed": 2.5}]}]}\n' >>"$out/tree"
  seed topology "$out/tree"
  seed yaml "$out/tree"
  cat >"$out/model" <<END
layers:
  - conv: {name: conv1, filters: 4, kernel: 3, pad: 1, bias: false}
  - batch_norm: {name: bn1}
  - relu: {as: trunk}
  - conv: {name: conv2, filters: 4, kernel: 3, pad: 1}
  - add: {inputs: [trunk, previous]}
  - max_pool: {kernel: 2}
  - dropout: {probability: 0.5}
  - linear: {name: fc}
END
  seed model "$out/model"
  printf '0 0.0 10.0\n1 5.0 20.0\n' >"$out/trace"
  seed trace "$out/trace"
  { printf '\000\054' && head -c 44 "$out/images" && cat "$out/labels"; } >"$out/pair"
  seed idx "$out/pair"
  { printf '\003' && head -c 3072 "$out/images"; } >"$out/batch"
  seed cifar10 "$out/batch"
  seed plugin build/release/examples/plugin_rule.so
  rm -rf "$out"
}

# fuzz CORPUS FOUND SECONDS NAME: its words go to a log, which is shown if it found something. Only
# an input beyond the time limit counts as slow: how long one takes beside other jobs says little.
fuzz() {
  local corpus=$1 found=$2 seconds=$3 name=$4 log=build/fuzz/$4.log
  if build/fuzz/tests/fuzz_"$name" "$corpus/$name" -max_total_time="$seconds" -timeout=120 \
    -report_slow_units=120 -rss_limit_mb=2048 -max_len=65536 \
    -artifact_prefix="$found/$name-" >"$log" 2>&1; then
    echo "$name: $(grep -o 'Done .*' "$log"), $(find "$corpus/$name" -type f | wc -l) inputs kept"
  else
    tail -n 60 "$log"
    echo "$name: FOUND something, see $found"
    return 1
  fi
}

setup_build fuzz fuzz
mkdir -p "$found"
make_seeds
printf '%s\n' "${all[@]}" | together "$(nproc)" fuzz "$corpus" "$found" "$seconds"
echo "${#all[@]} targets, $seconds s each: none found anything"
