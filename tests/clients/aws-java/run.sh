#!/usr/bin/env bash
# AWS SDK for Java 2 against the Kinesis door; README.md one folder up says what the cases are and what is printed. `run.sh fanout
# records` runs some of the cases.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_java
javac -cp "$target/lib/*" -d "$target/classes" "$here"/*.java
forget_aws
start_server --limits off --tls-self-signed true
# Netty's log goes nowhere.
"${java[@]}" -Xmx384m -Djava.util.logging.config.file=/dev/null -cp "$target/classes:$target/lib/*" Main \
    "$clients" "$server" "$results" "$@" </dev/null
