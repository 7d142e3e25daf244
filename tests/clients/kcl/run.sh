#!/usr/bin/env bash
# The Kinesis Client Library, with DynamoDB Local for its leases; README.md has the cases, ../README.md the contract.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

for process in kcl dynamodb; do install_java "$process"; done
javac -cp "$target/kcl/lib/*" -d "$target/kcl/classes" "$here"/*.java
installed

listening() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

forget_aws
# Two applications poll each shard more often than Kinesis lets them; and KCL shall see the stream's states.
start_server --limits off --state-change-delay 1000
# Below the range from which the kernel serves outgoing connections.
port=$((RANDOM % 20000 + 12000))
while listening "$port"; do port=$((RANDOM % 20000 + 12000)); done
"${java[@]}" -Xmx256m -Djava.library.path="$target/dynamodb/lib" -cp "$target/dynamodb/lib/*" \
    software.amazon.dynamodb.services.local.main.ServerRunner -inMemory -disableTelemetry -port "$port" \
    >"$server/dynamodb.log" 2>&1 </dev/null &
dynamodb=$!
finish() {
    local code=$?
    kill "$dynamodb" 2>/dev/null || true
    stop_server "$code"
}
trap finish EXIT
deadline=$((SECONDS + 60))
until listening "$port"; do
    if ((SECONDS > deadline)) || ! kill -0 "$dynamodb" 2>/dev/null; then
        echo "DynamoDB Local does not serve: $(tail -n 20 "$server/dynamodb.log")" >&2
        exit 1
    fi
    sleep 0.1
done
cases kcl "${java[@]}" -Xmx384m -Djava.io.tmpdir="$server" -Dorg.slf4j.simpleLogger.logFile="$server/kcl.log" \
    -Dorg.slf4j.simpleLogger.showDateTime=true -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
    -cp "$target/kcl/classes:$target/kcl/lib/*" Main "http://$(door kinesis)" "http://127.0.0.1:$port" "$server/kcl.log"
