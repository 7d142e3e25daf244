#!/usr/bin/env bash
# kaskade, a user interface for Kafka in the terminal; ../README.md has the contract. `run.sh topics records` runs some of the cases.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
target=$repo/target/clients/ui
python=$target/venv/bin/python

# The copy of the requirements is the sign that the installation came to its end.
if ! cmp -s "$here/requirements.txt" "$target/installed.txt"; then
    rm -rf "$target/venv"
    python3 -m venv "$target/venv"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$target/installed.txt"
fi
mkdir -p "$repo/target/clients/results"
# Kafka's storage wants an absolute path, and every run wants a new one.
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
"$here/../subject" start "$server" >/dev/null

# Bytecode would land in the tree.
PYTHONDONTWRITEBYTECODE=1 "$python" "$here/suite.py" "$server" "$repo/target/clients/results" "$@"
