#!/usr/bin/env bash
# Attacks both doors of the real process over real sockets: run.sh [SECONDS]. tests/attack/main.rs says how and what for.
# SHARDGATE_BIN names the program; without it, target/release/shardgate if that is there, else Cargo's own build.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../.."
if [[ ! ${SHARDGATE_BIN:-} && -x target/release/shardgate ]]; then
    export SHARDGATE_BIN=$PWD/target/release/shardgate
fi
SHARDGATE_ATTACK_SECONDS=${1:-600} exec cargo test --quiet --test attack
