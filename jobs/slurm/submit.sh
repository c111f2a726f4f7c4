#!/usr/bin/env bash
# Sends the jobs of a study to Slurm, and a last one that gathers their results when all have ended.
set -euo pipefail

here=out/study/jobs # folder of the scripts
jobs=               # names, by blanks

ids=
for job in $jobs; do
  id=$(sbatch --parsable "$here/$job.sh")
  echo "$job: ${id%%;*}" # with several clusters, theirs comes after the number
  ids=$ids:${id%%;*}
done
id=$(sbatch --parsable --dependency="afterany$ids" "$here/collect.sh")
echo "collect: ${id%%;*}"
