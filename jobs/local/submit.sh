#!/usr/bin/env bash
# Runs the jobs of a study on this machine, one after the other, and gathers their results.
set -euo pipefail

here=out/study/jobs # folder of the scripts
jobs=               # names, by blanks

failed=
for job in $jobs; do
  echo "== $job"
  bash "$here/$job.sh" || failed="$failed $job"
done
bash "$here/collect.sh"
if [ -n "$failed" ]; then
  echo "Jobs that failed:$failed" >&2
  exit 1
fi
