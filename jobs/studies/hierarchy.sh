#!/usr/bin/env bash
# The hierarchy experiment: three strategies on trees of height 1, 2, 4 and 8 over the same 256
# workers. Prints the mean test accuracy of the last 20 starting models and the highest, beside
# Flight's, and writes out/hierarchy/page/report.html with the curves of the first seed and the
# published ones; with exact sums the heights of a strategy and a seed end with the same bits, and
# the study fails if they do not.
#
#   jobs/studies/hierarchy.sh [OPTION...]     options of `echelon fit`, such as --set rounds=20
#   ECHELON_SEEDS=1 ECHELON_STRATEGIES=fedavg ECHELON_HEIGHTS="1 8" ECHELON_OUT=out/short ...
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/studies/study.sh
. jobs/studies/study.sh

out=${ECHELON_OUT:-out/hierarchy}
strategies=${ECHELON_STRATEGIES:-fedavg fedprox fedsgd}
heights=${ECHELON_HEIGHTS:-1 2 4 8}
ranks=$(study_ranks 8)

# Flight's mean of the last 20 rounds and its highest, in per cent.
published() {
  case $1-$2 in
  fedavg-1) echo "77.3 79.8" ;;
  fedavg-2) echo "76.2 79.7" ;;
  fedavg-4) echo "77.4 79.0" ;;
  fedavg-8) echo "77.3 79.3" ;;
  fedprox-1) echo "76.8 78.1" ;;
  fedprox-2) echo "76.3 78.5" ;;
  fedprox-4) echo "75.3 79.0" ;;
  fedprox-8) echo "76.1 78.2" ;;
  fedsgd-1) echo "76.3 78.3" ;;
  fedsgd-2) echo "76.0 77.7" ;;
  fedsgd-4) echo "75.9 78.5" ;;
  fedsgd-8) echo "75.8 78.7" ;;
  *) echo "- -" ;;
  esac
}

# The last 20 rounds' starting models are those after the rounds before.
mean_and_highest() {
  study_accuracies "$1" | awk '
    { accuracy[$1] = $2; last = $1 }
    END {
      for (round = last - 20; round < last; round++)
        if (round >= 0) { sum += accuracy[round]; count++ }
      for (round = 0; round < last; round++)
        if (accuracy[round] > highest) highest = accuracy[round]
      printf "%.2f %.2f\n", sum / count, highest }'
}

mkdir -p "$out"
table=$out/table.csv
echo "strategy,height,seed,mean_percent,highest_percent,seconds,up_bytes,xxh128" >"$table"
for strategy in $strategies; do
  for seed in $seeds; do
    for height in $heights; do
      run=$out/$strategy-$height-$seed
      study_fit "$run" jobs/studies/hierarchy.yaml "$ranks" --set "seed=$seed" \
        --set "strategy.name=$strategy" --set "topology.height=$height" "$@"
      read -r mean highest <<<"$(mean_and_highest "$run")"
      echo "$strategy,$height,$seed,$mean,$highest,$(study_total "$run" total),$(study_total "$run" \
        up),$(study_total "$run" model_xxh128)" >>"$table"
    done
  done
done

pages=()
for strategy in $strategies; do
  for height in $heights; do
    pages+=("$out/$strategy-$height-${seeds%% *}/run.h5")
  done
done
"$echelon" report "${pages[@]}" --out "$out/page"

printf '%-9s %6s %5s %8s %8s %8s   %s\n' strategy height runs mean highest seconds \
  "Flight's mean, highest"
for strategy in $strategies; do
  for height in $heights; do
    awk -F, -v strategy="$strategy" -v height="$height" -v published="$(published "$strategy" "$height")" '
      $1 == strategy && $2 == height { runs++; mean += $4; highest += $5; seconds += $6 }
      END { printf "%-9s %6s %5d %8.2f %8.2f %8.1f   %s\n", strategy, height, runs, mean / runs,
        highest / runs, seconds / runs, published }' "$table"
  done
done
awk -F, 'NR > 1 {
    run = $1 "," $3
    if (run in bits && bits[run] != $8) { print "heights of " run " differ in their bits"; bad = 1 }
    bits[run] = $8 }
  END { if (!bad) print "bits: the heights of each strategy and seed agree"; exit bad }' "$table"
