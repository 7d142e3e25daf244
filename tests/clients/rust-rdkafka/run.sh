#!/usr/bin/env bash
# rust-rdkafka's integration tests, unchanged, against the gateway: they are part of the crate rdkafka, in the version
# that Cargo.lock names. RESULTS.md beside this file says what each has to come to. `run.sh --write` writes what came
# out there. KEEP=1 keeps the output and the gateway's data even if all is as it has to be.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/../suite"

crate=rdkafka

# The gateway and the tests, in a network of their own: some tests want port 9092 of localhost, which may be taken
# outside. The settings are those of the container that the tests were written for.
if [[ ${1:-} == --in-own-network ]]; then
    server=$2
    ip link set lo up
    setsid "$shardgate_bin" serve --data-dir "$server/data" --kafka-listener 127.0.0.1:9092 \
        --kinesis-listener 127.0.0.1:0 --http-listener 127.0.0.1:0 --ports-file "$server/ports.json" \
        --limits off --default-partitions 3 >"$server/log" 2>&1 </dev/null &
    gateway=$!
    trap 'kill -KILL $gateway' EXIT
    until [[ -s $server/ports.json ]]; do
        kill -0 "$gateway" || exit 1
        sleep 0.05
    done
    cd "$target/source"
    timeout 900 cargo test --locked --tests --no-fail-fast -- --test-threads=4 >"$server/output" 2>&1 || true
    # One that has crashed has not passed anything.
    kill -0 "$gateway"
    exit
fi

version=$(awk -v crate="\"$crate\"" '$1 == "name" && $3 == crate { getline; gsub(/"/, "", $3); print $3 }' \
    "$repo/Cargo.lock")
if [[ $(cat "$target/installed" 2>/dev/null) != "$version" ]]; then
    cargo fetch --locked --manifest-path "$repo/Cargo.toml"
    rm -rf "$target/source" "$target/installed"
    cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-$version" "$target/source"
    echo "$version" >"$target/installed"
fi
export CARGO_TARGET_DIR=$target/target
(cd "$target/source" && cargo test --locked --quiet --tests --no-run)
installed

server=$(mktemp -d "$target/server.XXXXXX")
code=0
unshare --map-root-user --net "${BASH_SOURCE[0]}" --in-own-network "$server" || code=$?
# A test's name is only unique within its file, and cargo's output names the file before the tests of it. What is said
# of the files' common part, once for each of them, is none of ours.
awk '/^ +Running tests\// { file = $2; sub(/.*\//, "", file); sub(/\.rs$/, "", file) }
     /^ +Running unittests/ { file = "" }
     file && /^test .* \.\.\. (ok|FAILED|ignored)/ {
         print file "::" $2, ($4 == "ok") ? "pass" : ($4 == "FAILED") ? "fail" : "skip"
     }' "$server/output" >"$server/outcomes"
((code != 0)) || python3 "$clients/librdkafka/results.py" "$here/RESULTS.md" outcome "$server/outcomes" "$@" || code=$?
if ((code == 0)) && [[ ! ${KEEP:-} ]]; then
    rm -rf "$server"
else
    echo "the tests' output, and the gateway's data and log, are in $server" >&2
fi
exit "$code"
