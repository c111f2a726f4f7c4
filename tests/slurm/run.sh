#!/usr/bin/env bash
# Scaling studies on a real Slurm of four nodes on this machine: a weak-scaling study to its report;
# a walltime that runs out, a job that is cancelled, and a node that fails, each of which must end
# with the bits of an undisturbed run. Stops what it starts.
#
#   tests/slurm/run.sh          about four minutes
#   tests/slurm/run.sh brief    the walltime alone, in less than a minute
#   tests/slurm/run.sh long     60 s of walltime for a study of three minutes, in about eight
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/setup.sh
. jobs/setup.sh
# shellcheck source=tests/slurm/cluster.sh
. tests/slurm/cluster.sh

form=${1:-short}
case $form in
brief) rounds=12 margin=42 ;;
short) rounds=30 margin=42 ;;
long) rounds=600 margin=20 ;;
*) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
scheduler=slurm
# shellcheck source=tests/scale/studies.sh
. tests/scale/studies.sh

pass() {
  cluster_stop
  rm -rf "$folder"
  echo "tests/slurm: passed in $SECONDS s"
  exit
}

# job STUDY NAME: the number of a job that was sent.
job() {
  awk -v name="$2:" '$1 == name { print $2 }' "$folder/$1.sent"
}

has_checkpoint() {
  compgen -G "$folder/$1/runs/*/checkpoint-*.h5"
}

restarts() {
  scontrol show job "$(job "$1" pooled-r2)" | grep -o 'Restarts=[0-9]*' | cut -d= -f2
}

# await STUDY SECONDS: until its collector has drawn the report.
await() {
  cluster_wait "$2" "the study $1" test -s "$folder/$1/report/report.html" ||
    fail "$1: $(squeue 2>&1; tail -n 5 "$folder/$1"/jobs/*.log 2>&1)"
}

# ---- the studies ----

setup_packages munge slurm-wlm dataset-fashion-mnist
write_study "${ROUNDS:-$rounds}"

cluster_start "$folder/cluster"
echo "cluster: $(sinfo -h -o '%D nodes, %T')"

# Undisturbed and without a limit.
submit whole "$folder/study.yaml"
await whole 600
echo "whole: $(result whole model_xxh128) in $(result whole total_seconds) s"

# Slurm knows minutes: of a short study the margin takes three quarters. There a warning, as Slurm
# may send it early, makes sure that the job is queued again on a fast machine too.
submit walltime "$folder/study.yaml" --set job.walltime=60 --set "job.margin=$margin"
if [ "$form" != long ]; then
  check cluster_wait 60 "a checkpoint" has_checkpoint walltime
  scancel --signal=USR1 --batch "$(job walltime pooled-r2)"
fi
await walltime 900
check test "$(restarts walltime)" -ge 1
expect_same_bits walltime whole
echo "walltime: 60 s, margin $margin s, queued again $(restarts walltime) times"

[ "$form" = short ] || pass

# A cancelled job saves its model and stays cancelled; sent again, it goes on.
submit cancelled "$folder/study.yaml"
check cluster_wait 60 "a checkpoint" has_checkpoint cancelled
scancel "$(job cancelled pooled-r2)"
check cluster_wait 60 "the jobs' end" cluster_is_empty
check test "$(restarts cancelled)" = 0
check test ! -e "$folder/cancelled/report/report.html"
submit cancelled "$folder/study.yaml"
await cancelled 300
expect_same_bits cancelled whole

# A node that fails takes the job with it; Slurm queues it again, on others.
submit failed "$folder/study.yaml"
check cluster_wait 60 "a checkpoint" has_checkpoint failed
node=$(squeue -h -j "$(job failed pooled-r2)" -o %N | sed 's/.*\[\([0-9]\).*/n\1/')
scontrol update "nodename=$node" state=down reason=test
await failed 300
check test "$(restarts failed)" -ge 1
expect_same_bits failed whole
scontrol update "nodename=$node" state=resume 2>/dev/null || true # it may be back by itself
check cluster_wait 60 "four idle nodes" cluster_is_idle

run_weak_study

pass
