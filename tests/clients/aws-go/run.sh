#!/usr/bin/env bash
# AWS SDK for Go v2 against the Kinesis door; README.md one folder up says what the cases are and what is printed. `run.sh fanout
# records` runs some of the cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

go build -C "$here" -o "$target/suite" .
forget_aws
start_server --limits off --tls-self-signed true
"$target/suite" "$clients" "$server" "$results" "$@"
