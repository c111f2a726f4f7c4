#!/usr/bin/env bash
# aarch64.sh KERNELS_CHECK: compile kernels/ (but for what needs libxsmm) and runtime/base for
# aarch64, warnings being errors; then run kernels_check there, by qemu, and expect line by line
# what the native program KERNELS_CHECK prints: the same bits. Where a tool is missing it says which
# one, and what was left out. Exit code 0: nothing failed; 1: something did.
set -euo pipefail
native=$(realpath "$1")
cd "$(dirname "$0")/../.."

compiler=aarch64-linux-gnu-gcc
emulator=$(command -v qemu-aarch64-static || command -v qemu-aarch64 || true)
if ! command -v $compiler >/dev/null; then
  echo "aarch64: left out: there is no $compiler (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross)"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Headers of libraries that are the same on every processor. Not all of /usr/include: the C library's
# are this processor's.
mkdir "$work/include"
for header in Random123 xxhash.h xxh3.h yaml.h; do
  ln -s "/usr/include/$header" "$work/include/$header"
done
export FLAGS="-std=c17 -O2 -DNDEBUG -fopenmp -ffp-contract=off -fno-math-errno
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -DXXH_INLINE_ALL -DECH_LANES_ISA=portable
  -I. -isystem $work/include -isystem $(pkg-config --variable=includedir openblas)"

# One object a line: its source and what it is compiled for (the reference: float and double).
objects() {
  local source
  for source in kernels/*.c kernels/blas/*.c kernels/lanes/*.c kernels/models/*.c runtime/base/*.c \
    tests/portability/*.c; do
    [[ $source == *_avx2.c ]] || echo "$source plain"
  done
  for source in kernels/reference/*.c; do
    echo "$source float"
    echo "$source double"
  done
}

# shellcheck disable=SC2016
objects | xargs -P "$(nproc)" -n 2 sh -c '
  aarch64-linux-gnu-gcc $FLAGS -DECH_REAL="$2" -c "$1" -o "$0/$(echo "$1" | tr / _).$2.o"' "$work"
echo "aarch64: compiled $(objects | wc -l) objects of kernels and runtime/base"

# The objects that the check needs, and no more: others call libraries that are not there.
aarch64-linux-gnu-ar rcs "$work/all.a" "$work"/*.o
$compiler -fopenmp "$work"/tests_portability_*.o "$work/all.a" -lm -o "$work/kernels_check"
if [ -z "$emulator" ]; then
  echo "aarch64: not run: there is no qemu-aarch64 (Debian: qemu-user)"
  exit 0
fi
timeout 120 "$emulator" -L /usr/aarch64-linux-gnu "$work/kernels_check" >"$work/found"
"$native" >"$work/expected"
if ! diff "$work/expected" "$work/found"; then
  echo "aarch64: the results differ from this processor's: see above"
  exit 1
fi
echo "aarch64: $(wc -l <"$work/found") results are as on this processor"
