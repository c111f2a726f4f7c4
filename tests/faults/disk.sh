#!/usr/bin/env bash
# A full disk, a read-only folder and a quota that is used up, while a run writes its checkpoints:
# a clear error; the checkpoint before is intact; the run goes on where it was told to
# (checkpoint.on_error: continue), and with room again ends as if nothing had been.
#
#   tests/faults/disk.sh
#
# Needs a mount namespace: root, or a kernel that gives users their own. The last line is a summary.
set -euo pipefail
if [ "${ECH_DISK_INSIDE:-}" = "" ]; then
  export ECH_DISK_INSIDE=1
  if [ "$(id -u)" = 0 ]; then
    exec unshare --mount "$0" "$@"
  fi
  exec unshare --mount --map-root-user "$0" "$@"
fi
cd "$(dirname "$0")/../.."
# shellcheck source=tests/faults/common.sh
. tests/faults/common.sh
readonly ranks=2 disk=$folder/disk
checks=0

make_data 200 100
mkdir "$disk"
leave() {
  umount "$disk" 2>/dev/null || true
  remove_folder
}
trap leave EXIT
cat >"$folder/fit.yaml" <<END
data: {file: data.h5}
model: {name: smallconv}
topology: {kind: star, workers: 4}
train: {batch: 50}
checkpoint: {every: 1, keep: 1000}
rounds: 40
END

fit() {
  mpiexec_fit "$ranks" "$folder/fit.yaml" "$@"
}

# A new disk with room for the start and for ten checkpoints.
small_disk() {
  umount "$disk" 2>/dev/null || true
  mount -t tmpfs -o size=$((10 * checkpoint_bytes + (1 << 19))) tmpfs "$disk"
}

# Room again, as if somebody had cleared up.
make_room() {
  mount -o remount,size=1g "$disk"
}

# expect TEXT STATUS GOT NAME: in the log of the last job.
expect() {
  checks=$((checks + 1))
  if [ "$3" != "$2" ]; then
    fail "$4: exit code $3, $2 expected"
  elif ! grep -q "$1" "$folder/log"; then
    fail "$4: '$1' expected"
  fi
}

# expect_resume NAME [HASH ARGUMENT...]: from what is there, to the model of an undisturbed run.
expect_resume() {
  local name=$1 hash=${2:-$reference} status=0
  shift $(($# < 2 ? $# : 2))
  checks=$((checks + 1))
  fit --out "$disk/out" --resume "$@" || status=$?
  if [ "$status" != 0 ]; then
    fail "$name: no resume"
  elif [ "$(hash_of_log)" != "$hash" ]; then
    fail "$name: another model"
  fi
}

# await CONDITION...: for a limited time; what follows shows whether it came.
await() {
  local look
  for ((look = 0; look < limit_s * 20; look++)); do
    ! "$@" || return 0
    sleep 0.05
  done
}

has_gone_on() {
  grep -q 'the run goes on' "$folder/log"
}

has_ended() {
  [ -z "$(jobs -r)" ]
}

newest_round() {
  local names=("$disk"/out/checkpoint-*.h5)
  local name=${names[-1]##*-}
  echo $((10#${name%.h5}))
}

is_past() {
  [ "$(newest_round)" -gt "$1" ]
}

expect_model() {
  checks=$((checks + 1))
  if [ "$(hash_of_log)" != "$reference" ]; then
    fail "$1: another model"
  elif ! "$program" inspect "$disk/out/checkpoint-000040.h5" >"$folder/log" 2>&1; then
    fail "$1: no checkpoint at the end"
  fi
}

# run ARGUMENT...: from the start, on the disk; its exit code is in $status.
run() {
  status=0
  rm -rf "$disk/out"
  fit --out "$disk/out" "$@" || status=$?
}

# faulty FAULT ARGUMENT...: the same with calls that fail.
faulty() {
  local fault=$1
  shift
  program=$build/tests/echelon_faulty ECH_FAULT=$fault run "$@"
}

fit --out "$folder/reference"
reference=$(hash_of_log)
checkpoint_bytes=$(stat -c %s "$folder/reference/checkpoint-000040.h5")

small_disk
run
expect 'No space left on device' 1 "$status" "full disk"
make_room
expect_resume "full disk"

# The run meets the full disk, says so, goes on, and saves again when it finds room. How many rounds
# that takes is the machine's to say: so it runs until it is stopped.
small_disk
rm -rf "$disk/out"
"$program" fit "$folder/fit.yaml" --out "$disk/out" --set rounds=1000000 \
  --set checkpoint.on_error=continue >"$folder/log" 2>&1 </dev/null &
job=$!
await has_gone_on
full_at=$(newest_round)
make_room
await is_past "$full_at"
kill -USR1 "$job"
await has_ended
kill -KILL "$job" 2>/dev/null || true # where it did not
status=0
wait "$job" || status=$?
expect 'the run goes on' 75 "$status" "full disk, told to go on"
rounds=$(($(newest_round) + 1))
fit --out "$folder/as-long" --set rounds="$rounds"
reference_of_rounds=$(hash_of_log)
expect_resume "full disk, told to go on" "$reference_of_rounds" --set rounds="$rounds"

# A disk that stays full costs the end of the run, and nothing of what was there.
small_disk
run --set checkpoint.on_error=continue
expect 'No space left on device' 1 "$status" "full disk to the end"
make_room
expect_resume "full disk to the end"

small_disk
make_room
faulty pwrite:40-100000:0:EDQUOT
expect 'Disk quota exceeded' 1 "$status" "quota"
expect_resume "quota"

faulty pwrite:40-60:0:EDQUOT --set checkpoint.on_error=continue
expect 'Disk quota exceeded; the run goes on' 0 "$status" "quota, told to go on"
expect_model "quota, told to go on"

faulty rename:3-100000:0:EROFS
expect 'Read-only file system' 1 "$status" "read-only in mid-run"
expect_resume "read-only in mid-run"

mount -o remount,ro "$disk"
status=0
fit --out "$disk/out" --resume || status=$?
mount -o remount,rw "$disk"
expect 'Read-only file system' 2 "$status" "read-only"
expect_resume "read-only"

echo "$checks checks, failures $failures"
[ "$failures" = 0 ]
