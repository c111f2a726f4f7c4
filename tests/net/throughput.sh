#!/usr/bin/env bash
# What a remote site gets through beside bare libzmq with CURVE: a round of ResNet-152 without
# training (the model down, the exact sum up), and messages of the size of a chunk, in turn.
#
#   tests/net/throughput.sh [PAIRS]     of runs (3); build/release must be built (or ECH_BUILD)
#
# Prints GB/s of both, and the leader's memory. On loopback: two cores, of which each side needs one.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly pairs=${1:-3} messages=3000
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
# shellcheck source=tests/net/common.sh
. tests/net/common.sh
port=$((20000 + RANDOM % 20000))

bare() {
  "$build/tests/curve_rate" receive "tcp://127.0.0.1:$port" "$messages" >"$folder/rate" &
  sleep 0.3
  "$build/tests/curve_rate" send "tcp://127.0.0.1:$port" "$messages"
  wait $!
  cat "$folder/rate"
}

# Bytes both ways over the seconds from the round's start to its last chunk, of the best round.
through_site() {
  run_site far "tcp://127.0.0.1:$port" &
  run_leader "tcp://127.0.0.1:$port" --overwrite
  wait $!
  "$program" inspect "$folder/out/run.h5" --json | awk '
    /"sites": \[/ { on = 1 }
    { sub(",", "", $2) }
    on && $1 == "\"seconds\":" { seconds = $2 }
    on && $1 == "\"wire_up_bytes\":" { up = $2 }
    on && $1 == "\"wire_down_bytes\":" { rate = (up + $2) / seconds / 1e9; if (rate > best) best = rate }
    END { printf "%.3f\n", best }'
}

make_keys leader far
make_tree "$folder/tree.yaml" 1 far
cat >"$folder/fit.yaml" <<END
model: {name: resnet152}
topology: {file: tree.yaml}
rounds: 3
train: {epochs: 0}
evaluate: {every: 0}
checkpoint: {every: 0}
sites: {compression: none}
END
for ((pair = 0; pair < pairs; pair++)); do
  echo "bare $(bare) GB/s, a site $(through_site) GB/s, leader's peak $(sed -n 's/.*peak memory *\(.*\) (.*/\1/p' "$folder/log")"
done
