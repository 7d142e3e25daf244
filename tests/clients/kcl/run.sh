#!/usr/bin/env bash
# The Kinesis Client Library, with DynamoDB Local for its leases; README.md has the cases, ../README.md the contract.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/kcl
results=$repo/target/clients/results

# The copy of the pom is the sign that the installation came to its end.
for process in kcl dynamodb; do
    if cmp -s "$here/pom.xml" "$target/$process/pom.xml"; then continue; fi
    rm -rf "${target:?}/$process"
    mvn -B -q -f "$here/pom.xml" -P "$process" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$target/$process/lib" >&2
    cp "$here/pom.xml" "$target/$process/pom.xml"
done

# The tests are short and the cores few: neither the second compiler nor a parallel collector pays.
java=(java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)

mkdir -p "$results"
server=$(mktemp -d "$target/server.XXXXXX")
dynamodb=
finish() {
    local code=$?
    if [[ $dynamodb ]]; then kill "$dynamodb" 2>/dev/null || true; fi
    "$here/../subject" kill "$server"
    if ((code == 0)); then
        rm -rf "$server"
    else
        echo "the server's data and the logs are in $server" >&2
    fi
}
trap finish EXIT
javac -cp "$target/kcl/lib/*" -d "$server/classes" "$here"/*.java

listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# Below the range from which the kernel serves outgoing connections.
port=$((RANDOM % 20000 + 12000))
while listening "$port"; do port=$((RANDOM % 20000 + 12000)); done
"${java[@]}" -Xmx256m -Djava.library.path="$target/dynamodb/lib" -cp "$target/dynamodb/lib/*" \
    software.amazon.dynamodb.services.local.main.ServerRunner -inMemory -disableTelemetry -port "$port" \
    >"$server/dynamodb.log" 2>&1 </dev/null &
dynamodb=$!
# Two applications poll each shard more often than Kinesis lets them; and KCL shall see the stream's states.
SHARDGATE_FLAGS="--limits off --state-change-delay 1000 ${SHARDGATE_FLAGS:-}" "$here/../subject" start "$server" >/dev/null
gateway=$(sed -n 's/.*"kinesis":"\([^"]*\)".*/\1/p' "$server/ports.json")
deadline=$((SECONDS + 60))
until listening "$port"; do
    if ((SECONDS > deadline)) || ! kill -0 "$dynamodb" 2>/dev/null; then
        echo "DynamoDB Local does not serve: $(tail -n 20 "$server/dynamodb.log")" >&2
        exit 1
    fi
    sleep 0.1
done

# Whatever the machine knows of AWS must not get in.
unset "${!AWS_@}"
export AWS_EC2_METADATA_DISABLED=true
"${java[@]}" -Xmx384m -Djava.io.tmpdir="$server" -Dorg.slf4j.simpleLogger.logFile="$server/kcl.log" \
    -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
    -cp "$server/classes:$target/kcl/lib/*" Main "http://$gateway" "http://127.0.0.1:$port" "$server/kcl.log" \
    </dev/null | tee "$results/kcl.txt"
awk '{ n[$5]++ } END {
    printf "%d passed, %d failed, %d skipped\n", n["ok"], n["fail"], n["none"]
    exit n["fail"] > 0 || n["ok"] == 0
}' "$results/kcl.txt"
