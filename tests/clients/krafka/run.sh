#!/usr/bin/env bash
# krafka, a client in Rust with share groups; README.md one folder up says what the cases are and what is printed. `run.sh share seek`
# runs some of the cases.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
target=$here/../../../target/clients/krafka
results=$target/../results
mkdir -p "$target" "$results"
export CARGO_TARGET_DIR=$target/build
cargo build --quiet --locked --manifest-path "$here/Cargo.toml"
server=$(mktemp -d "$(cd "$target" && pwd)/server.XXXXXX")
finish() {
    local code=$?
    "$here/../subject" kill "$server"
    if ((code == 0)); then rm -rf "$server"; else echo "the server's data and log are in $server" >&2; fi
}
trap finish EXIT
"$here/../subject" start "$server" >/dev/null
"$CARGO_TARGET_DIR/debug/krafka-suite" "$here/../subject" "$server" "$results" "$@"
