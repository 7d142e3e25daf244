#!/usr/bin/env bash
# run.sh [CYCLES]: kills the server with signal 9 under load at both doors, at random moments, and checks after every
# restart that nothing acknowledged is lost. KILL9_SEED=n repeats the choices of an earlier run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(cd "$here/../../.." && pwd)/target/clients/kill9
subject=$here/../subject
mkdir -p "$work"
(cd "$here" && go build -o "$work/kill9" .)

server=$work/server
stop() {
    if [[ -e $server/pid ]]; then "$subject" stop "$server"; fi
}
stop # what an interrupted run has left
rm -rf "$server"
trap stop EXIT
export SHARDGATE_LIMITS=off # the load is more than a few shards carry
"$subject" start "$server" >/dev/null
"$work/kill9" -subject "$subject" -server "$server" -cycles "${1:-200}" -seed "${KILL9_SEED:-0}"
stop
rm -rf "$server" # after a failure it stays, to be looked at
