#!/usr/bin/env bash
# Models past 2 GiB move by every transfer, between two hosts too, and sums of them are right: a
# round in which each worker receives the whole model and returns it, which must end with the same
# model whatever the way. One linear layer is nearly all of it, so that a tensor is past 2 GiB too.
#
#   tests/faults/large.sh [GIB...]     3 and 2.01 if none is given: of each transfer the first size
#                                      that the memory has room for, or a line that says it has not
#
# Some minutes: fresh memory is what takes them. Needs redis-server for transfer redis. On a machine
# of 24 GiB that does nothing else, all but the two hosts and redis have room for 3 GiB and
# SPARE_MIB, 2,048 if not set. Redis has it too with SPARE_MIB=1024: while the update is added, the
# rank holds five models (mean, current one, own copy, update, sum) and the Redis two, 21.3 GiB;
# neither holds more for what is on its way than some pieces of a MiB.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh

sizes=("$@")
[ $# -gt 0 ] || sizes=(3 2.01)
readonly most_s=500
readonly spare_mib=${SPARE_MIB:-2048} # for all but the copies of the model, and for others
declare -A hashes

# The model of so many GiB: 2,048 inputs of 4 bytes an output.
write_model() {
  local outputs
  outputs=$(awk -v gib="$1" 'BEGIN { printf "%d", gib * 131072 }')
  cat >"$folder/model.yaml" <<END
input: [2, 32, 32]
classes: 2
layers:
  - linear: {name: fc1, outputs: $outputs, bias: false}
  - linear: {name: fc2, bias: false}
END
  cat >"$folder/fit.yaml" <<END
model: {file: model.yaml}
topology: {kind: star, workers: 1}
rounds: 1
train: {epochs: 0}
evaluate: {every: 0}
checkpoint: {every: 0, keep: 1}
END
}

available_mib() {
  awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo
}

# pick NAME COPIES: the first size that fits, in $size; otherwise says so.
pick() {
  local need
  for size in "${sizes[@]}"; do
    need=$(awk -v gib="$size" -v copies="$2" -v spare="$spare_mib" \
      'BEGIN { printf "%d", gib * copies * 1024 + spare }')
    [ "$(available_mib)" -lt "$need" ] || return 0
  done
  echo "$1: not run: $size GiB $2 times need $need MiB of memory, $(available_mib) are available"
  return 1
}

# try NAME COPIES HOSTS COMMAND... -- ARGUMENT...: a run that holds the model so many times.
try() {
  local name=$1 copies=$2 hosts=$3 begun=$SECONDS found command=()
  shift 3
  while [ "$1" != -- ]; do
    command+=("$1")
    shift
  done
  shift
  pick "$name" "$copies" || return 0
  write_model "$size"
  if ! MPIR_CVAR_NUM_CLIQUES=$hosts timeout -k 10 "$most_s" ${command[@]+"${command[@]}"} \
    mpiexec -n "$hosts" "$program" fit "$folder/fit.yaml" --out "$folder/out" --overwrite \
    --set "topology.workers=$hosts" "$@" >"$folder/log" 2>&1; then
    fail "$name, $size GiB, of $(available_mib) MiB now available"
    return 0
  fi
  found=$(hash_of_log)
  rm -rf "$folder/out"
  : "${hashes[$size]:=$found}"
  [ "$found" = "${hashes[$size]}" ] || fail "$name, $size GiB: ended with another model"
  echo "$name: $size GiB in $((SECONDS - begun)) s, $found"
}

# Between two hosts, what the runs there are made of: 2 GiB and a bit, twice.
move() {
  local name=$1 begun=$SECONDS
  if [ "$(available_mib)" -lt $((4224 + spare_mib)) ]; then
    echo "$name between hosts: not run: needs $((4224 + spare_mib)) MiB of memory"
  elif MPIR_CVAR_NUM_CLIQUES=2 timeout -k 10 "$most_s" mpiexec -n 2 "$build/tests/mpi_case" \
    large "$name" >"$folder/log" 2>&1; then
    echo "$name between hosts: 2 GiB in $((SECONDS - begun)) s"
  else
    fail "$name between hosts"
  fi
}

move window
move stream
move broadcast
mkdir "$folder/parcels"
try "shared" 5 1 -- --set transfer=shared
try "shared, float32 sums, two hosts" 10 2 -- --set transfer=shared --set strategy.sum=float32
try "rma" 6 1 -- --set transfer=rma
try "file, float32 sums" 6 1 -- --set transfer=file --set "transfer_folder=$folder/parcels" \
  --set strategy.sum=float32
try "redis, float32 sums" 7.1 1 env REDIS_PORT=6391 jobs/redis.sh -- --set transfer=redis \
  --set redis.address=127.0.0.1:6391 --set strategy.sum=float32

[ "$failures" = 0 ]
