#!/usr/bin/env bash
# kafkajs, @platformatic/kafka and confluent-kafka for JavaScript; README.md one folder up says what the cases are and what is printed. `run.sh --install` runs none.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_node
install_debian libzstd-dev=/usr/include/zstd.h
"$here/build-confluent" "$target/node_modules/@confluentinc/kafka-javascript" "${node%/bin/node}/include/node" >"$target/build.log" 2>&1 || {
    tail -n 30 "$target/build.log" >&2
    exit 1
}
start_server
# kafkajs sets timers in the past, which this Node remarks on.
"$node" --disable-warning=TimeoutNegativeWarning "$target/main.js" "$clients/subject" "$server" "$results"
