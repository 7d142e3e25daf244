#!/usr/bin/env bash
# kaskade, a user interface for Kafka in the terminal; ../README.md has the contract. `run.sh topics records` runs some of the cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_python
start_server
"$python" "$here/suite.py" "$server" "$results" "$@"
