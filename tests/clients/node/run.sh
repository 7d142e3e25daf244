#!/usr/bin/env bash
# kafkajs and @platformatic/kafka; README.md one folder up says what the cases are and what is printed. `run.sh --install` runs none.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
subject=$here/../subject
target=$here/../../../target/clients
mkdir -p "$target/node" "$target/results"
work=$(cd "$target/node" && pwd)

# Modules are looked for beside the sources, so the sources go where the modules may be.
rm -f "$work"/*.js
cp "$here"/*.js "$here"/package*.json "$here/.npmrc" "$work"
installed=$work/node_modules/.installed
if ! cmp -s "$here/package-lock.json" "$installed"; then
    npm ci --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$here/package-lock.json" "$installed"
fi
if [[ ${1:-} == --install ]]; then exit; fi
# The clients want a newer Node than many systems have; this one comes with them.
node=$(echo "$work"/node_modules/node-linux-*/bin/node)

# A directory of its own, so that two runs do not disturb each other; it stays if the run fails.
server=$(mktemp -d "$work/server.XXXXXX")
finish() {
    local status=$?
    "$subject" stop "$server"
    [[ $status != 0 ]] || rm -rf "$server"
    exit "$status"
}
trap finish EXIT
"$subject" start "$server" >/dev/null
# kafkajs sets timers in the past, which this Node remarks on.
"$node" --disable-warning=TimeoutNegativeWarning "$work/main.js" "$subject" "$server" "$target/results"
