#!/usr/bin/env bash
# run.sh [CYCLES]: kills the server with signal 9 under load at both doors, at random moments, and checks after every
# restart that nothing acknowledged is lost. KILL9_SEED=n repeats the choices of an earlier run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

go build -C "$here" -o "$target/kill9" .
start_server --limits off # the load is more than a few shards carry
"$target/kill9" -subject "$clients/subject" -server "$server" -cycles "${1:-200}" -seed "${KILL9_SEED:-0}"
