#!/usr/bin/env bash
# A list of runs as one Slurm job, which queues itself again until all are done. The settings are
# filled in by `echelon scale` and `echelon plan`; to use it by hand, copy it, set them, and
# `sbatch` it from the top of the tree.
#SBATCH --job-name=echelon
#SBATCH --nodes=1
#SBATCH --ntasks=2
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=1
#SBATCH --time=0:30:00
#SBATCH --partition=compute
#SBATCH --account=project
#SBATCH --output=echelon-job.log
#SBATCH --open-mode=append
#SBATCH --requeue
set -euo pipefail

here="jobs"                         # folder of runs.sh
echelon=build/release/bin/echelon   # the program
config=jobs/demo.yaml               # configuration
list=                               # runs, one a line; empty: the configuration alone
out=out/demo-job                    # folder of the results
ranks=2                             # MPI processes, as --ntasks
hosts=1                             # machines
ranks_per_host=2                    # of a full machine
threads=1                           # of each, as --cpus-per-task
walltime=1800                       # seconds, as --time
margin=60                           # seconds of it that are left for the end
keep=true                           # checkpoints of runs that are done
calibrate=false                     # first measure what predictions lack
modules=                            # environment modules to load, by blanks

for module in $modules; do
  module load "$module"
done

# Echelon pins its ranks itself, by NUMA domain, inside what Slurm allows: srun leaves them unbound.
launch() {
  exec srun --mpi=pmi2 --ntasks="$ranks" --cpus-per-task="$threads" --cpu-bind=none \
    --kill-on-bad-exit=1 "$@"
}

# The same job once more: it keeps its number, so those that depend on it go on waiting. A job that
# was cancelled stays so.
again() {
  if scontrol show job "$SLURM_JOB_ID" | grep -q 'JobState=RUNNING'; then
    scontrol requeue "$SLURM_JOB_ID"
    sleep 120 # Slurm ends this script
  fi
}

# shellcheck source=jobs/runs.sh
. "$here/runs.sh"
