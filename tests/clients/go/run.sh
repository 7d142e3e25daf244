#!/usr/bin/env bash
# franz-go, sarama and kafka-go; README.md one folder up says what the cases are and what is printed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
subject=$here/../subject
target=$here/../../../target/clients

mkdir -p "$target/go" "$target/results"
go build -C "$here" -o "$(cd "$target/go" && pwd)/suite" .

# A directory of its own, so that two runs do not disturb each other; it stays if the run fails.
server=$(mktemp -d "$target/go/server.XXXXXX")
finish() {
    local status=$?
    "$subject" stop "$server"
    [[ $status != 0 ]] || rm -rf "$server"
    exit "$status"
}
trap finish EXIT
"$subject" start "$server" >/dev/null
"$target/go/suite" "$subject" "$server" "$target/results"
