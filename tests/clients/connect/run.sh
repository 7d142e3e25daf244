#!/usr/bin/env bash
# Kafka Connect, distributed: a worker with a file source and a file sink, killed and resumed. ../README.md has the contract.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_java
javac -cp "$target/lib/*" -d "$target/classes" "$here"/../java/common/*.java "$here"/*.java
start_server
cases connect "${java[@]}" -Xmx256m -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$target/classes:$target/lib/*" Main \
    "$clients/subject" "$server" "$@"
