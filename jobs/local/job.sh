#!/usr/bin/env bash
# A list of runs on this machine, by mpiexec. The settings are filled in by `echelon scale` and
# `echelon plan`; as it is, it runs jobs/demo.yaml from the top of the tree.
set -euo pipefail

here="jobs"                         # folder of runs.sh
echelon=build/release/bin/echelon   # the program
config=jobs/demo.yaml               # configuration
list=                               # runs, one a line; empty: the configuration alone
out=out/demo-job                    # folder of the results
ranks=2                             # MPI processes
threads=1                           # of each
walltime=0                          # seconds; 0: no limit
margin=0                            # seconds of it that are left for the end
keep=true                           # checkpoints of runs that are done
calibrate=false                     # first measure what predictions lack

hosts=1 # this one
ranks_per_host=$ranks

# Echelon pins its ranks itself: the launcher leaves them unbound.
launch() {
  exec mpiexec -bind-to none -n "$ranks" "$@"
}

again() {
  exec bash "$script"
}

script=$(realpath "$0")
# shellcheck source=jobs/runs.sh
. "$here/runs.sh"
