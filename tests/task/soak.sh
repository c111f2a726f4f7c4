#!/usr/bin/env bash
# Random graphs of tasks on threads, on ranks of one host and of two fake hosts; each must give the
# results of the serial executor. `tests/task/soak.sh [SEEDS [TASKS]]`, 200 and 100000 if not given.
set -euo pipefail
seeds=${1:-200}
tasks=${2:-100000}
program=$(dirname "$0")/../../build/release/tests/task_stress

nice "$program" threads "$seeds" "$tasks"
echo "threads: $seeds seeds of $tasks tasks as on the serial executor"
nice mpiexec -n 3 "$program" mpi "$seeds" "$tasks"
echo "3 ranks of one host: the same"
MPIR_CVAR_NUM_CLIQUES=2 nice mpiexec -n 4 "$program" mpi "$seeds" "$tasks"
echo "4 ranks of two hosts: the same"
