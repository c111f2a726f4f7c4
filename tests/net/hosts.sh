#!/usr/bin/env bash
# A leader and two sites on three hosts made of network namespaces, each site behind a link of its
# own with delay, loss and a rate: 100 ms each way, 1 %, 20 Mbit/s. Needs root, ip (iproute2) and /dev/net/tun;
# skips with a line where it may not.
#
#   tests/net/hosts.sh [slow|cut|quick]...   all of them; build/release must be built with its tests
#                                            (or set ECH_BUILD)
#
# 1. The federation ends without a deadline, with the hash of one job.
# 2. A link that is cut in the middle of the model for 20 s, and in the middle of the update for 40,
#    longer than a site waits before it joins again: the same hash, and the bytes of resumed
#    transfers.
# 3. A round of TinyNet takes at most two round trips and 2 ms, where a trip is 20 ms each way.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$(id -u)" != 0 ] || ! command -v ip >/dev/null || [ ! -c /dev/net/tun ] ||
  ! ip netns add ech-probe 2>/dev/null; then
  echo "tests/net/hosts.sh: skipped: needs root, iproute2, network namespaces and /dev/net/tun"
  exit 0
fi
ip netns delete ech-probe
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
# shellcheck source=tests/net/common.sh
. tests/net/common.sh
readonly sites=(east west) tag=ech$$
declare -A link=() address=([east]=10.77.1 [west]=10.77.2)
jobs_pids=()

tear_down() {
  local pid name
  for pid in "${jobs_pids[@]}" "${link[@]}"; do
    kill "$pid" 2>/dev/null || true
  done
  wait
  for name in leader "${sites[@]}"; do
    ip netns delete "$tag-$name" 2>/dev/null || true
  done
  remove_folder
}
trap tear_down EXIT

# lay_link SITE DELAY_MS LOSS_PER_MILLE BYTES_PER_SECOND
lay_link() {
  local site=$1 near=$tag-${1:0:1}l far=$tag-${1:0:1}s
  if [ -n "${link[$site]:-}" ]; then
    kill "${link[$site]}"
    wait "${link[$site]}" 2>/dev/null || true
  fi
  : >"$folder/link-$site"
  "$build/tests/net_link" "$near" "$far" "${@:2}" >"$folder/link-$site" &
  link[$site]=$!
  until grep -q ready "$folder/link-$site"; do
    kill -0 "${link[$site]}"
    sleep 0.05
  done
  ip link set "$near" netns "$tag-leader"
  ip link set "$far" netns "$tag-$site"
  ip -n "$tag-leader" addr add "${address[$site]}.1" peer "${address[$site]}.2" dev "$near"
  ip -n "$tag-$site" addr add "${address[$site]}.2" peer "${address[$site]}.1" dev "$far"
  ip -n "$tag-leader" link set "$near" up
  ip -n "$tag-$site" link set "$far" up
}

make_hosts() {
  local name
  for name in leader "${sites[@]}"; do
    ip netns add "$tag-$name"
    ip -n "$tag-$name" link set lo up
  done
}

# write_config MODEL ROUNDS EPOCHS
write_config() {
  cat >"$folder/fit.yaml" <<END
data: {file: data.h5, normalize: {mean: [0.5], std: [0.5]}, split: {kind: dirichlet}}
model: {name: $1}
topology: {file: tree.yaml}
rounds: $2
train: {epochs: $3, batch: 20, lr: 0.05}
checkpoint: {every: 0}
sites: {wait: 300, compression: none}
site: {wait: 300}
END
}

start_sites() {
  local name
  for name in "${sites[@]}"; do
    prefix=(ip netns exec "$tag-$name")
    : >"$folder/$name.log"
    run_site "$name" "tcp://${address[$name]}.1:5555" &
    jobs_pids+=($!)
  done
}

# federate ARGUMENT...: the leader in its host, to the end.
federate() {
  prefix=(ip netns exec "$tag-leader")
  run_leader "tcp://*:5555" --overwrite "$@" || fail "the leader ended with $?"
  wait "${jobs_pids[@]}" || fail "a site did not end well"
  jobs_pids=()
}

# bytes KEY: sum over the sites of the record.
bytes() {
  "$program" inspect "$folder/out/run.h5" --json |
    awk -v key="\"$1\":" '/"sites": \[/ { on = 1 } on && $1 == key { sub(",", "", $2); sum += $2 }
      END { printf "%.0f\n", sum }'
}

slow() {
  local expected
  write_config smallconv 3 1
  expected=$(one_job_hash)
  start_sites
  federate
  if [ "$(hash_of_log)" = "$expected" ]; then
    echo "100 ms each way, 1 % loss, 20 Mbit/s: the hash of one job"
  else
    fail "another hash than $expected"
  fi
}

# cut_at tx|rx BYTES SECONDS: when the leader has sent so much to the east, or received from it.
cut_at() {
  until [ "$(ip netns exec "$tag-leader" cat "/sys/class/net/$tag-el/statistics/$1_bytes")" -gt "$2" ]; do
    kill -0 "${jobs_pids[0]}"
    sleep 0.1
  done
  kill -USR1 "${link[east]}"
  sleep "$3"
  kill -USR2 "${link[east]}"
}

cut() {
  local expected model up down
  write_config mcmahancnn 1 0
  expected=$(one_job_hash)
  model=$((4 * 1663370))
  lay_link east 100 10 2500000
  start_sites
  prefix=(ip netns exec "$tag-leader")
  run_leader "tcp://*:5555" --overwrite &
  jobs_pids+=($!)
  cut_at tx $((model / 2)) 20
  cut_at rx "$model" 40
  wait "${jobs_pids[@]}" || fail "a job did not end well"
  jobs_pids=()
  [ "$(hash_of_log)" = "$expected" ] || fail "after the cut another hash than $expected"
  down=$(bytes raw_down_bytes)
  up=$(bytes wire_up_bytes)
  grep -q 'east has joined again' "$folder/log" || fail "the site did not join again"
  echo "cuts of 20 and 40 s: $down bytes of models for two sites of $model, $up of updates"
  [ "$down" -lt $((model * 2 + model * 85 / 100)) ] || fail "a model was begun again"
  [ "$up" -lt $((2 * (model * 2 + model * 85 / 100))) ] || fail "an update was begun again"
}

# Two round trips and 2 ms, in the best of the rounds: others share the processor.
quick() {
  local trip=40 best
  lay_link east 20 0 100000000
  lay_link west 20 0 100000000
  write_config tinynet 20 0
  sed -i '/^data:/d' "$folder/fit.yaml"
  start_sites
  federate --set evaluate.every=0
  best=$("$program" inspect "$folder/out/run.h5" --json |
    awk '/"sites": \[/ { is_site = 1 }
      !is_site && $1 == "\"seconds\":" { sub(",", "", $2)
      if ($2 > 0.001 && (best == "" || $2 < best)) best = $2 } END { print 1000 * best }')
  echo "TinyNet: a round in $best ms, a round trip in $trip ms"
  awk -v best="$best" -v trip="$trip" 'BEGIN { exit best > 2 * trip + 2 }' ||
    fail "more than two round trips and 2 ms"
}

make_data 400 100
make_keys leader "${sites[@]}"
make_tree "$folder/tree.yaml" 2 "${sites[@]}"
make_hosts
lay_link east 100 10 2500000
lay_link west 100 10 2500000
if [ $# = 0 ]; then
  set -- slow cut quick
fi
for part in "$@"; do
  "$part"
done
echo "tests/net/hosts.sh: $failures failures"
[ "$failures" = 0 ]
