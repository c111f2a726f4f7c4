#!/usr/bin/env bash
# Kills remote sites and their leader at random moments, on loopback, and starts each again: the
# final model must be that of one job, bit for bit, and no update may count twice or be lost.
#
#   tests/net/kill.sh N SEED      N kills; build/release must be built (or set ECH_BUILD)
#
# Each kill is a line; the last line is a summary. Exit code 0: every hash was right.
set -euo pipefail
if [ $# != 2 ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
readonly count=$1
RANDOM=$2
cd "$(dirname "$0")/../.."
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
# shellcheck source=tests/net/common.sh
. tests/net/common.sh
readonly kills_a_run=5 sites=(east west)
port=$((20000 + RANDOM % 20000))
declare -A pid=()

write_config() {
  cat >"$folder/fit.yaml" <<END
data: {file: data.h5, normalize: {mean: [0.5], std: [0.5]}, split: {kind: dirichlet}}
model: {name: smallconv}
topology: {file: tree.yaml}
rounds: 150
train: {epochs: 1, batch: 20, lr: 0.05}
evaluate: {every: 10}
sites: {wait: 60}
site: {wait: 60}
END
}

# start NAME ARGUMENT...: in a process group of its own, so that all of it is killed.
start() {
  local name=$1
  shift
  set -m
  if [ "$name" = leader ]; then
    run_leader "tcp://127.0.0.1:$port" "$@" &
  else
    run_site "$name" "tcp://127.0.0.1:$port" &
  fi
  pid[$name]=$!
  set +m
}

end() {
  kill -KILL -- "-${pid[$1]}" 2>/dev/null || true
  wait "${pid[$1]}" 2>/dev/null || true
}

end_all() {
  local name
  for name in "${!pid[@]}"; do
    end "$name"
  done
  remove_folder
}
trap end_all EXIT

# One run with kills. $expected is the hash.
run() {
  local kills=$1 victim name code=0
  rm -rf "$folder/out"
  for name in "${sites[@]}"; do
    : >"$folder/$name.log"
    start "$name"
  done
  start leader --overwrite
  for ((k = 0; k < kills; k++)); do
    sleep "$((RANDOM % 2)).$((RANDOM % 90 + 10))"
    victim=$([ $((RANDOM % 2)) = 0 ] && echo leader || echo "${sites[RANDOM % 2]}")
    kill -0 "${pid[leader]}" 2>/dev/null || break
    end "$victim"
    echo "kill $((done_kills + 1)): $victim, after $(grep -c '^round' "$folder/log") rounds"
    start "$victim" --resume
    done_kills=$((done_kills + 1))
  done
  wait "${pid[leader]}" || code=$?
  [ "$code" = 0 ] || fail "the leader ended with $code"
  [ "$(hash_of_log)" = "$expected" ] || fail "the model is another one than $expected"
  for name in "${sites[@]}"; do
    wait "${pid[$name]}" || fail "site $name did not end well: $(tail -1 "$folder/$name.log")"
  done
  contributions
}

# Each round of the record has all of its workers, once.
contributions() {
  local wrong
  wrong=$("$program" inspect "$folder/out/run.h5" --json |
    awk '$1 == "\"selected\":" { selected = $2 } $1 == "\"contributed\":" && $2 != selected' | wc -l)
  [ "$wrong" = 0 ] || fail "$wrong rounds have not all their workers"
}

make_data 400 100
make_keys leader "${sites[@]}"
make_tree "$folder/tree.yaml" 3 "${sites[@]}"
write_config
expected=$(one_job_hash)
done_kills=0
runs=0
while [ "$done_kills" -lt "$count" ]; do
  left=$((count - done_kills))
  run $((left < kills_a_run ? left : kills_a_run))
  runs=$((runs + 1))
done
echo "tests/net/kill.sh: $done_kills kills in $runs runs, $failures failures"
[ "$failures" = 0 ]
