#!/usr/bin/env bash
# Builds with warnings as errors, and runs every test, the format check, cppcheck, clang-tidy, the
# models, the kernels on aarch64, suites once more under sanitizers and under valgrind, every reader
# on damaged input, and jobs whose ranks are killed, whose calls fail and whose disk is full.
# Installs what is missing, as jobs/demo.sh does. Exit code 0: everything passed.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=jobs/setup.sh
. jobs/setup.sh

failed=()

# step NAME COMMAND...: run it, remember the name if it fails.
step() {
  local name=$1 start=$SECONDS
  shift
  echo
  echo "== $name"
  if "$@"; then
    echo "== $name: passed in $((SECONDS - start)) s"
  else
    echo "== $name: FAILED after $((SECONDS - start)) s"
    failed+=("$name")
  fi
}

# beside COMMAND...: start it with the least priority, beside steps whose jobs wait now and then, one
# command at a time. `step NAME join` waits for it and shows what it said.
beside() {
  beside_output=$(mktemp)
  (
    renice -n 19 "$BASHPID" >/dev/null
    "$@"
  ) >"$beside_output" 2>&1 </dev/null &
  beside_job=$!
}

join() {
  local status=0
  wait "$beside_job" || status=$?
  cat "$beside_output"
  rm -f "$beside_output"
  return "$status"
}

sources() {
  git ls-files --cached --others --exclude-standard -- 'apps/*' 'io/*' 'kernels/*' 'runtime/*' \
    'tests/*' | grep -E "$1"
}

check_format() {
  sources '\.[ch]$' | xargs clang-format --dry-run -Werror
}

# uninitvar is left to the compiler and the analyzer, which see that a loop runs at least once.
check_cppcheck() {
  cppcheck --project=build/release/compile_commands.json -i tests --quiet -j "$(nproc)" \
    --enable=warning,performance,portability --library=.cppcheck.xml --suppress=uninitvar \
    --inline-suppr --error-exitcode=1
}

# Only files that this machine compiles: others are for another processor. One that is compiled more
# than once (kernels, for each instruction set) is looked at as the last of them.
check_tidy() {
  local database=build/tidy
  mkdir -p "$database"
  awk '/^\{/ { entry = "{"; next } /^\}/ { entries[name] = entry "}"; next }
    /"file":/ { name = $0 } { entry = entry $0 }
    END { printf "["; for (name in entries) { printf "%s\n%s", comma, entries[name]; comma = "," }
      print "]" }' build/release/compile_commands.json >"$database/compile_commands.json"
  sources '\.c$' | while read -r file; do
    grep -qF "\"file\": \"$PWD/$file\"" "$database/compile_commands.json" && echo "$file"
  done | xargs -P "$(nproc)" -n 1 clang-tidy -p "$database" --quiet 2>/dev/null
}

setup_packages libhiredis-dev libssl-dev libzmq3-dev libzstd-dev clang-format clang-tidy cppcheck \
  hdf5-tools dataset-fashion-mnist gnuplot-nox graphviz librsvg2-bin spin gcc-aarch64-linux-gnu \
  libc6-dev-arm64-cross qemu-user valgrind clang libclang-rt-14-dev libomp-dev util-linux \
  redis-server munge slurm-wlm

if ! setup_build release all -- -DECH_WARNINGS_AS_ERRORS=ON; then
  echo "tests/run.sh: FAILED: build"
  exit 1
fi
step "suites without MPI" tests/suites.sh release plain
# Six minutes and a build, beside as long of ranks that wait for each other.
beside tests/fuzz/run.sh 60
step "suites with MPI" tests/suites.sh release mpi
step "kills" tests/faults/kill.sh 10 1
step "calls that fail" tests/faults/sweep.sh 10
step "full disks" tests/faults/disk.sh
step "PBS" tests/pbs/run.sh
step "Slurm" tests/slurm/run.sh brief
step "fuzzing" join
beside check_tidy
step "format" check_format
step "cppcheck" check_cppcheck
step "models" tests/model/run.sh
step "aarch64" tests/portability/aarch64.sh build/release/tests/kernels_check
step "build with sanitizers" setup_build sanitize all -- -DECH_WARNINGS_AS_ERRORS=ON
step "suites under sanitizers" tests/suites.sh sanitize plain
# The others with MPI by hand: tests/suites.sh sanitize mpi.
step "MPI cases under sanitizers" tests/suites.sh sanitize mpi 'test_*_jobs'
# The rest of those labelled for it by hand: tests/suites.sh release memcheck.
step "suites under valgrind" tests/suites.sh release memcheck \
  'test_@(base_config|base_yaml|fed_strategy|fed_exact_definition)'
step "build with ThreadSanitizer" setup_build thread task_stress -- -DECH_WARNINGS_AS_ERRORS=ON
# UCX, which comes with MPI, patches system calls in a way that ThreadSanitizer does not survive.
step "threads executor under ThreadSanitizer" env UCX_MEM_MMAP_HOOK_MODE=none timeout -k 10 600 \
  build/thread/tests/task_stress threads 1 3 2000
step "clang-tidy" join

echo
if [ ${#failed[@]} -gt 0 ]; then
  echo "tests/run.sh: FAILED: ${failed[*]}"
  exit 1
fi
echo "tests/run.sh: everything passed in $SECONDS s"
