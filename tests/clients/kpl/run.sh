#!/usr/bin/env bash
# The Kinesis Producer Library over TLS; README.md has the cases, ../README.md the contract. Its native daemon comes in the jar.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_java
javac -cp "$target/lib/*" -d "$target/classes" "$here"/*.java
forget_aws
start_server --tls-self-signed true
cases kpl "${java[@]}" -Xmx384m -Dorg.slf4j.simpleLogger.logFile="$server/kpl.log" -cp "$target/classes:$target/lib/*" Main \
    "http://$(door kinesis)" "$server" "$server/kpl.log"
