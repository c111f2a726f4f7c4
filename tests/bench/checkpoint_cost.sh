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

# seconds EVERY: of a round, and of the whole run without its start.
seconds() {
  mpiexec -n 2 "$program" fit "$folder/fit.yaml" --out "$folder/out" --overwrite --json \
    --set checkpoint.every="$1" 2>"$folder/log" | tr -d ' \n' |
    sed -E 's/.*"seconds":\{"total":([0-9.]+),"start":([0-9.]+).*/\1 \2\n/' |
    awk '{ print $1 - $2 }'
}

for ((pair = 1; pair <= pairs; pair++)); do
  with=$(seconds 1)
  without=$(seconds 0)
  awk -v w="$with" -v o="$without" -v r="$rounds" -v p="$pair" 'BEGIN {
    printf "pair %d: %.3f s a round; a checkpoint adds %.3f s, %.1f %%\n", p, o / r,
      (w - o) / (r - 1), 100 * (w - o) / (r - 1) / (o / r) }'
done
