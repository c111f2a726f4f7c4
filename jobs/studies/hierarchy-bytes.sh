#!/usr/bin/env bash
# The hierarchy experiment's bytes: one round of every worker through trees of several heights, for
# six models, without data. Prints what the formula says of the tree and of a flat server that is
# reached through it, what a run counted, and what crossed the wire with every aggregator
# materialised, writes out/hierarchy-bytes/page/report.html with the bytes by tier, and fails where
# the algorithm's bytes are not the formula's.
#
#   jobs/studies/hierarchy-bytes.sh [OPTION...]   options of `echelon fit`, such as
#                                                 --set strategy.sum=float32
#   ECHELON_MODELS=squeezenet ECHELON_HEIGHTS=8 ECHELON_WORKERS=16 ECHELON_OUT=out/short ...
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/studies/study.sh
. jobs/studies/study.sh

out=${ECHELON_OUT:-out/hierarchy-bytes}
models=${ECHELON_MODELS:-squeezenet resnet18 resnet34 resnet50 resnet101 resnet152}
heights=${ECHELON_HEIGHTS:-8}
workers=${ECHELON_WORKERS:-256}
ranks=$(study_ranks "$workers")

# formula MODEL HEIGHT: bytes of a round in the tree, flat through it, and what the tree saves.
formula() {
  "$echelon" topo show --workers "$workers" --height "$2" --model "$1" --json | awk '
    { gsub(",", "") } $1 == "\"tree_bytes\":" { tree = $2 } $1 == "\"flat_bytes\":" { flat = $2 }
    $1 == "\"saved_percent\":" { saved = $2 } END { print tree, flat, saved }'
}

# counted RUN KIND: bytes of the run's rounds, up and down, of `logical` or `wire`.
counted() {
  awk -v kind="\"$2\":" '$1 == kind { inside = 1 } { gsub(",", "") }
    inside && ($1 == "\"up\":" || $1 == "\"down\":") { sum += $2; if (++found == 2) exit }
    END { printf "%.0f\n", sum }' "$1.json"
}

mkdir -p "$out"
pages=()
table=$out/table.csv
echo "model,height,workers,flat_bytes,tree_bytes,saved_percent,logical_bytes,wire_bytes,seconds" >"$table"
for model in $models; do
  for height in $heights; do
    run=$out/$model-$height
    pages+=("$run/run.h5")
    study_fit "$run" jobs/studies/overhead.yaml "$ranks" --set "model.name=$model" \
      --set "topology={kind: balanced, workers: $workers, height: $height}" \
      --set aggregators=materialised "$@"
    read -r tree flat saved <<<"$(formula "$model" "$height")"
    echo "$model,$height,$workers,$flat,$tree,$saved,$(counted "$run" logical),$(counted "$run" \
      wire),$(study_total "$run" total)" >>"$table"
  done
done

"$echelon" report "${pages[@]}" --out "$out/page"
awk -F, 'BEGIN { gib = 1024 ^ 3; printf "%-11s %6s %11s %11s %8s %12s %11s %9s\n", "model", "height",
    "flat GiB", "tree GiB", "saved", "logical GiB", "wire GiB", "seconds" }
  NR > 1 { off = $5 != $7; bad = bad || off
    printf "%-11s %6d %11.2f %11.2f %6.2f %% %12.2f %11.2f %9.1f%s\n", $1, $2, $4 / gib, $5 / gib, $6,
      $7 / gib, $8 / gib, $9, off ? ": NOT THE FORMULA" : "" }
  END { if (!bad) print "bytes: the algorithm sends what the formula says"; exit bad }' "$table"
