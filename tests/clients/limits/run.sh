#!/usr/bin/env bash
# Limits on throughput, as unmodified clients meet them; README.md beside this file says what is checked.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
clients=$(cd "$here/.." && pwd)
target=$(cd "$here/../../.." && pwd)/target/clients
work=$target/limits
python=$target/python/venv/bin/python

# Each client is installed as its own suite does it, so that both have the same one.
"$clients/python/run.sh" --install
"$clients/node/run.sh" --install
"$clients/java/run.sh" --install java
mkdir -p "$work"
go build -C "$here/franz" -o "$work/franz-go" .
javac -cp "$target/java/java/lib/*" -d "$work/classes" "$here/Producer.java"
# Modules are looked for beside the sources, so the source goes where the modules may be.
cp "$here/producer.js" "$target/node/limits.js"
node=$(echo "$target"/node/node_modules/node-linux-*/bin/node)

rm -rf "$work/server"
finish() {
    local code=$?
    "$clients/subject" kill "$work/server"
    if ((code == 0)); then
        rm -rf "$work/server"
    else
        echo "the server's data and log are in $work/server" >&2
    fi
}
trap finish EXIT
SHARDGATE_LIMITS=kinesis "$clients/subject" start "$work/server" >/dev/null

PYTHONDONTWRITEBYTECODE=1 "$python" "$here/check.py" "$work" "$(
    cat <<JSON
{
    "librdkafka": ["$python", "$here/producer.py", "librdkafka"],
    "librdkafka-idempotent": ["$python", "$here/producer.py", "librdkafka-idempotent"],
    "kafka-python": ["$python", "$here/producer.py", "kafka-python"],
    "aiokafka": ["$python", "$here/producer.py", "aiokafka"],
    "java": ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
             "-cp", "$work/classes:$target/java/java/lib/*", "Producer"],
    "franz-go": ["$work/franz-go"],
    "kafkajs": ["$node", "--disable-warning=TimeoutNegativeWarning", "$target/node/limits.js"]
}
JSON
)"
