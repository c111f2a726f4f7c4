#!/usr/bin/env bash
# Builds with warnings as errors, and runs every test, the format check, cppcheck, clang-tidy, the
# models, the kernels on aarch64, the suites without MPI once more under sanitizers, and jobs whose
# ranks are killed and whose disk is full.
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

# suites PRESET KIND-PATTERN FACTOR: run the Criterion suites of a build, one process each, with
# their time limits times FACTOR.
suites() {
  local preset=$1 pattern=$2 factor=$3 name seconds kind _
  local broken=()
  while read -r name seconds kind _; do
    [[ $kind == $pattern ]] || continue
    echo "-- $name"
    timeout -k 10 $((seconds * factor)) "build/$preset/tests/$name" </dev/null 2>&1 ||
      broken+=("$name")
  done <"build/$preset/tests/suites.txt"
  if [ ${#broken[@]} -gt 0 ]; then
    echo "Suites that failed: ${broken[*]}"
    return 1
  fi
}

# Each labelled suite under valgrind, on the AVX2 kernels: it knows no AVX-512.
check_memory() {
  local name seconds memory _
  local broken=()
  while read -r name seconds _ memory; do
    [ "$memory" = memcheck ] || continue
    echo "-- $name"
    ECH_ISA=avx2 timeout -k 10 $((seconds * 5)) valgrind --quiet --trace-children=yes \
      --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
      --suppressions=tests/valgrind.supp "build/release/tests/$name" </dev/null 2>&1 ||
      broken+=("$name")
  done <build/release/tests/suites.txt
  if [ ${#broken[@]} -gt 0 ]; then
    echo "Suites that failed: ${broken[*]}"
    return 1
  fi
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

# Only files that this machine compiles: others are for another processor.
check_tidy() {
  sources '\.c$' | while read -r file; do
    grep -qF "\"file\": \"$PWD/$file\"" build/release/compile_commands.json && echo "$file"
  done | xargs -P "$(nproc)" -n 4 clang-tidy -p build/release --quiet 2>/dev/null
}

setup_packages clang-format clang-tidy cppcheck hdf5-tools dataset-fashion-mnist gnuplot-nox spin \
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user valgrind clang libclang-rt-14-dev \
  util-linux redis-server

if ! setup_build release all -- -DECH_WARNINGS_AS_ERRORS=ON; then
  echo "tests/run.sh: FAILED: build"
  exit 1
fi
step "suites" suites release '*' 1
step "format" check_format
step "cppcheck" check_cppcheck
step "clang-tidy" check_tidy
step "models" tests/model/run.sh
step "aarch64" tests/portability/aarch64.sh build/release/tests/kernels_check
step "build with sanitizers" setup_build sanitize all -- -DECH_WARNINGS_AS_ERRORS=ON
step "suites with sanitizers" suites sanitize plain 5
step "kills" tests/faults/kill.sh 10 1
step "full disks" tests/faults/disk.sh
step "PBS" tests/pbs/run.sh
step "build with ThreadSanitizer" setup_build thread task_stress -- -DECH_WARNINGS_AS_ERRORS=ON
# UCX, which comes with MPI, patches system calls in a way that ThreadSanitizer does not survive.
step "threads executor under ThreadSanitizer" env UCX_MEM_MMAP_HOOK_MODE=none timeout -k 10 600 \
  build/thread/tests/task_stress threads 1 3 2000

echo
if [ ${#failed[@]} -gt 0 ]; then
  echo "tests/run.sh: FAILED: ${failed[*]}"
  exit 1
fi
echo "tests/run.sh: everything passed in $SECONDS s"
