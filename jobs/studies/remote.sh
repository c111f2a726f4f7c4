#!/usr/bin/env bash
# The remote experiment: a coordinator and two sites of four workers each, as jobs of their own that
# speak over TCP. Prints the test accuracy of each round's starting model beside Flight's, and fails
# if the model is not, bit for bit, that of the same federation as one job.
#
#   jobs/studies/remote.sh [OPTION...]      all of it on this machine
#
# On three machines, each with the tree built and the data imported (jobs/demo.sh), and the keys of
# out/remote/keys that the first command makes (the sites need their own .key and coordinator.pub):
#
#   jobs/studies/remote.sh coordinator tcp://*:5555 [OPTION...]
#   jobs/studies/remote.sh east tcp://HOST:5555 [OPTION...]
#   jobs/studies/remote.sh west tcp://HOST:5555 [OPTION...]
#
#   ECHELON_RANKS=1   ranks of a site; ECHELON_PORT=5555; ECHELON_SEEDS="1 2 3"
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=jobs/studies/study.sh
. jobs/studies/study.sh

out=${ECHELON_OUT:-out/remote}
config=jobs/studies/remote.yaml
keys=$out/keys
ranks=${ECHELON_RANKS:-1}
published=apps/report/published/remote.csv

make_keys() {
  local name
  mkdir -p "$keys"
  for name in coordinator east west; do
    [ -f "$keys/$name.key" ] || "$echelon" site keygen "$name" --out "$keys" >/dev/null
  done
  cat "$keys/east.pub" "$keys/west.pub" >"$keys/admitted.pub"
}

# coordinator ENDPOINT RUN OPTION...
coordinator() {
  local endpoint=$1 run=$2
  shift 2
  "$echelon" fit "$config" --out "$run" --overwrite --json --set "sites.listen=$endpoint" \
    --set "sites.key=$keys/coordinator.key" --set "sites.admitted=$keys/admitted.pub" \
    "$@" >"$run.part"
  mv "$run.part" "$run.json"
}

# site NAME ENDPOINT OPTION...: on the cores of $cores, if that is set.
site() {
  local name=$1 endpoint=$2
  shift 2
  ${cores:+taskset -c "$cores"} mpiexec -n "$ranks" "$echelon" site "$config" --set "site.name=$name" \
    --set "site.key=$keys/$name.key" --set "site.leader=$keys/coordinator.pub" \
    --set "site.endpoint=$endpoint" "$@"
}

case ${1:-} in
coordinator)
  make_keys
  coordinator "$2" "$out/coordinator" "${@:3}"
  exit
  ;;
east | west)
  site "$1" "$2" "${@:3}"
  exit
  ;;
esac

# Several jobs share this machine: each site gets a core of its own, where there is more than one.
here() {
  local name=$1 number=$2
  shift 2
  cores=$((number % $(nproc))) site "$name" "$@" >"$out/$name.log" 2>&1 &
}

# The same tree without sites, as one job of as many ranks as there are cores.
one_job() {
  local run=$1
  shift
  sed 's/ site: [a-z]*,//' jobs/studies/remote-tree.yaml >"$out/one-tree.yaml"
  study_fit "$run" "$config" "$(study_ranks 8)" --set "topology.file=$out/one-tree.yaml" "$@"
}

make_keys
endpoint=tcp://127.0.0.1:${ECHELON_PORT:-5555}
failed=
runs=()
for seed in $seeds; do
  run=$out/run-$seed
  runs+=("$run/run.h5")
  if [ ! -f "$run.json" ]; then
    here east 0 "$endpoint" --set "seed=$seed" "$@"
    here west 1 "$endpoint" --set "seed=$seed" "$@"
    coordinator "$endpoint" "$run" --set "seed=$seed" "$@"
    wait
  fi
  one_job "$out/one-$seed" --set "seed=$seed" "$@"
  here_bits=$(study_total "$run" model_xxh128)
  one_bits=$(study_total "$out/one-$seed" model_xxh128)
  if [ "$here_bits" = "$one_bits" ]; then
    echo "seed $seed: model xxh128 $here_bits, as in one job"
  else
    echo "seed $seed: model xxh128 $here_bits, but $one_bits in one job"
    failed=1
  fi
done

# A round's starting model is that after the round before.
printf '\n%-6s %9s' round "Flight's"
# shellcheck disable=SC2086 # a column each
printf ' %8s' $seeds
echo
while IFS=, read -r round accuracy; do
  [ "$round" = round ] && continue
  printf '%-6s %9.1f' "$round" "$(awk -v a="$accuracy" 'BEGIN { print 100 * a }')"
  for seed in $seeds; do
    printf ' %8.2f' "$(study_accuracies "$out/run-$seed" |
      awk -v before=$((round - 1)) '$1 == before { print $2 }')"
  done
  echo
done <"$published"
"$echelon" report "${runs[@]}" --out "$out/page"
exit ${failed:+1}
