#!/usr/bin/env bash
# aws-sdk-kinesis for Rust against the Kinesis door; README.md one folder up says what the cases are and what is printed. `run.sh
# fanout records` runs some of the cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_rust
# Which operations there are is in the SDK's sources: one module each.
sdk=$(cargo metadata --locked --format-version 1 --manifest-path "$here/Cargo.toml" | python3 -c '
import json, sys
print(next(found["manifest_path"] for found in json.load(sys.stdin)["packages"] if found["name"] == "aws-sdk-kinesis"))')
forget_aws
start_server --limits off --tls-self-signed true
"$CARGO_TARGET_DIR/debug/aws-suite" "$clients" "$server" "$results" "$(dirname "$sdk")/src/operation" "$@"
