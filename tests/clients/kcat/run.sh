#!/usr/bin/env bash
# Debian's kcat; ../README.md has the contract. `run.sh group seek` runs some of the cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

case_seconds=60

install_debian kcat jq
version=$(kcat -V | sed -n 's/^Version \([^ ]*\).*/\1/p')
start_server
names=("$@")
if ((${#names[@]} == 0)); then names=(admin produce idempotence group restart seek edges); fi
lines=$results/kcat.txt
: >"$lines"
for name in "${names[@]}"; do
    work=$server/$name
    mkdir "$work"
    code=0
    # The note of a case that passed is its last line of output, the reason of one that failed its
    # last line on the error stream.
    timeout "$case_seconds" "$here/cases.sh" "$name" "$server" "$work" >"$work/note" 2>"$work/errors" || code=$?
    if ((code == 0)); then
        outcome=ok why=$(tail -n 1 "$work/note")
    else
        outcome=fail why=$(tail -n 1 "$work/errors")
        if ((code == 124)); then why="not at its end after $case_seconds s; $why"; fi
        tail -n 30 "$work/errors" >&2
    fi
    echo "CASE kcat $version $name $outcome${why:+ ${why:0:300}}" | tee -a "$lines"
done
tally "$lines"
