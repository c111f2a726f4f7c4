#!/usr/bin/env bash
# Checks the models with spin, exhaustively for small sizes. The broken model must fail, or the check
# sees nothing.
set -euo pipefail
cd "$(dirname "$0")"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# check DEFINE...: 0 if the model holds with these sizes; its report in $scratch/report.
check() {
  (
    cd "$scratch"
    spin -a "$@" "$OLDPWD/ring.pml" >/dev/null
    gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c
    ./pan -m2000000 >report
    grep -q "errors: 0" report && ! grep -qE "max search depth|out of memory|pan: reached" report
  )
}

failed=0

# holds DEFINE...
holds() {
  if check "$@"; then
    echo "holds: $* ($(grep "states, stored" "$scratch/report" | tr -s ' '))"
  else
    echo "FAILS: $*"
    head -n 3 "$scratch/report"
    failed=1
  fi
}

holds -DPRODUCERS=2 -DCONSUMERS=2 -DSLOTS=2 -DBATCH=2 -DEACH=2
holds -DPRODUCERS=1 -DCONSUMERS=2 -DSLOTS=2 -DBATCH=2 -DEACH=5
holds -DPRODUCERS=2 -DCONSUMERS=1 -DSLOTS=4 -DBATCH=3 -DEACH=3
holds -DPRODUCERS=3 -DCONSUMERS=1 -DSLOTS=2 -DBATCH=2 -DEACH=2
if check -DBROKEN; then
  echo "FAILS: the broken model holds"
  failed=1
fi
exit $failed
