#!/usr/bin/env bash
# Many sites of one rank and one worker each join a leader on this machine, and finish a round of
# SmallNet without training.
#
#   tests/net/many.sh [SITES]     200; build/release must be built (or set ECH_BUILD)
#
# Prints the seconds from the last site's joining to the end of the round; more than 5 fail. Sites
# are started a few at a time: what counts begins when all are there.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly count=${1:-200} at_once=16 most_seconds=5
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
# shellcheck source=tests/net/common.sh
. tests/net/common.sh
port=$((20000 + RANDOM % 20000))
pids=()

end_all() {
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
  remove_folder
}
trap end_all EXIT

mapfile -t names < <(seq -f 's%.0f' "$count")
make_keys leader "${names[@]}"
make_tree "$folder/tree.yaml" 1 "${names[@]}"
cat >"$folder/fit.yaml" <<END
model: {name: smallnet}
topology: {file: tree.yaml}
rounds: 1
train: {epochs: 0}
evaluate: {every: 0}
checkpoint: {every: 0}
sites: {wait: 600}
site: {wait: 600}
END
run_leader "tcp://127.0.0.1:$port" --overwrite --json &
leader=$!
cores=$(nproc)
for ((i = 0; i < count; i++)); do
  prefix=(taskset -c "$((i % cores))")
  run_site "${names[i]}" "tcp://127.0.0.1:$port" &
  pids+=($!)
  if [ $((i % at_once)) = $((at_once - 1)) ]; then
    until [ "$(grep -c 'has joined' "$folder/log")" -gt "$i" ]; do
      kill -0 "$leader"
      sleep 0.1
    done
  fi
done
wait "$leader" || { cat "$folder/log" && exit 1; }
seconds=$("$program" inspect "$folder/out/run.h5" --json |
  awk '/"sites": \[/ { is_site = 1 } !is_site && $1 == "\"seconds\":" { sub(",", "", $2); last = $2 }
    END { print last }')
again=$(grep -c 'has joined again' "$folder/log" || true)
echo "tests/net/many.sh: $count sites, a round in $seconds s ($again joined again before it)"
awk -v s="$seconds" -v most="$most_seconds" 'BEGIN { exit s > most }'
