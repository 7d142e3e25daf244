#!/usr/bin/env bash
# Full rate on both doors while everything expires, and whether memory, disk or latency grows: run.sh [MINUTES] (120).
# tests/attack/soak.rs says how. Built with optimizations, as the program; some gigabytes of disk are needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/../suite"
installed

cd "$repo"
SHARDGATE_SOAK_MINUTES=${1:-120} exec cargo test --locked --release --quiet --test attack
