#!/usr/bin/env bash
# Attacks both doors of the real process over real sockets: run.sh [SECONDS]. tests/attack/main.rs says how and what for.
# SHARDGATE_BIN names the program; without it, target/release/shardgate if that is there, else Cargo's own build.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"
installed

cd "$repo"
# Without it, Cargo's own build is attacked.
if [[ -x $shardgate_bin ]]; then export SHARDGATE_BIN=$shardgate_bin; fi
SHARDGATE_ATTACK_SECONDS=${1:-600} exec cargo test --locked --quiet --test attack
