#!/usr/bin/env bash
# Kills random ranks of `echelon fit` at random moments, and resumes: the final model must be the
# one of an undisturbed run, bit for bit, each time.
#
#   tests/faults/kill.sh N SEED      N kills; build/release must be built (or set ECH_BUILD)
#
# Half of the kills are aimed at a phase in turn (start, train, aggregate, checkpoint, evaluate), the
# others come at any moment. Each resume has a number of ranks of its own, and one in four is killed
# once more (not counted). Nothing may stay behind: no process, no file in /dev/shm. Each kill is a
# line; the last line is a summary. Exit code 0: every hash was right.
set -euo pipefail
if [ $# != 2 ]; then
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
readonly count=$1
RANDOM=$2
cd "$(dirname "$0")/../.."
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
readonly phases=(start train aggregate checkpoint evaluate)
readonly kinds=(sync virtual async replay)
readonly ranks=3
readonly mark_name=ECH_KILL_MARK
declare -A reference=() duration_us=() killed=()
early=0

write_config() {
  cat >"$folder/$1.yaml" <<END
data: {file: data.h5, normalize: {mean: [0.5], std: [0.5]}}
model: {name: smallconv}
topology: {kind: balanced, workers: 6, height: 2}
rounds: 4
train: {epochs: 1, batch: 20, lr: 0.05}
aggregators: materialised
checkpoint: {every: 1, keep: 2}
$2
END
}

# fit KIND RANKS OUT MARK ARGUMENT...
fit() {
  local kind=$1 on=$2 out=$3 mark=$4
  shift 4
  ECH_KILL_MARK=$mark mpiexec_fit "$on" "$folder/$kind.yaml" --out "$out" "$@"
}

make_references() {
  local kind start
  for kind in "${kinds[@]}"; do
    start=${EPOCHREALTIME/./}
    if ! fit "$kind" "$ranks" "$folder/reference-$kind" none; then
      cat "$folder/log" >&2
      echo "kill.sh: the undisturbed run of $kind failed" >&2
      exit 1
    fi
    duration_us[$kind]=$((${EPOCHREALTIME/./} - start))
    reference[$kind]=$(hash_of_log)
  done
}

# below LIMIT: a random number, into $below.
below() {
  below=$(((RANDOM << 15 | RANDOM) % $1))
}

# kill_one KIND OUT PHASE MARK: the job of $! is killed; what died in what phase is in $words.
kill_one() {
  local kind=$1 out=$2 phase=$3 mark=$4 delay rank
  below "$ranks" && rank=$below
  case $phase in
    start) below 300000 ;;
    any) below $((duration_us[$kind] * 3 / 4)) ;;
    *) below $((duration_us[$kind] / 2)) ;;
  esac
  delay=$below
  words=$("$build/tests/kill_rank" "$mark_name=$mark" "$out" "$phase" "$rank" "$delay")
}

# The killed job must end by itself, and say who died.
await_death() {
  local job=$1 status=0
  wait "$job" || status=$?
  if [ "$status" = 0 ] || [ "$status" = 124 ]; then
    fail "the job ended with $status after the kill of $words"
  elif ! grep -q "on host .*: killed by signal 9" "$folder/log"; then
    fail "nobody told of the kill of $words"
  fi
}

# resume KIND OUT: to the end; once in four times killed on the way.
resume() {
  local kind=$1 out=$2 on job
  if [ $((RANDOM % 4)) = 0 ]; then
    fit "$kind" "$ranks" "$out" again --resume &
    job=$!
    kill_one "$kind" "$out" any again || true
    wait "$job" || true
  fi
  on=$((RANDOM % 3 + 1))
  if ! fit "$kind" "$on" "$out" last --resume; then
    fail "the resume on $on ranks failed after the kill of $words"
  elif [ "$(hash_of_log)" != "${reference[$kind]}" ]; then
    fail "another model after the kill of $words: $(hash_of_log), ${reference[$kind]} expected"
  fi
}

# strike NUMBER KIND PHASE: a run, a kill, a resume. 1 if the run ended before it could be killed.
strike() {
  local number=$1 kind=$2 phase=$3 out=$folder/out-$1-$early job status=0
  fit "$kind" "$ranks" "$out" "$number" &
  job=$!
  kill_one "$kind" "$out" "$phase" "$number" || status=$?
  if [ "$status" != 0 ]; then
    wait "$job" || true
    [ "$status" = 3 ] && return 1
    fail "nothing was killed in $phase"
    return 0
  fi
  await_death "$job"
  local killed_words=$words # the resume may be killed too
  resume "$kind" "$out"
  words=$killed_words
  phase=${words#* in }
  phase=${phase%% *}
  killed[$phase]=$((${killed[$phase]:-0} + 1))
  echo "kill $number: $kind, $words"
}

# Processes that carry the mark, but for this one's own.
count_left_processes() {
  local file left=0
  for file in /proc/[0-9]*/environ; do
    if grep -qsz "^$mark_name=" "$file"; then
      left=$((left + 1))
    fi
  done
  echo "$left"
}

list_shared() {
  find /dev/shm -maxdepth 1 -type f -user "$(id -u)" | sort
}

# Files of shared memory that came since and that no process maps: others may run jobs too.
count_left_shared() {
  local file left=0
  while read -r file; do
    if [ -n "$file" ] && ! grep -qsF "$file" /proc/[0-9]*/maps; then
      left=$((left + 1))
      echo "left behind: $file" >&2
    fi
  done < <(comm -13 "$folder/shared" <(list_shared))
  echo "$left"
}

make_data 600 1000
readonly pace="pace: {jitter: 0.1, straggler_share: 0.2, straggler_slowdown: 4}"
write_config sync "strategy: {name: fedavgm}"
write_config virtual "strategy: {name: fedavgm}
clock: virtual
$pace"
write_config async "strategy: {name: fedbuff, buffer: 2}
process: async
clock: virtual
$pace"
write_config replay "strategy: {name: fedbuff, buffer: 2}
process: async
replay: reference-async/run.h5"
list_shared >"$folder/shared"
make_references

for ((number = 1; number <= count; number++)); do
  below ${#kinds[@]} && kind=${kinds[$below]}
  phase=any
  if [ $((number % 2)) = 0 ]; then
    phase=${phases[$((number / 2 % ${#phases[@]}))]}
  fi
  # Without rounds there are no tasks that aggregate.
  if [ "$phase" = aggregate ]; then
    below 2 && kind=${kinds[$below]}
  fi
  until strike "$number" "$kind" "$phase"; do
    early=$((early + 1))
    if [ "$early" -gt $((2 * count + 20)) ]; then
      fail "too many runs ended before they could be killed in $phase"
      break
    fi
  done
done

sleep 0.5
processes=$(count_left_processes)
shared=$(count_left_shared)
least=$(((count + 19) / 20))
for phase in "${phases[@]}"; do
  if [ "${killed[$phase]:-0}" -lt "$least" ]; then
    echo "FAILED: ${killed[$phase]:-0} kills in $phase, at least $least expected"
    failures=$((failures + 1))
  fi
done
summary="$count kills:"
for phase in "${phases[@]}" between; do
  summary+=" $phase ${killed[$phase]:-0},"
done
echo "$summary failures $failures; $early runs ended before the kill; left behind: $processes" \
  "processes, $shared shared files"
[ "$failures" = 0 ] && [ "$processes" = 0 ] && [ "$shared" = 0 ]
