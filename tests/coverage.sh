#!/usr/bin/env bash
# Line coverage of runtime and io by the suites, with gcov and gcovr: preset "coverage".
#
#   tests/coverage.sh [LEAST]    fails below LEAST percent in either (85), and if a suite fails
#
# The report by file, and by line in build/coverage/report/index.html. Ranks that are killed, and
# guards, leave no counts behind: what only they run is missing from the figure.
set -euo pipefail
cd "$(dirname "$0")/.."
readonly least=${1:-85}
# shellcheck source=jobs/setup.sh
. jobs/setup.sh
setup_packages libhiredis-dev libssl-dev libzmq3-dev libzstd-dev dataset-fashion-mnist hdf5-tools \
  gnuplot-nox graphviz librsvg2-bin util-linux redis-server gcovr
setup_build coverage all
find build/coverage -name '*.gcda' -delete
bad=0
for kind in plain mpi; do
  tests/suites.sh coverage "$kind" 'test_@(base|mpi|task|fed|io|cli|scale)_*' || bad=1
done
mkdir -p build/coverage/report
gcovr --root . --filter 'runtime/' --filter 'io/' --exclude-throw-branches -j "$(nproc)" \
  --gcov-ignore-parse-errors --json build/coverage/report/all.json \
  --html-details build/coverage/report/index.html --txt build/coverage/report/all.txt build/coverage
cat build/coverage/report/all.txt
for layer in runtime io; do
  # Not --txt /dev/null: gcovr tries an output by making it and removing it again, as root too.
  percent=$(gcovr --root . -a build/coverage/report/all.json --filter "$layer/" --print-summary \
    --txt "build/coverage/report/$layer.txt" | sed -nE 's/^lines: ([0-9.]+)%.*/\1/p')
  echo "$layer: $percent % of the lines, at least $least expected"
  awk -v p="$percent" -v l="$least" 'BEGIN { exit !(p >= l) }' || bad=1
done
exit "$bad"
