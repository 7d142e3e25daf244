#!/usr/bin/env bash
# run.sh [CYCLES]: money moves between accounts in transactions while the server is killed with signal 9; after every restart
# readers of both doors must see every transfer whole and once. BANK_SEED=n repeats the choices of an earlier run.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(cd "$here/../../.." && pwd)/target/clients/bank
subject=$here/../subject
mkdir -p "$work"
(cd "$here" && go build -o "$work/bank" .)

server=$work/server
stop() {
    if [[ -e $server/pid ]]; then "$subject" stop "$server"; fi
}
stop # what an interrupted run has left
rm -rf "$server"
trap stop EXIT
export SHARDGATE_LIMITS=off # readers of Kinesis's door look more often than five times a second
"$subject" start "$server" >/dev/null
"$work/bank" -subject "$subject" -server "$server" -cycles "${1:-100}" -seed "${BANK_SEED:-0}"
stop
rm -rf "$server" # after a failure it stays, to be looked at
