#!/usr/bin/env bash
# Apache Kafka's Java clients and console tools, and Spring Kafka; ../README.md has the contract. `run.sh java` runs
# one client, `run.sh java group seek` some of its cases, `run.sh --install java` none.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

names=(java kafka-tools spring)
if (($#)); then
    names=("$1")
    shift
fi
for name in "${names[@]}"; do
    [[ -e $here/$name/Main.java ]] || {
        echo "no client '$name'; there are java, kafka-tools and spring" >&2
        exit 2
    }
    install_java "$name"
    # What Kafka will remove is a part of what is tested.
    javac -Xlint:-removal -cp "$target/$name/lib/*" -d "$target/$name/classes" "$here"/common/*.java "$here/$name"/*.java
done
# Access rules can be made, and everybody may do everything; the subject has Apache Kafka so too.
start_server --authorizer true --super-user User:ANONYMOUS
for name in "${names[@]}"; do
    # The codecs unpack their libraries to the temporary directory.
    "${java[@]}" -Xmx384m -Djava.io.tmpdir="$server" -cp "$target/$name/classes:$target/$name/lib/*" Main \
        "$clients/subject" "$server" "$@" </dev/null | tee "$results/$name.txt"
done
lines=("${names[@]/#/$results/}")
tally "${lines[@]/%/.txt}"
