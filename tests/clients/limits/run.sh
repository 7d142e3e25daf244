#!/usr/bin/env bash
# Limits on throughput, as unmodified clients meet them; README.md beside this file says what is checked.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

# Each client is installed as its own suite does it, so that both have the same one.
"$clients/python/run.sh" --install
"$clients/node/run.sh" --install
"$clients/java/run.sh" --install java
others=$repo/target/clients
python=$others/python/venv/bin/python
node=$(echo "$others"/node/node_modules/node-linux-*/bin/node)
go build -C "$here/franz" -o "$target/franz-go" .
javac -cp "$others/java/java/lib/*" -d "$target/classes" "$here/Producer.java"
# Modules are looked for beside the sources, so the source goes where the modules may be.
cp "$here/producer.js" "$others/node/limits.js"

start_server --limits kinesis
"$python" "$here/check.py" "$server" "$(
    cat <<JSON
{
    "librdkafka": ["$python", "$here/producer.py", "librdkafka"],
    "librdkafka-idempotent": ["$python", "$here/producer.py", "librdkafka-idempotent"],
    "kafka-python": ["$python", "$here/producer.py", "kafka-python"],
    "aiokafka": ["$python", "$here/producer.py", "aiokafka"],
    "java": ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
             "-cp", "$target/classes:$others/java/java/lib/*", "Producer"],
    "franz-go": ["$target/franz-go"],
    "kafkajs": ["$node", "--disable-warning=TimeoutNegativeWarning", "$others/node/limits.js"]
}
JSON
)"
