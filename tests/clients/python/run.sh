#!/usr/bin/env bash
# The Python clients; ../README.md has the contract. `run.sh aiokafka` runs one client,
# `run.sh aiokafka group seek` some of its cases, `run.sh --install` none.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_python
start_server
"$python" "$here/suite.py" --server "$server" --results "$results" "$@"
