#!/usr/bin/env bash
# Makes one call of a job fail, each in its turn: a write, sync, allocation, rename, put or get, of
# the program echelon_faulty (faulty.c). Each failure must end in a clear error, within the time
# limit, or be harmless; and the run must resume from the checkpoint before it to the same bits.
#
#   tests/faults/sweep.sh GROWTH    the failing call's number grows by this factor: 10 in continuous
#                                   integration, 1.1 for a thorough sweep
#
# The last line is a summary. Exit code 0: nothing was lost.
set -euo pipefail
if [ $# != 1 ]; then
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
readonly growth=$1
cd "$(dirname "$0")/../.."
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
readonly calls=(pwrite fsync fdatasync ftruncate fallocate rename allocate put get)
readonly ranks=2
errors=0 harmless=0
# Two hosts on one machine, so that there are puts and gets.
export MPIR_CVAR_NUM_CLIQUES=2

make_data 200 100
cat >"$folder/fit.yaml" <<END
data: {file: data.h5}
model: {name: smallconv}
topology: {kind: balanced, workers: 4, height: 2}
strategy: {name: fedavgm}
train: {batch: 50}
aggregators: materialised
rounds: 2
END

# fit ARGUMENT...: the job under test.
fit() {
  mpiexec_fit "$ranks" "$folder/fit.yaml" --out "$folder/out" "$@"
}

# After a failure: the newest checkpoint is whole, and the run goes on from it to the same bits.
expect_intact() {
  if ! fit --resume --set rounds=4; then
    fail "$1: no resume"
  elif [ "$(hash_of_log)" != "$reference" ]; then
    fail "$1: another model"
  fi
}

# strike CALL NUMBER RANK: 1 if the job makes fewer such calls.
strike() {
  local status=0 fault=$1:$2:$3
  rm -rf "$folder/out"
  cp -r "$folder/two-rounds" "$folder/out"
  program=$build/tests/echelon_faulty ECH_FAULT=$fault fit --resume --set rounds=4 || status=$?
  grep -q '^fault: ' "$folder/log" || return 1
  if [ "$status" = 0 ]; then
    harmless=$((harmless + 1))
    [ "$(hash_of_log)" = "$reference" ] || fail "$fault: another model, and no error"
    return 0
  fi
  errors=$((errors + 1))
  if [ "$status" = 124 ] || [ "$status" = 137 ]; then
    fail "$fault: the job did not end"
  elif ! grep -q 'echelon.*error: ' "$folder/log"; then
    fail "$fault: ended with $status, and nobody said why"
  fi
  expect_intact "$fault"
}

fit
cp -r "$folder/out" "$folder/two-rounds"
fit --resume --set rounds=4
reference=$(hash_of_log)
for call in "${calls[@]}"; do
  for ((rank = 0; rank < ranks; rank++)); do
    number=1
    while strike "$call" "$number" "$rank"; do
      number=$(awk -v n="$number" -v g="$growth" 'BEGIN { m = int(n * g); print (m > n ? m : n + 1) }')
    done
    echo "$call on rank $rank: up to call $number"
  done
done
echo "$errors faults ended in an error, $harmless were harmless, failures $failures"
[ "$failures" = 0 ]
