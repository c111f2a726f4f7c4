#!/usr/bin/env bash
# The async experiment: FedAvg in step against FedAsync, on the virtual clock; then FedAsync on the
# real clock, and its replay, which must end with the same bits. Prints final test accuracy, idle
# share and makespan beside Flight's, and writes out/async/page/report.html with the schedules.
#
# For every seed the idle share in step must be its closed form to 1e-6, that of the asynchronous
# runs at most 0.1 %, their makespan not longer, and each worker must train once for each round; the
# accuracies of a full run (20 rounds, three seeds) must reach what is expected. It fails if not.
#
#   jobs/studies/async.sh [OPTION...]     options of `echelon fit`, such as --set rounds=2
#   ECHELON_SEEDS=1 ECHELON_OUT=out/short jobs/studies/async.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/studies/study.sh
. jobs/studies/study.sh

out=${ECHELON_OUT:-out/async}
ranks=$(study_ranks 12)
fedasync=(--set process=async --set strategy.name=fedasync)

# Options of a variant, one a line.
variant() {
  case $1 in
  sync) ;;
  async) printf '%s\n' "${fedasync[@]}" --set strategy.alpha=0.0833333333 ;;
  async-half) printf '%s\n' "${fedasync[@]}" --set strategy.alpha=0.5 \
    --set strategy.staleness=polynomial --set strategy.staleness_a=0.5 ;;
  esac
}

# fit VARIANT RUN OPTION...
fit() {
  local run=$2
  local options
  mapfile -t options < <(variant "$1")
  shift 2
  study_fit "$run" jobs/studies/async.yaml "$ranks" "${options[@]}" "$@"
}

# Turns of the worker with the fewest, and of the one with the most.
turns() {
  awk -F, 'FNR > 1 { turns[$1]++ }
    END { for (w in turns) { least = !least || turns[w] < least ? turns[w] : least
        most = turns[w] > most ? turns[w] : most }
      print least "-" most }' "$1"/page/schedule*.csv
}

# Mean idle share of the workers in per cent, and the makespan in seconds of the run's clock.
idle_and_makespan() {
  "$echelon" report "$1/run.h5" --out "$1/page" >/dev/null
  awk -F, 'NR > 1 && !/published/ { sum += $NF; workers++ } END { printf "%.9f ", 100 * sum / workers }' "$1/page/idle.csv"
  awk -F, 'FNR > 1 && $3 > last { last = $3 } END { printf "%.3f\n", last }' "$1"/page/schedule*.csv
}

# The idle share of rounds in step, in per cent: of each round 1 - mean / max of its turns.
closed_form() {
  awk -F, 'FNR > 1 { turn = $3 - $2; sum[$5] += turn; count[$5]++; if (turn > max[$5]) max[$5] = turn }
    END { for (r in sum) { idle += max[r] - sum[r] / count[r]; total += max[r] }
      printf "%.9f\n", 100 * idle / total }' "$1"/page/schedule*.csv
}

mkdir -p "$out"
table=$out/table.csv
echo "variant,seed,rounds,accuracy_percent,idle_percent,closed_form_percent,makespan_s,turns,xxh128" >"$table"
for seed in $seeds; do
  for name in sync async async-half; do
    run=$out/$name-$seed
    fit "$name" "$run" --set "seed=$seed" --set pace.jitter=0.1 "$@"
    read -r idle makespan <<<"$(idle_and_makespan "$run")"
    closed=-
    [ "$name" != sync ] || closed=$(closed_form "$run")
    read -r rounds accuracy <<<"$(study_accuracies "$run" | tail -n 1)"
    echo "$name,$seed,$rounds,$accuracy,$idle,$closed,$makespan,$(turns "$run"),$(study_total \
      "$run" model_xxh128)" >>"$table"
  done
done

awk -F, 'BEGIN { printf "%-11s %5s %9s %12s %12s   %s\n", "variant", "runs", "accuracy", "idle share", "makespan", "Flight"
    flight["sync"] = "idle 14.86 %, 1343 s"; flight["async"] = "idle 0.061 %, 1216 s"
    least["sync"] = 85.5; least["async"] = 82.5; least["async-half"] = 84 }
  function wrong(what) { print $1 ", seed " $2 ": " what; bad = 1 }
  NR > 1 { if (!runs[$1]++) order[++variants] = $1; accuracy[$1] += $4; idle[$1] += $5; makespan[$1] += $7
    full[$1] += $3 >= 20
    if ($1 == "sync") { slowest[$2] = $7; off = $5 - $6; worst = off * off > worst * worst ? off : worst
      if (off > 1e-4 || off < -1e-4) wrong("idle share " $5 " %, closed form " $6 " %") }
    else { if ($5 > 0.1) wrong("idle share " $5 " %, expected at most 0.1 %")
      if ($7 > slowest[$2]) wrong("makespan " $7 " s, in step " slowest[$2] " s") }
    if ($8 != $3 "-" $3) wrong("a worker trained " $8 " times in " $3 " rounds") }
  END { for (i = 1; i <= variants; i++) { v = order[i]; mean = accuracy[v] / runs[v]
    short = full[v] >= 3 && mean < least[v]; bad = bad || short
    printf "%-11s %5d %9.2f %10.4f %% %10.1f s   %s%s\n", v, runs[v], mean,
      idle[v] / runs[v], makespan[v] / runs[v], flight[v], short ? ": FALLS SHORT of " least[v] : "" }
    printf "idle share in step: %.1e from its closed form at most\n", (worst < 0 ? -worst : worst) / 100
    exit bad }' "$table"

first=${seeds%% *}
fit async "$out/real" --set clock=real --set "seed=$first" "$@"
fit async "$out/replay" --set clock=real --set "seed=$first" --set "replay=$(realpath "$out/real/run.h5")" "$@"
"$echelon" report "$out/sync-$first/run.h5" "$out/async-$first/run.h5" "$out/real/run.h5" --out "$out/page"
if [ "$(study_total "$out/real" model_xxh128)" != "$(study_total "$out/replay" model_xxh128)" ]; then
  echo "the replay of the run on the real clock ended with other bits"
  exit 1
fi
echo "bits: the run on the real clock and its replay agree"
