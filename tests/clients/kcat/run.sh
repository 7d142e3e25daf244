#!/usr/bin/env bash
# Debian's kcat; ../README.md has the contract. `run.sh group seek` runs some of the cases.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/kcat
results=$repo/target/clients/results
case_seconds=60

missing=()
for tool in kcat jq; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
if ((${#missing[@]})); then
    apt-get update -qq >&2
    apt-get install -y --no-install-recommends "${missing[@]}" >&2
fi
version=$(kcat -V | sed -n 's/^Version \([^ ]*\).*/\1/p')

mkdir -p "$target" "$results"
# Kafka's storage wants an absolute path, and every run wants a new one.
work=$(mktemp -d "$target/run.XXXXXX")
mkdir "$work/server"
finish() {
    local code=$?
    "$here/../subject" kill "$work/server"
    if ((code == 0)); then
        rm -rf "$work"
    else
        echo "the server's data and log and the cases' files are in $work" >&2
    fi
}
trap finish EXIT
"$here/../subject" start "$work/server" >/dev/null

passed=0 failed=0
: >"$results/kcat.txt"
cases=("$@")
if ((${#cases[@]} == 0)); then cases=(admin produce idempotence group restart seek edges); fi
for case in "${cases[@]}"; do
    mkdir "$work/$case"
    code=0
    # The note of a case that passed is its last line of output, the reason of one that failed its
    # last line on the error stream.
    timeout "$case_seconds" "$here/cases.sh" "$case" "$work/server" "$work/$case" \
        >"$work/$case/note" 2>"$work/$case/errors" || code=$?
    if ((code == 0)); then
        outcome=ok why=$(tail -n 1 "$work/$case/note")
        passed=$((passed + 1))
    else
        outcome=fail why=$(tail -n 1 "$work/$case/errors")
        if ((code == 124)); then why="not at its end after $case_seconds s; $why"; fi
        tail -n 30 "$work/$case/errors" >&2
        failed=$((failed + 1))
    fi
    echo "CASE kcat $version $case $outcome${why:+ ${why:0:300}}" | tee -a "$results/kcat.txt"
done
echo "$passed passed, $failed failed, 0 skipped"
((failed == 0))
