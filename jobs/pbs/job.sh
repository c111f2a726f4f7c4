#!/usr/bin/env bash
# A list of runs as one PBS job, which sends itself again until all are done. The settings are
# filled in by `echelon scale` and `echelon plan`; to use it by hand, copy it, set them, and
# `qsub` it from the top of the tree.
#PBS -N echelon
#PBS -l select=1:ncpus=2:mpiprocs=2:ompthreads=1
#PBS -l place=scatter
#PBS -l walltime=0:30:00
#PBS -q compute
#PBS -A project
#PBS -o echelon-job.log
#PBS -j oe
#PBS -r y
set -euo pipefail
cd "${PBS_O_WORKDIR:-.}" # PBS starts jobs in the home folder

here="jobs"                         # folder of runs.sh
echelon=build/release/bin/echelon   # the program
config=jobs/demo.yaml               # configuration
list=                               # runs, one a line; empty: the configuration alone
out=out/demo-job                    # folder of the results
ranks=2                             # MPI processes, as select's chunks times mpiprocs
hosts=1                             # machines
ranks_per_host=2                    # of a full machine
threads=1                           # of each, as ompthreads
walltime=1800                       # seconds, as -l walltime
margin=60                           # seconds of it that are left for the end
keep=true                           # checkpoints of runs that are done
calibrate=false                     # first measure what predictions lack
modules=                            # environment modules to load, by blanks
script=jobs/pbs/job.sh              # this file, to send it again: PBS runs a copy
collect=                            # the script that waits for this job; empty: none

for module in $modules; do
  module load "$module"
done

# Echelon pins its ranks itself, by NUMA domain, inside what PBS allows: mpiexec leaves them
# unbound. The file of nodes has a line a rank.
launch() {
  exec mpiexec -f "$PBS_NODEFILE" -bind-to none -n "$ranks" "$@"
}

# A new job, and somebody who waits for that one: users may not rerun a job under its number.
again() {
  local next
  next=$(qsub "$script")
  [ -z "$collect" ] || qsub -W "depend=afterany:$next" "$collect"
}

# shellcheck source=jobs/runs.sh
. "$here/runs.sh"
