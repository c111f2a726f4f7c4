# Shared by the studies: source it from the top of the tree, under bash. They need the build and
# out/fashion-mnist.h5 that jobs/demo.sh makes.
#
#   ECHELON=...       the command; that of the build if not set
#   ECHELON_RANKS=4   ranks of a run (a core each, at most as many as there are workers)
#   ECHELON_SEEDS=1   seeds, separated by blanks (1 2 3)

# shellcheck disable=SC2034 # read by the studies
echelon=${ECHELON:-build/release/bin/echelon}
seeds=${ECHELON_SEEDS:-1 2 3}

# study_ranks MOST: ranks of a run.
study_ranks() {
  local cores
  cores=$(nproc)
  echo "${ECHELON_RANKS:-$((cores < $1 ? cores : $1))}"
}

# study_fit RUN CONFIG RANKS OPTION...: one run, its totals in RUN.json; not again if they are there.
study_fit() {
  local run=$1 config=$2 ranks=$3
  shift 3
  if [ ! -f "$run.json" ]; then
    mpiexec -n "$ranks" "$echelon" fit "$config" --out "$run" --overwrite --json "$@" >"$run.part"
    mv "$run.part" "$run.json"
  fi
}

# study_total RUN KEY: a text or a number of its totals, the first of that name.
study_total() {
  awk -v key="\"$2\":" '$1 == key { gsub(/[",]/, "", $2); print $2; exit }' "$1.json"
}

# study_accuracies RUN: lines of a round and the test accuracy after it, in per cent; round 0 is the
# initial model.
study_accuracies() {
  "$echelon" inspect "$1/run.h5" --json | awk '
    $1 == "\"round\":" { sub(",", "", $2); round = $2 }
    $1 == "\"test_accuracy\":" && $2 != "null," { sub(",", "", $2); print round, 100 * $2 }'
}
