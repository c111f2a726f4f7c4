#!/usr/bin/env bash
# What a checkpoint each round costs: ResNet-18 on two ranks that train, one a core, in rounds of
# two seconds and more, with a checkpoint each round and with one at the end, in turn.
#
#   tests/bench/checkpoint_cost.sh [PAIRS] [SAMPLES]    of runs (2); samples a rank and round (128)
#
# The target is at most 5 % of a round. Needs build/release and the FashionMNIST package.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly pairs=${1:-2} per_rank=${2:-128} rounds=6
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh

make_data $((per_rank * 2)) 16
cat >"$folder/fit.yaml" <<END
data: {file: data.h5}
model: {name: resnet18}
topology: {kind: star, workers: 2}
train: {batch: 32}
evaluate: {every: 0}
rounds: $rounds
END

# measure EVERY: seconds of the run without its start, and of processor time with it.
measure() {
  local TIMEFORMAT='%U %S' json="$folder/json" times="$folder/times"
  { time mpiexec -n 2 "$program" fit "$folder/fit.yaml" --out "$folder/out" --overwrite --json \
    --set checkpoint.every="$1" >"$json" 2>"$folder/log"; } 2>"$times"
  tr -d ' \n' <"$json" | sed -E 's/.*"seconds":\{"total":([0-9.]+),"start":([0-9.]+).*/\1 \2 /'
  cat "$times"
}

for ((pair = 1; pair <= pairs; pair++)); do
  echo "$(measure 1) $(measure 0)"
done | awk -v r="$rounds" '{
  round = ($5 - $6) / r
  added = ($1 - $2 - $5 + $6) / (r - 1)
  work = ($7 + $8) / r
  added_work = ($3 + $4 - $7 - $8) / (r - 1)
  printf "pair %d: %.3f s a round; a checkpoint adds %.3f s, %.1f %%;", NR, round, added, \
    100 * added / round
  printf " of the processors %.3f s a round, %.3f s, %.1f %%\n", work, added_work, \
    100 * added_work / work
  if (round < 2) print "  rounds are shorter than 2 s: more SAMPLES are needed"
}'
