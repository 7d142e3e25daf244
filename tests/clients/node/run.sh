#!/usr/bin/env bash
# kafkajs and @platformatic/kafka; README.md one folder up says what the cases are and what is printed. `run.sh --install` runs none.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_node
start_server
# kafkajs sets timers in the past, which this Node remarks on.
"$node" --disable-warning=TimeoutNegativeWarning "$target/main.js" "$clients/subject" "$server" "$results"
