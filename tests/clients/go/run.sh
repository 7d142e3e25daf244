#!/usr/bin/env bash
# franz-go, sarama and kafka-go; README.md one folder up says what the cases are and what is printed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

go build -C "$here" -o "$target/suite" .
start_server
"$target/suite" "$clients/subject" "$server" "$results"
