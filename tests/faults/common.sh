# shellcheck shell=bash
# What the scripts of this folder share. Source it from the top of the tree, under bash -e.
#
#   $build      where the programs are: ECH_BUILD, or build/release
#   $folder     a folder of this run's own, removed at its end; $folder/log is the last job's output
#   make_data TRAIN TEST                     the first samples of FashionMNIST: $folder/data.h5
#   mpiexec_fit RANKS CONFIG ARGUMENT...     a job of `echelon fit`, with a time limit
#   hash_of_log                              the fingerprint that it printed
#   fail TEXT                                count and show a failure

readonly build=${ECH_BUILD:-$PWD/build/release}
readonly source=/usr/share/datasets/fashion-mnist
readonly limit_s=120
folder=$(mktemp -d "${TMPDIR:-/tmp}/echelon-faults.XXXXXX")
readonly folder
program=$build/bin/echelon
failures=0

remove_folder() {
  rm -rf "$folder"
}
trap remove_folder EXIT

# number VALUE: four bytes, the highest first.
number() {
  local bytes
  printf -v bytes '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) \
    $(($1 >> 8 & 255)) $(($1 & 255))
  printf '%b' "$bytes"
}

# take FILE SKIP BYTES: of what FILE unpacks to.
take() {
  zcat "$source/$1.gz" >"$folder/unpacked"
  tail -c +$(($2 + 1)) "$folder/unpacked" | head -c "$3" || [ $? = 141 ]
}

# The first samples of a part (train or t10k) as idx files of their own.
cut_part() {
  local part=$1 samples=$2
  {
    number $((0x803)) && number "$samples" && number 28 && number 28
    take "$part-images-idx3-ubyte" 16 $((samples * 784))
  } >"$folder/$part-images-idx3-ubyte"
  {
    number $((0x801)) && number "$samples"
    take "$part-labels-idx1-ubyte" 8 "$samples"
  } >"$folder/$part-labels-idx1-ubyte"
}

make_data() {
  cut_part train "$1"
  cut_part t10k "$2"
  "$build/bin/echelon" data import idx "$folder" --out "$folder/data.h5" >/dev/null
}

mpiexec_fit() {
  local on=$1
  shift
  timeout -k 5 "$limit_s" mpiexec -n "$on" "$program" fit "$@" >"$folder/log" 2>&1 </dev/null
}

hash_of_log() {
  sed -n 's/^model xxh128 //p' "$folder/log"
}

fail() {
  failures=$((failures + 1))
  echo "FAILED: $1"
  sed 's/^/    | /' "$folder/log"
}
