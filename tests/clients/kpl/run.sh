#!/usr/bin/env bash
# The Kinesis Producer Library over TLS; README.md has the cases, ../README.md the contract. Its native daemon comes in the jar.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/kpl
results=$repo/target/clients/results

# The copy of the pom is the sign that the installation came to its end.
if ! cmp -s "$here/pom.xml" "$target/pom.xml"; then
    rm -rf "$target/lib"
    mvn -B -q -f "$here/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$target/lib" >&2
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
        echo "the server's data and the logs are in $server" >&2
    fi
}
trap finish EXIT
javac -cp "$target/lib/*" -d "$server/classes" "$here"/*.java
SHARDGATE_FLAGS="--tls-self-signed true ${SHARDGATE_FLAGS:-}" "$here/../subject" start "$server" >/dev/null
gateway=$(sed -n 's/.*"kinesis":"\([^"]*\)".*/\1/p' "$server/ports.json")

# Whatever the machine knows of AWS must not get in.
unset "${!AWS_@}"
export AWS_EC2_METADATA_DISABLED=true
# The tests are short and the cores few: neither the second compiler nor a parallel collector pays.
java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx384m -Dorg.slf4j.simpleLogger.logFile="$server/kpl.log" \
    -cp "$server/classes:$target/lib/*" Main "http://$gateway" "$server" "$server/kpl.log" \
    </dev/null | tee "$results/kpl.txt"
awk '{ n[$5]++ } END {
    printf "%d passed, %d failed, %d skipped\n", n["ok"], n["fail"], n["none"]
    exit n["fail"] > 0 || n["ok"] == 0
}' "$results/kpl.txt"
