#!/usr/bin/env bash
# Runs a command beside a Redis of its own, for `transfer: redis`: on this machine's loopback, with
# a password that only the command is told (ECH_REDIS_PASSWORD), nothing kept on disk. Ends it with
# the command, whose exit code it has.
#
#   jobs/redis.sh COMMAND...
#   jobs/redis.sh build/release/bin/echelon scale jobs/studies/weak-scaling.yaml --out out/redis \
#     --submit --set 'transfers=[shared, redis]'
#
# REDIS_PORT is its port, 6379 if not set, as redis.address. Needs Debian's redis-server.
set -euo pipefail
if [ $# = 0 ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
port=${REDIS_PORT:-6379}
server=
folder=

stop() {
  trap - EXIT
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server"; } || true
  rm -rf "$folder"
}

fail() {
  echo "jobs/redis.sh: $*" >&2
  exit 1
}

command -v redis-server >/dev/null || fail "redis-server is missing: apt-get install redis-server"
folder=$(mktemp -d "${TMPDIR:-/tmp}/echelon-redis.XXXXXX") # 0700
trap stop EXIT
ECH_REDIS_PASSWORD=$(od -An -tx1 -N24 /dev/urandom | tr -d ' \n')
export ECH_REDIS_PASSWORD

# The password in a file: an argument could be read by everybody.
cat >"$folder/redis.conf" <<END
bind 127.0.0.1
port $port
dir $folder
save ""
appendonly no
requirepass $ECH_REDIS_PASSWORD
END
redis-server "$folder/redis.conf" >"$folder/log" &
server=$!
tries=0
until [ "$(REDISCLI_AUTH=$ECH_REDIS_PASSWORD redis-cli -p "$port" ping 2>/dev/null)" = PONG ]; do
  kill -0 "$server" 2>/dev/null || fail "Redis ended at once: $(tail -n 1 "$folder/log")"
  tries=$((tries + 1))
  [ "$tries" -lt 100 ] || fail "Redis does not answer on port $port"
  sleep 0.1
done
code=0
"$@" || code=$?
exit "$code"
