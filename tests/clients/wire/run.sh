#!/usr/bin/env bash
# The same requests to the gateway and to Apache Kafka, the answers compared field by field; README.md tells how.
# `run.sh` asks the gateway and compares with the answers that are kept and with DIFFERENCES.md; `run.sh --record` asks Kafka and
# keeps its answers; `run.sh --oracle` asks Kafka and compares with them. `--only REGEX` takes the cases in whose names
# it is found.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

kafka_version=4.4.0
jar=$target/kafka-clients-$kafka_version.jar

if [[ ! -e $jar ]]; then
    mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy \
        -Dartifact="org.apache.kafka:kafka-clients:$kafka_version" -DoutputDirectory="$target" >&2
fi
installed

run=$(mktemp -d "$target/run.XXXXXX")
finish() {
    local code=$? pid
    # What an interrupted run has left.
    for pid in "$run"/*/server/pid; do
        if [[ -e $pid ]]; then "$clients/subject" kill "$(dirname "$pid")" || true; fi
    done
    if ((code == 0)); then rm -rf "$run"; else echo "the servers' logs are in $run" >&2; fi
}
trap finish EXIT
python3 "$here/suite.py" --jar "$jar" --kafka-version "$kafka_version" --work "$run" "$@"
