#!/usr/bin/env bash
# AWS SDK for JavaScript v3 against the Kinesis door; README.md one folder up says what the cases are and what is printed. `run.sh
# fanout records` runs some of the cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_node
forget_aws
start_server --limits off --tls-self-signed true
"$node" "$target/main.js" "$clients" "$server" "$results" "$@"
