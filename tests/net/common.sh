# shellcheck shell=bash disable=SC2154 # folder, program and fail come from tests/faults/common.sh
# What the scripts of this folder share: a leader and its sites. Source it from the top of the tree,
# under bash -e, after tests/faults/common.sh.
#
#   make_keys NAME...                 $folder/keys/NAME.key and .pub, admitted.pub of all but leader
#   make_tree FILE WORKERS SITE...    a tree with sites of so many workers; FILE.one without them
#   run_leader LISTEN ARGUMENT...     `echelon fit $folder/fit.yaml`, its words in $folder/log
#   run_site NAME ENDPOINT ARGUMENT...  `echelon site`, its words in $folder/NAME.log
#
# $prefix of a call goes in front of the program, such as (ip netns exec NAME).

prefix=()

make_keys() {
  local name
  mkdir -p "$folder/keys"
  : >"$folder/keys/admitted.pub"
  for name in "$@"; do
    "$program" site keygen "$name" --out "$folder/keys" >/dev/null
    [ "$name" = leader ] || cat "$folder/keys/$name.pub" >>"$folder/keys/admitted.pub"
  done
}

make_tree() {
  local file=$1 workers=$2 site worker number=0 all=("${@:3}") names
  {
    (
      IFS=,
      echo "top: {kind: leader, children: [${all[*]/#/at-}]}"
    )
    for site in "${all[@]}"; do
      names=
      for ((worker = 0; worker < workers; worker++)); do
        names+="${names:+, }w$((number + worker))"
      done
      if [ "$workers" = 1 ]; then
        echo "at-$site: {kind: worker, site: $site}"
      else
        echo "at-$site: {kind: aggregator, site: $site, children: [$names]}"
      fi
      number=$((number + workers))
    done
    if [ "$workers" != 1 ]; then
      for ((worker = 0; worker < number; worker++)); do
        echo "w$worker: {kind: worker}"
      done
    fi
  } >"$file"
  sed -E 's/, site: [a-z0-9-]*//' "$file" >"$file.one"
}

run_leader() {
  local listen=$1
  shift
  "${prefix[@]}" "$program" fit "$folder/fit.yaml" --out "$folder/out" --set "sites.listen=$listen" \
    --set "sites.key=$folder/keys/leader.key" --set "sites.admitted=$folder/keys/admitted.pub" \
    "$@" >"$folder/log" 2>&1 </dev/null
}

run_site() {
  local name=$1 endpoint=$2
  shift 2
  "${prefix[@]}" "$program" site "$folder/fit.yaml" --set "site.name=$name" \
    --set "site.key=$folder/keys/$name.key" --set "site.leader=$folder/keys/leader.pub" \
    --set "site.endpoint=$endpoint" "$@" >>"$folder/$name.log" 2>&1 </dev/null
}

# The hash of the same federation as one job.
one_job_hash() {
  mpiexec_fit 2 "$folder/fit.yaml" --out "$folder/one" --overwrite \
    --set "topology.file=$folder/tree.yaml.one"
  hash_of_log
}
