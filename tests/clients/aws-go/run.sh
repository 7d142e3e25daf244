#!/usr/bin/env bash
# AWS SDK for Go v2 against the Kinesis door; README.md one folder up says what the cases are and what is printed. `run.sh fanout
# records` runs some of the cases.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../aws" aws-go

go build -C "$here" -o "$target/suite" .
start_gateway
"$target/suite" "$clients" "$server" "$results" "$@"
