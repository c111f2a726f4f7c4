#!/usr/bin/env bash
# Random graphs of tasks on threads, on ranks of one host and of two fake hosts; each must give the
# results of the serial executor. `tests/task/soak.sh [LAST [TASKS [FIRST]]]`: the seeds FIRST to
# LAST, 1 to 200 if not given, with 100000 tasks each.
set -euo pipefail
last=${1:-200}
tasks=${2:-100000}
first=${3:-1}
program=$(dirname "$0")/../../build/release/tests/task_stress

nice "$program" threads "$first" "$last" "$tasks"
echo "threads: seeds $first to $last, $tasks tasks each, as on the serial executor"
nice mpiexec -n 3 "$program" mpi "$first" "$last" "$tasks"
echo "3 ranks of one host: the same"
MPIR_CVAR_NUM_CLIQUES=2 nice mpiexec -n 4 "$program" mpi "$first" "$last" "$tasks"
echo "4 ranks of two hosts: the same"
