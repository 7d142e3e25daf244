#!/usr/bin/env bash
# Flink's SQL over streams and over topics; README.md beside this file says what the cases are. `run.sh polling kafka` runs some of
# the cases with the Flink that has a Kinesis connector, `run.sh kafka-newest` that with the newest Flink.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../aws" flink

cases=("$@")
(($#)) || cases=(polling fanout source reshards kafka kafka-newest)

# install PROFILE: the copy of the pom is the sign that the installation came to its end.
install() {
    cmp -s "$here/pom.xml" "$target/$1/pom.xml" && return
    rm -rf "${target:?}/$1"
    mvn -B -q -f "$here/pom.xml" -P "$1" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$target/$1/lib" >&2
    cp "$here/pom.xml" "$target/$1/pom.xml"
}

# What Flink's own scripts open on Java 17.
opens=()
for package in lang lang.invoke lang.reflect net nio time util util.concurrent util.concurrent.atomic util.concurrent.locks; do
    opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done

# flink PROFILE CASE...: prints a line for each case. The tests are short and the cores few: neither the second compiler nor a
# parallel collector pays.
flink() {
    local profile=$1
    shift
    # Flink unpacks libraries to the temporary directory.
    java -Xmx512m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC "${opens[@]}" \
        -Djava.io.tmpdir="$server" -Djava.util.logging.config.file=/dev/null \
        -Djavax.net.ssl.trustStore="$server/trust" -Djavax.net.ssl.trustStorePassword=changeit \
        -Dlog4j2.configurationFile="$here/log4j2.properties" \
        -cp "$server/classes/$profile:$target/$profile/lib/*" Main "$server" "$@" </dev/null | tee -a "$results/flink.txt"
}

declare -A wanted=([kinesis]="" [kafka]="")
for name in "${cases[@]}"; do
    if [[ $name == kafka-newest ]]; then wanted[kafka]+=" $name"; else wanted[kinesis]+=" $name"; fi
done
for profile in kinesis kafka; do
    if [[ ${wanted[$profile]} ]]; then install "$profile"; fi
done
start_gateway

# The connector's clients have no common way to trust one server; Java has.
"$clients/certificate" "$(sed 's/.*"kinesis":"\([^"]*\)".*/\1/' "$server/ports.json")" >"$server/certificate"
keytool -importcert -noprompt -alias gateway -file "$server/certificate" \
    -keystore "$server/trust" -storepass changeit 2>/dev/null

: >"$results/flink.txt"
for profile in kinesis kafka; do
    if [[ ${wanted[$profile]} ]]; then
        javac -cp "$target/$profile/lib/*" -d "$server/classes/$profile" "$here"/common/*.java "$here/$profile"/*.java
        # shellcheck disable=SC2086 # a list of words
        flink "$profile" ${wanted[$profile]}
    fi
done
awk '{ n[$5]++ } END {
    printf "%d passed, %d failed, %d skipped\n", n["ok"], n["fail"], n["none"]
    exit n["fail"] > 0 || n["ok"] == 0
}' "$results/flink.txt"
