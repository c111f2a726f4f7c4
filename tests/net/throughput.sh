#!/usr/bin/env bash
# What a remote site gets through beside bare libzmq with CURVE: rounds of ResNet-152 without
# training, its model down and its exact sum up, and as many messages of the size of a chunk, in
# turn. Between two hosts made of network namespaces where it may make them (root,
# iproute2), else on loopback; two cores are enough, of which each side needs one.
#
#   tests/net/throughput.sh [PAIRS]     of runs (3); build/release must be built (or ECH_BUILD)
#
# Prints GB/s, and in the end the medians; less than 90 % of bare libzmq, either way, fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
readonly pairs=${1:-3} rounds=3 chunks_down=921 chunks_up=1838 least=0.9 tag=ech$$
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
# shellcheck source=tests/net/common.sh
. tests/net/common.sh
port=$((20000 + RANDOM % 20000))
address=127.0.0.1
on_leader=()
on_site=()

tear_down() {
  ip netns delete "$tag-leader" 2>/dev/null || true
  ip netns delete "$tag-site" 2>/dev/null || true
  remove_folder
}
trap tear_down EXIT

make_hosts() {
  ip netns add "$tag-leader" && ip netns add "$tag-site" &&
    ip link add "$tag-l" netns "$tag-leader" type veth peer name "$tag-s" netns "$tag-site" &&
    ip -n "$tag-leader" addr add 10.78.1.1/24 dev "$tag-l" && ip -n "$tag-leader" link set "$tag-l" up &&
    ip -n "$tag-site" addr add 10.78.1.2/24 dev "$tag-s" && ip -n "$tag-site" link set "$tag-s" up
}

# bare WAY MESSAGES
bare() {
  "${on_leader[@]}" "$build/tests/curve_rate" receive "tcp://$address:$port" "$2" >"$folder/rate" &
  sleep 0.3
  "${on_site[@]}" "$build/tests/curve_rate" send "tcp://$address:$port" "$2"
  wait $!
  tee -a "$folder/bare-$1" <"$folder/rate"
}

# GB/s of each round: down from its start until the site has the model, up from the update's first
# chunk to its last.
through_site() {
  prefix=("${on_site[@]}")
  run_site far "tcp://$address:$port" &
  prefix=("${on_leader[@]}")
  run_leader "tcp://$address:$port" --overwrite
  wait $!
  "$program" inspect "$folder/out/run.h5" --json | awk -v folder="$folder" '
    /"sites": \[/ { on = 1 }
    { sub(",", "", $2) }
    on { value[$1] = $2 }
    on && $1 == "\"wire_down_bytes\":" {
      down = $2 / value["\"down_seconds\":"] / 1e9
      up = value["\"wire_up_bytes\":"] / value["\"up_seconds\":"] / 1e9
      printf "%.3f\n", down >>(folder "/down")
      printf "%.3f\n", up >>(folder "/up")
      printf " %.3f/%.3f", down, up
    }'
}

# median NAME: of the numbers in $folder/NAME.
median() {
  sort -g "$folder/$1" | awk '{ all[NR] = $1 } END { print (all[int((NR + 1) / 2)] + all[int(NR / 2) + 1]) / 2 }'
}

if [ "$(id -u)" = 0 ] && make_hosts 2>/dev/null; then
  on_leader=(ip netns exec "$tag-leader")
  on_site=(ip netns exec "$tag-site")
  address=10.78.1.1
  where="between two network namespaces"
else
  where="on loopback"
fi
make_keys leader far
make_tree "$folder/tree.yaml" 1 far
cat >"$folder/fit.yaml" <<END
model: {name: resnet152}
topology: {file: tree.yaml}
rounds: $rounds
train: {epochs: 0}
evaluate: {every: 0}
checkpoint: {every: 0}
sites: {compression: none}
END
for ((pair = 0; pair < pairs; pair++)); do
  echo "bare $(bare down $chunks_down)/$(bare up $chunks_up) GB/s; a site, down/up:$(through_site) GB/s"
done
for way in down up; do
  awk -v way="$way" -v site="$(median "$way")" -v bare="$(median "bare-$way")" -v least="$least" \
    -v where="$where" 'BEGIN {
      printf "%s, %s: %.3f GB/s, bare libzmq %.3f: %.0f %%\n", where, way, site, bare, 100 * site / bare
      exit site < least * bare }' || failures=$((failures + 1))
done
[ "$failures" = 0 ]
