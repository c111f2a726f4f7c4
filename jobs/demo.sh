#!/usr/bin/env bash
# From a fresh clone to a trained model: installs what is missing, builds, imports FashionMNIST,
# trains with one rank a core, and draws the accuracy. Safe to run again: what is there is kept.
#
#   jobs/demo.sh [OPTION...]     options of `echelon fit`, such as --set rounds=20
#   ECHELON_RANKS=4 jobs/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=jobs/setup.sh
. jobs/setup.sh

data=out/fashion-mnist.h5
run=out/demo
echelon=build/release/bin/echelon

# Accuracy and rounds of a run record in two columns.
accuracy_of() {
  "$echelon" inspect "$1" --json | awk '
    $1 == "\"round\":" { sub(",", "", $2); round = $2 }
    $1 == "\"test_accuracy\":" && $2 != "null," { sub(",", "", $2); print round, $2 }'
}

draw_accuracy() {
  accuracy_of "$run/run.h5" >"$run/accuracy.txt"
  gnuplot <<PLOT
    set terminal pngcairo size 900,540 font "Sans,11"
    set output "$run/accuracy.png"
    set title "FashionMNIST, SmallConv, 64 workers, FedAvg"
    set xlabel "round"
    set ylabel "test accuracy"
    set yrange [0:1]
    set grid
    unset key
    plot "$run/accuracy.txt" using 1:2 with lines linewidth 2
PLOT
}

setup_packages dataset-fashion-mnist gnuplot-nox
echo "Building (build/release)" >&2
setup_build release echelon

mkdir -p out
if [ ! -f "$data" ]; then
  "$echelon" data import idx /usr/share/datasets/fashion-mnist --out "$data"
fi

cores=$(nproc)
ranks=${ECHELON_RANKS:-$((cores < 16 ? cores : 16))}
echo "Training with $ranks ranks: mpiexec -n $ranks $echelon fit jobs/demo.yaml --out $run" >&2
mpiexec -n "$ranks" "$echelon" fit jobs/demo.yaml --out "$run" --overwrite "$@"
draw_accuracy
echo "accuracy over rounds $run/accuracy.png"
