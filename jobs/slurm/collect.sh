#!/usr/bin/env bash
# Gathers the results of a study into one table and draws them, after its jobs.
#SBATCH --job-name=echelon-collect
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --time=0:30:00
#SBATCH --partition=compute
#SBATCH --account=project
#SBATCH --output=echelon-collect.log
set -euo pipefail

echelon=build/release/bin/echelon # the program
study=out/study                   # folder of the study
modules=                          # environment modules to load, by blanks

for module in $modules; do
  module load "$module"
done

exec "$echelon" scale --collect --out "$study"
