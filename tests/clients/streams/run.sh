#!/usr/bin/env bash
# Kafka Streams: a word count with a repartition topic and a changelog, whose counts stay exact when the server is killed, when the
# application is, and when its stores are lost, with both group protocols. ../README.md has the contract.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_java
javac -cp "$target/lib/*" -d "$target/classes" "$here"/*.java "$here"/../java/common/{Check,Server}.java
: >"$results/streams.txt"
for way in classic/at_least_once classic/exactly_once_v2 streams/exactly_once_v2; do
    start_server
    # The codecs and RocksDB unpack their libraries to the temporary directory.
    "${java[@]}" -Xmx256m -Djava.io.tmpdir="$server" -Dorg.slf4j.simpleLogger.logFile="$server/driver-log" \
        -cp "$target/classes:$target/lib/*" Main "$clients/subject" "$server" "${way#*/}" "${way%/*}" </dev/null |
        tee -a "$results/streams.txt"
    # The server of a way that does not hold stays, to be looked at.
    if ! tail -n 1 "$results/streams.txt" | grep -q ' ok$'; then break; fi
    stop_server 0
    trap - EXIT
done
tally "$results/streams.txt"
