#!/usr/bin/env bash
# NIID-Bench's table for FashionMNIST: each row from three initialisations, beside the published
# figures. A run that is there already is not run again.
#
#   jobs/studies/niid.sh [OPTION...]        options of `echelon fit`, such as --set rounds=2
#   ECHELON_SEEDS="1" ECHELON_ROWS="iid" ECHELON_OUT=out/short jobs/studies/niid.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/studies/study.sh
. jobs/studies/study.sh

out=${ECHELON_OUT:-out/niid}
rows=${ECHELON_ROWS:-iid dirichlet classes-3 classes-2 scaffold}
ranks=$(study_ranks 10)

# What a row is: dataset of its split, strategy, published mean and standard deviation in per cent.
row() {
  case $1 in
  iid) echo "iid fedavg 89.23 0.45" ;;
  dirichlet) echo "dirichlet-0.5 fedavg 88.09 0.29" ;;
  classes-3) echo "classes-3 fedavg 82.43 1.52" ;;
  classes-2) echo "classes-2 fedavg 78.1 -" ;;
  scaffold) echo "dirichlet-0.5 scaffold 88.44 0.25" ;;
  *)
    echo "ECHELON_ROWS: no row '$1'" >&2
    exit 2
    ;;
  esac
}

# Best and last test accuracy after a round, in per cent.
best_and_last() {
  study_accuracies "$1" | awk '$1 > 0 { last = $2; if (last > best) best = last }
    END { print best, last }'
}

mkdir -p "$out"
: >"$out/table.csv"
for name in $rows; do
  read -r dataset strategy published deviation <<<"$(row "$name")"
  for seed in $seeds; do
    run=$out/$name-$seed
    study_fit "$run" jobs/studies/niid.yaml "$ranks" --set "seed=$seed" \
      --set "data.split.dataset=$dataset" --set "strategy.name=$strategy" "$@"
    read -r best last <<<"$(best_and_last "$run")"
    echo "$name,$strategy,$dataset,$seed,$best,$last,$published,$deviation" >>"$out/table.csv"
  done
done

awk -F, '
  BEGIN { printf "%-10s  %-8s  %5s  %8s  %8s  %s\n", "row", "strategy", "runs", "best", "last", "published best" }
  !($1 in runs) { order[++rows] = $1 }
  { runs[$1]++; best[$1] += $5; last[$1] += $6; strategy[$1] = $2
    published[$1] = $8 == "-" ? $7 : $7 " (" $8 ")" }
  END { for (i = 1; i <= rows; i++) { r = order[i]
    printf "%-10s  %-8s  %5d  %8.2f  %8.2f  %s\n", r, strategy[r], runs[r], best[r] / runs[r],
      last[r] / runs[r], published[r] } }' "$out/table.csv"
sed -i '1i row,strategy,split,seed,best_percent,last_percent,published_percent,published_deviation' \
  "$out/table.csv"
