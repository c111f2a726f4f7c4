#!/usr/bin/env bash
# Gathers the results of a study into one table and draws them, after its jobs. Jobs that are sent
# again send this again too: the last one finds every run.
#PBS -N echelon-collect
#PBS -l select=1:ncpus=1:mpiprocs=1:ompthreads=1
#PBS -l walltime=0:30:00
#PBS -q compute
#PBS -A project
#PBS -o echelon-collect.log
#PBS -j oe
set -euo pipefail
cd "${PBS_O_WORKDIR:-.}" # PBS starts jobs in the home folder

echelon=build/release/bin/echelon # the program
study=out/study                   # folder of the study
modules=                          # environment modules to load, by blanks

for module in $modules; do
  module load "$module"
done

exec "$echelon" scale --collect --out "$study"
