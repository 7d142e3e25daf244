#!/usr/bin/env bash
# Apache Kafka's Java clients and console tools, and Spring Kafka; ../README.md has the contract. `run.sh java` runs
# one client, `run.sh java group seek` some of its cases, `run.sh --install java` none.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/java
results=$repo/target/clients/results
clients=(java kafka-tools spring)
only_install=
if [[ ${1:-} == --install ]]; then
    only_install=yes
    shift
fi
if (($#)); then
    clients=("$1")
    shift
fi

# The copy of the pom is the sign that the installation came to its end.
install() {
    local client=$1
    cmp -s "$here/pom.xml" "$target/$client/pom.xml" && return
    rm -rf "${target:?}/$client"
    mvn -B -q -f "$here/pom.xml" -P "$client" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$target/$client/lib" >&2
    cp "$here/pom.xml" "$target/$client/pom.xml"
}

# The tests are short and the cores few: neither the second compiler nor a parallel collector pays.
java=(java -Xmx384m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC)

for client in "${clients[@]}"; do
    [[ -e $here/$client/Main.java ]] || {
        echo "no client '$client'; there are java, kafka-tools and spring" >&2
        exit 2
    }
    install "$client"
done
if [[ $only_install ]]; then exit; fi

mkdir -p "$results"
server=$(mktemp -d "$target/server.XXXXXX")
finish() {
    local code=$?
    "$here/../subject" kill "$server"
    if ((code == 0)); then
        rm -rf "$server"
    else
        echo "the server's data and log are in $server" >&2
    fi
}
trap finish EXIT
for client in "${clients[@]}"; do
    # What Kafka will remove is a part of what is tested.
    javac -Xlint:-removal -cp "$target/$client/lib/*" -d "$server/classes/$client" "$here"/common/*.java "$here/$client"/*.java
done
# Access rules can be made, and everybody may do everything; the subject has Apache Kafka so too.
export SHARDGATE_FLAGS="--authorizer true --super-user User:ANONYMOUS ${SHARDGATE_FLAGS:-}"
"$here/../subject" start "$server" >/dev/null

lines=$server/lines
for client in "${clients[@]}"; do
    # The codecs unpack their libraries to the temporary directory.
    "${java[@]}" -Djava.io.tmpdir="$server" -cp "$server/classes/$client:$target/$client/lib/*" Main \
        "$here/../subject" "$server" "$@" </dev/null | tee "$results/$client.txt"
    cat "$results/$client.txt" >>"$lines"
done
awk '{ n[$5]++ } END {
    printf "%d passed, %d failed, %d skipped\n", n["ok"], n["fail"], n["none"]
    exit n["fail"] > 0 || n["ok"] == 0
}' "$lines"
