#!/usr/bin/env bash
# Robust rules against hostile workers: ten of fifty send the model less five times what they
# trained (reverse), or the model plus normal numbers of deviation 200 (noise). Prints the test
# accuracy after the last round by rule, attack and split, beside what is expected of it, and fails
# where a full run (30 rounds) falls short.
#
#   jobs/studies/robust.sh [OPTION...]      options of `echelon fit`, such as --set rounds=3
#   ECHELON_SEEDS=1 ECHELON_RULES="fedavg median" ECHELON_ATTACKS=noise ECHELON_SPLITS=iid \
#     ECHELON_OUT=out/short jobs/studies/robust.sh --set rounds=3      # the short form
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/studies/study.sh
. jobs/studies/study.sh

out=${ECHELON_OUT:-out/robust}
rules=${ECHELON_RULES:-fedavg median trimmed-mean krum multi-krum geometric-median}
attacks=${ECHELON_ATTACKS:-reverse noise}
splits=${ECHELON_SPLITS:-iid dirichlet}
ranks=$(study_ranks 50)

# Options of a rule, one a line: ten hostile workers are borne by each.
rule() {
  printf '%s\n' --set "strategy.name=$1"
  case $1 in
  trimmed-mean) printf '%s\n' --set strategy.trim=0.2 ;;
  krum) printf '%s\n' --set strategy.hostile=10 ;;
  multi-krum) printf '%s\n' --set strategy.hostile=10 --set strategy.chosen=40 ;;
  esac
}

# "least 80" or "most 50": what is expected of a rule on a split, in per cent; "-": nothing.
expected() {
  case $1-$2 in
  fedavg-iid) echo "most 50" ;;
  median-iid | trimmed-mean-iid | multi-krum-iid) echo "least 80" ;;
  median-* | trimmed-mean-* | multi-krum-*) echo "least 75" ;;
  *) echo "- -" ;;
  esac
}

mkdir -p "$out"
table=$out/table.csv
echo "rule,attack,split,seed,rounds,accuracy_percent,bound,bound_percent" >"$table"
for name in $rules; do
  for attack in $attacks; do
    for split in $splits; do
      for seed in $seeds; do
        run=$out/$name-$attack-$split-$seed
        mapfile -t options < <(rule "$name")
        study_fit "$run" jobs/studies/robust.yaml "$ranks" --set "seed=$seed" \
          --set "attack.kind=$attack" --set "data.split.kind=$split" "${options[@]}" "$@"
        read -r rounds accuracy <<<"$(study_accuracies "$run" | tail -n 1)"
        read -r bound percent <<<"$(expected "$name" "$split")"
        echo "$name,$attack,$split,$seed,$rounds,$accuracy,$bound,$percent" >>"$table"
      done
    done
  done
done

awk -F, 'BEGIN { printf "%-17s %-8s %-10s %5s %9s   %s\n", "rule", "attack", "split", "runs", "accuracy", "expected" }
  NR > 1 { key = $1 "," $2 "," $3; if (!runs[key]++) order[++rows] = key
    sum[key] += $6; bound[key] = $7; percent[key] = $8; full[key] = $5 >= 30 }
  END { for (i = 1; i <= rows; i++) { key = order[i]; split(key, part, ","); mean = sum[key] / runs[key]
    short = full[key] && (bound[key] == "least" ? mean < percent[key] : bound[key] == "most" && mean >= percent[key])
    bad = bad || short
    printf "%-17s %-8s %-10s %5d %9.2f   %s%s\n", part[1], part[2], part[3], runs[key], mean,
      bound[key] == "-" ? "" : "at " bound[key] " " percent[key], short ? ": FALLS SHORT" : "" }
    exit bad }' "$table"
