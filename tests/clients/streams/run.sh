#!/usr/bin/env bash
# Kafka Streams: a word count with a repartition topic and a changelog, whose counts stay exact when the server is killed, when the
# application is, and when its stores are lost, with both group protocols. ../README.md has the contract.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/streams
results=$repo/target/clients/results

# The copy of the pom is the sign that the installation came to its end.
if ! cmp -s "$here/pom.xml" "$target/pom.xml"; then
    rm -rf "$target"
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$target/lib" >&2
    cp "$here/pom.xml" "$target/pom.xml"
fi

mkdir -p "$results"
server=$(mktemp -d "$target/server.XXXXXX")
finish() {
    local code=$?
    "$here/../subject" kill "$server"
    if ((code == 0)); then
        rm -rf "$server"
    else
        echo "the server's data and log and the application's are in $server" >&2
    fi
}
trap finish EXIT
javac -cp "$target/lib/*" -d "$target/classes" "$here"/*.java "$here"/../java/common/{Check,Server}.java
rm -f "$target"/*_*.txt # of an earlier run
for way in classic/at_least_once classic/exactly_once_v2 streams/exactly_once_v2; do
    protocol=${way%/*} guarantee=${way#*/}
    "$here/../subject" start "$server" >/dev/null
    # The codecs and RocksDB unpack their libraries to the temporary directory.
    java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Djava.io.tmpdir="$server" \
        -Dorg.slf4j.simpleLogger.logFile="$server/driver-log" -cp "$target/classes:$target/lib/*" Main \
        "$here/../subject" "$server" "$guarantee" "$protocol" </dev/null | tee "$target/${protocol}_$guarantee.txt"
    if ! grep -q ' ok$' "$target/${protocol}_$guarantee.txt"; then break; fi
    "$here/../subject" kill "$server"
    rm -rf "$server"
    mkdir "$server"
done
cat "$target"/*_*.txt >"$results/streams.txt"
awk '{ n[$5]++ } END {
    printf "%d passed, %d failed, 0 skipped\n", n["ok"], n["fail"]
    exit n["fail"] > 0 || n["ok"] == 0
}' "$results/streams.txt"
