#!/usr/bin/env bash
# Flink's SQL over streams and over topics; README.md beside this file says what the cases are. `run.sh polling kafka` runs some of
# the cases with the Flink that has a Kinesis connector, `run.sh kafka-newest` that with the newest Flink.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"

names=("$@")
(($#)) || names=(polling fanout source reshards kafka kafka-newest)

# What Flink's own scripts open on Java 17.
opens=()
for package in lang lang.invoke lang.reflect net nio time util util.concurrent util.concurrent.atomic util.concurrent.locks; do
    opens+=("--add-opens=java.base/java.$package=ALL-UNNAMED")
done

# flink PROFILE CASE...: prints a line for each case.
flink() {
    local profile=$1
    shift
    # Flink unpacks libraries to the temporary directory.
    "${java[@]}" -Xmx512m "${opens[@]}" -Djava.io.tmpdir="$server" -Djava.util.logging.config.file=/dev/null \
        -Djavax.net.ssl.trustStore="$server/trust" -Djavax.net.ssl.trustStorePassword=changeit \
        -Dlog4j2.configurationFile="$here/log4j2.properties" \
        -cp "$target/$profile/classes:$target/$profile/lib/*" Main "$server" "$@" </dev/null | tee -a "$results/flink.txt"
}

declare -A wanted=([kinesis]="" [kafka]="")
for name in "${names[@]}"; do
    if [[ $name == kafka-newest ]]; then wanted[kafka]+=" $name"; else wanted[kinesis]+=" $name"; fi
done
for profile in kinesis kafka; do
    if [[ ${wanted[$profile]} ]]; then
        install_java "$profile"
        javac -cp "$target/$profile/lib/*" -d "$target/$profile/classes" "$here"/common/*.java "$here/$profile"/*.java
    fi
done
forget_aws
start_server --limits off --tls-self-signed true

# The connector's clients have no common way to trust one server; Java has.
"$clients/certificate" "$(door kinesis)" >"$server/certificate"
keytool -importcert -noprompt -alias gateway -file "$server/certificate" \
    -keystore "$server/trust" -storepass changeit 2>/dev/null

: >"$results/flink.txt"
for profile in kinesis kafka; do
    # shellcheck disable=SC2086 # a list of words
    if [[ ${wanted[$profile]} ]]; then flink "$profile" ${wanted[$profile]}; fi
done
tally "$results/flink.txt"
