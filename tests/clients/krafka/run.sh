#!/usr/bin/env bash
# krafka, a client in Rust with share groups; README.md one folder up says what the cases are and what is printed. `run.sh share seek`
# runs some of the cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_rust
start_server
"$CARGO_TARGET_DIR/debug/krafka-suite" "$clients/subject" "$server" "$results" "$@"
