#!/usr/bin/env bash
# Kafka Connect, distributed: a worker with a file source and a file sink, killed and resumed. ../README.md has the contract.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/connect
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
        echo "the server's data and log and the worker's are in $server" >&2
    fi
}
trap finish EXIT
javac -cp "$target/lib/*" -d "$server/classes" "$here"/../java/common/*.java "$here"/*.java
"$here/../subject" start "$server" >/dev/null
java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dlog4j2.configurationFile="$here/log4j2.properties" \
    -cp "$server/classes:$target/lib/*" Main "$here/../subject" "$server" "$@" </dev/null | tee "$results/connect.txt"
awk '{ n[$5]++ } END {
    printf "%d passed, %d failed, %d skipped\n", n["ok"], n["fail"], n["none"]
    exit n["fail"] > 0 || n["ok"] == 0
}' "$results/connect.txt"
