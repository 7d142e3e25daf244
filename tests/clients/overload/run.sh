#!/usr/bin/env bash
# Sends both doors more than they can take, with limits off and on: run.sh [SECONDS], each for SECONDS (60). tests/attack/overload.rs
# says how and what for. A few gigabytes of disk a minute are needed, and given back.
# SHARDGATE_BIN names the program; without it, target/release/shardgate if that is there, else Cargo's own build.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"
installed

cd "$repo"
# Without it, Cargo's own build is attacked.
if [[ -x $shardgate_bin ]]; then export SHARDGATE_BIN=$shardgate_bin; fi
for limits in off kinesis; do
    echo "limits: $limits"
    SHARDGATE_OVERLOAD_SECONDS=${1:-60} SHARDGATE_ATTACK_LIMITS=$limits cargo test --locked --quiet --test attack
done
