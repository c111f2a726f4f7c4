#!/usr/bin/env bash
# Sends the jobs of a study to PBS, and a last one that gathers their results when all have ended.
set -euo pipefail

here=out/study/jobs # folder of the scripts
jobs=               # names, by blanks

ids=
for job in $jobs; do
  id=$(qsub "$here/$job.sh")
  echo "$job: $id"
  ids=$ids:$id
done
id=$(qsub -W "depend=afterany$ids" "$here/collect.sh")
echo "collect: $id"
