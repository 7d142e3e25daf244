#!/usr/bin/env bash
# run.sh [CYCLES]: money moves between accounts in transactions while the server is killed with signal 9; after every restart
# readers of both doors must see every transfer whole and once. BANK_SEED=n repeats the choices of an earlier run.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

go build -C "$here" -o "$target/bank" .
start_server --limits off # readers of Kinesis's door look more often than five times a second
"$target/bank" -subject "$clients/subject" -server "$server" -cycles "${1:-100}" -seed "${BANK_SEED:-0}"
