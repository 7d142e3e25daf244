#!/usr/bin/env bash
# AWS SDK for JavaScript v3 against the Kinesis door; README.md one folder up says what the cases are and what is printed. `run.sh
# fanout records` runs some of the cases.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/../aws" aws-js

# Modules are looked for beside the sources, so the sources go where the modules may be.
rm -f "$target"/*.js
cp "$here"/*.js "$here"/package*.json "$here/.npmrc" "$target"
installed=$target/node_modules/.installed
if ! cmp -s "$here/package-lock.json" "$installed"; then
    npm ci --prefix "$target" --ignore-scripts --no-audit --no-fund --loglevel=error
    cp "$here/package-lock.json" "$installed"
fi
start_gateway
# The SDK wants a newer Node than many systems have; this one comes with it.
"$(echo "$target"/node_modules/node-linux-*/bin/node)" "$target/main.js" "$clients" "$server" "$results" "$@"
