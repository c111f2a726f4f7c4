#!/usr/bin/env bash
# Runs the Criterion suites of a build that is there, each one process with a time limit.
#
#   tests/suites.sh PRESET KIND [PATTERN]
#
# PRESET   release, debug, sanitize, thread or coverage
# KIND     plain: those without MPI, as many at once as there are cores; mpi: the others, one by one;
#          memcheck: those labelled for valgrind, under it, on the AVX2 kernels (it knows no AVX-512)
# PATTERN  of their names, as in 'test_io_*'; without it all of the kind
#
# Exit code 0: all passed. The last line names those that did not.
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
readonly preset=$1 kind=$2 pattern=${3:-*}
cd "$(dirname "$0")/.."
# shellcheck source=tests/together.sh
. tests/together.sh

at_once=$(nproc)
[ "$kind" != mpi ] || at_once=1
prefix=()
failed=$(mktemp)
trap 'rm -rf "$failed" "$failed".*' EXIT
slowness=1
if [ "$kind" = memcheck ]; then
  export ECH_ISA=avx2
  # Whatever a suite waits for may take so many times as long: tests/limits.h.
  slowness=5
  # Criterion does not look at how a test's process ends: errors are what valgrind writes. A block
  # that is held at the end is known by a pointer behind its header, or by a thread that still is,
  # and looks possibly lost: what a test holds it counts itself (ech_test_expect_no_leak).
  prefix=(valgrind --quiet --trace-children=yes --leak-check=full --show-leak-kinds=definite
    --log-file="$failed.%q{ECH_SUITE}.%p")
fi
export ECH_TEST_SLOWNESS=$slowness
if [ "$preset" = sanitize ]; then
  export UBSAN_OPTIONS=print_stacktrace=1
  # hwloc's plug-ins leak, and are unloaded before LeakSanitizer could tell whose leaks those are.
  export HWLOC_PLUGINS_PATH=/nonexistent
fi

# print_reports BEGINNING: what valgrind wrote, and AddressSanitizer of a process that Criterion
# made for a test, which tells leaks when it ends. Programs that tests start may die on purpose.
print_reports() {
  local file
  for file in "$1".[0-9]* "$1".boxfort-worker.*; do
    [ ! -e "$file" ] || cat "$file"
  done
}
export -f print_reports

# run_suite PRESET FAILED-FILE PREFIX... NAME SECONDS
run_suite() {
  local preset=$1 failed=$2 start=$SECONDS name seconds
  local prefix=("${@:3:$#-4}")
  name=${*: -2:1}
  seconds=${*: -1}
  echo "-- $name"
  if ECH_SUITE=$name ASAN_OPTIONS=log_path=$failed.$name:log_exe_name=1 \
    timeout -k 10 $((seconds * ECH_TEST_SLOWNESS)) "${prefix[@]}" "build/$preset/tests/$name" &&
    ! print_reports "$failed.$name" | grep .; then
    echo "-- $name: passed in $((SECONDS - start)) s"
  else
    echo "-- $name: FAILED after $((SECONDS - start)) s"
    cat "$failed.$name".* 2>/dev/null || true
    echo "$name" >>"$failed"
    return 1
  fi
}

chosen() {
  local name seconds its_kind memory
  while read -r name seconds its_kind memory; do
    # shellcheck disable=SC2053
    if [[ $name == $pattern ]] && { [ "$kind" = "$its_kind" ] || [ "$kind" = "$memory" ]; }; then
      echo "$name $seconds"
    fi
  done <"build/$preset/tests/suites.txt"
}

if [ -z "$(chosen)" ]; then
  echo "tests/suites.sh: no suite of the kind $kind is called $pattern" >&2
  exit 2
fi
if ! chosen | together "$at_once" run_suite "$preset" "$failed" "${prefix[@]}"; then
  echo "Suites that failed: $(tr '\n' ' ' <"$failed")"
  exit 1
fi
