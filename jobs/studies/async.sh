#!/usr/bin/env bash
# The async experiment: FedAvg in step against FedAsync, on the virtual clock; then FedAsync on the
# real clock, and its replay, which must end with the same bits. Prints final test accuracy, idle
# share and makespan beside Flight's, and writes out/async/page/report.html with the schedules.
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

# Mean idle share of the workers in per cent, and the makespan in seconds of the run's clock.
idle_and_makespan() {
  "$echelon" report "$1/run.h5" --out "$1/page" >/dev/null
  awk -F, 'NR > 1 && !/published/ { sum += $NF; workers++ } END { printf "%.6f ", 100 * sum / workers }' "$1/page/idle.csv"
  awk -F, 'FNR > 1 && $3 > last { last = $3 } END { printf "%.3f\n", last }' "$1"/page/schedule*.csv
}

# The idle share of rounds in step, in per cent: of each round 1 - mean / max of its turns.
closed_form() {
  awk -F, 'FNR > 1 { turn = $3 - $2; sum[$5] += turn; count[$5]++; if (turn > max[$5]) max[$5] = turn }
    END { for (r in sum) { idle += max[r] - sum[r] / count[r]; total += max[r] }
      printf "%.6f\n", 100 * idle / total }' "$1"/page/schedule*.csv
}

mkdir -p "$out"
table=$out/table.csv
echo "variant,seed,accuracy_percent,idle_percent,makespan_s,xxh128" >"$table"
for seed in $seeds; do
  for name in sync async async-half; do
    run=$out/$name-$seed
    fit "$name" "$run" --set "seed=$seed" --set pace.jitter=0.1 "$@"
    read -r idle makespan <<<"$(idle_and_makespan "$run")"
    echo "$name,$seed,$(study_accuracies "$run" | tail -n 1 | cut -d' ' -f2),$idle,$makespan,$(study_total \
      "$run" model_xxh128)" >>"$table"
  done
done

awk -F, 'BEGIN { printf "%-11s %5s %9s %12s %12s   %s\n", "variant", "runs", "accuracy", "idle share", "makespan", "Flight"
    flight["sync"] = "idle 14.86 %, 1343 s"; flight["async"] = "idle 0.061 %, 1216 s" }
  NR > 1 { if (!runs[$1]++) order[++variants] = $1; accuracy[$1] += $3; idle[$1] += $4; makespan[$1] += $5 }
  END { for (i = 1; i <= variants; i++) { v = order[i]
    printf "%-11s %5d %9.2f %10.4f %% %10.1f s   %s\n", v, runs[v], accuracy[v] / runs[v],
      idle[v] / runs[v], makespan[v] / runs[v], flight[v] } }' "$table"

first=${seeds%% *}
echo "idle share in step, seed $first: measured $(awk -F, -v seed="$first" '$1 == "sync" && $2 == seed {
  print $4 }' "$table") %, closed form $(closed_form "$out/sync-$first") %"

fit async "$out/real" --set clock=real --set "seed=$first" "$@"
fit async "$out/replay" --set clock=real --set "seed=$first" --set "replay=$PWD/$out/real/run.h5" "$@"
"$echelon" report "$out/sync-$first/run.h5" "$out/async-$first/run.h5" "$out/real/run.h5" --out "$out/page"
if [ "$(study_total "$out/real" model_xxh128)" != "$(study_total "$out/replay" model_xxh128)" ]; then
  echo "the replay of the run on the real clock ended with other bits"
  exit 1
fi
echo "bits: the run on the real clock and its replay agree"
