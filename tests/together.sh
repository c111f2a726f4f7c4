# shellcheck shell=bash
# Source it from the top of the tree, under bash.
#
#   together COUNT FUNCTION ARGUMENT... <LINES    FUNCTION with the arguments and the words of a line,
#                                                 COUNT lines at a time; 1 if one of them failed

# What a command prints comes whole, when it is done.
print_whole() {
  local output status=0
  output=$(mktemp)
  "$@" >"$output" 2>&1 </dev/null || status=1
  flock tests/together.sh cat "$output"
  rm -f "$output"
  return $status
}

together() {
  local count=$1
  shift
  export -f print_whole "${1?}"
  # shellcheck disable=SC2016
  xargs -r -P "$count" -L 1 bash -euo pipefail -c 'print_whole "$@"' together "$@"
}
