# shellcheck shell=bash disable=SC2154 # settings come from the script that sources it
# What the job scripts of all schedulers share: source it under bash, after the settings.
#
# Works through a list of runs, one a line: the run's name, then options of `echelon fit`. Each has
# its folder below $out. A run that is done is not started again, one that was stopped goes on from
# its newest checkpoint, so the same script may be started as often as it takes.
#
# The job keeps its own clock: schedulers send their signal late, or so early that it meets a
# launcher that is not ready for it. A round that cannot end in time is not begun; the job then sends
# itself again.
#
# The job script gives two functions: `launch PROGRAM...` becomes the program on all ranks, `again`
# sends the job once more.

begun=$(date +%s)
deadline=$((walltime > 0 ? begun + walltime - margin : 0)) # when a run must have ended
child=                                                     # the launcher that runs now
told=                                                      # the signal that asked to stop
moved=                                                     # something was done that will last

# SIGUSR1 and SIGTERM mean "checkpoint now": the ranks end their round, save and exit with 75.
tell() {
  told=$1
  [ -z "$child" ] || kill -USR1 "$child" 2>/dev/null || true
}
trap 'tell USR1' USR1
trap 'tell TERM' TERM

time_is_left() {
  [ -z "$told" ] && { [ "$deadline" = 0 ] || [ "$(date +%s)" -lt "$deadline" ]; }
}

# wait_for PID: its exit code. A trapped signal cuts bash's own wait short.
wait_for() {
  local code=0 next
  wait "$1" || code=$?
  while [ "$code" -gt 128 ] && [ -n "$told" ]; do
    next=0
    wait "$1" 2>/dev/null || next=$?
    [ "$next" != 127 ] || break
    code=$next
  done
  return "$code"
}

# The newest checkpoint of a folder; nothing without one.
newest() {
  local file last=
  for file in "$1"/checkpoint-*.h5; do
    [ ! -f "$file" ] || last=$file
  done
  echo "$last"
}

# What a run is predicted to take, for the report. One that cannot be predicted is run all the same.
foretell() {
  local folder=$1 options=()
  shift
  [ "$calibrate" != true ] || options=(--calibrate)
  "$echelon" plan "$config" --hosts "$hosts" --ranks-per-host "$ranks_per_host" --json \
    --set "threads=$threads" "${options[@]}" "$@" >"$folder/plan.part" 2>>"$folder/log" &&
    mv "$folder/plan.part" "$folder/plan.json"
}

# run NAME OPTION...: 0 done (now or before), 75 stopped early, anything else failed.
run() {
  local folder=$out/$1 code=0 before start=--overwrite
  shift
  [ ! -s "$folder/run.json" ] || return 0
  time_is_left || return 75
  mkdir -p "$folder"
  [ -s "$folder/plan.json" ] || foretell "$folder" "$@" || true
  before=$(newest "$folder")
  [ -z "$before" ] || start=--resume
  launch "$echelon" fit "$config" --out "$folder" "$start" --json --set "threads=$threads" \
    --until "$deadline" "$@" >"$folder/run.part" 2>>"$folder/log" </dev/null &
  child=$!
  wait_for "$child" || code=$?
  child=
  # A launcher that has passed a signal on may end with any code, even 0: what is there says more.
  [ -z "$told" ] || code=75
  if [ "$code" = 0 ]; then
    mv "$folder/run.part" "$folder/run.json"
    [ "$keep" = true ] || rm -f "$folder"/checkpoint-*.h5
    moved=1
  elif [ "$(newest "$folder")" != "$before" ]; then
    moved=1
  fi
  return "$code"
}

# The runs of the list, or the one of this job: then $out is its folder.
runs() {
  if [ -n "$list" ]; then
    cat "$list"
  else
    echo .
  fi
}

failed=()
stopped=
while read -r name options <&3; do
  code=0
  label=$name
  [ "$name" != . ] || label=$out
  # shellcheck disable=SC2086 # options are words without blanks
  run "$name" $options || code=$?
  case $code in
  0) echo "$label: done" ;;
  75)
    echo "$label: stopped early"
    stopped=1
    break
    ;;
  *)
    echo "$label: failed with exit code $code: $out/$name/log says why" >&2
    failed+=("$label")
    ;;
  esac
done 3< <(runs)

if [ -n "$stopped" ]; then
  if [ "$told" = TERM ]; then
    echo "Cancelled: start it again to go on." >&2
    exit 75
  fi
  if [ -z "$moved" ]; then
    echo "Not one round was done in $walltime s of walltime, $margin s of them margin." >&2
    exit 1
  fi
  again
  exit 75
fi
[ ${#failed[@]} = 0 ] || exit 1
