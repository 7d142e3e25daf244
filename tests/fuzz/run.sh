#!/usr/bin/env bash
# Fuzzes the targets of tests/fuzz/bodies.rs one after the other: run.sh [SECONDS] [TARGET...]; without names, all of them, each for
# SECONDS (60).
#
# Needs Rust and a C++ compiler; cargo-fuzz is installed below target/ if it is not there. Stable Rust is enough: no sanitizer is
# used, since there is no unsafe code to look at, but overflows and broken assertions count. What is found along the way stays in
# target/fuzz/corpus and is the start of the next run. An input that breaks something is kept in target/fuzz/found, and its name is
# printed. Put it, made small (cargo fuzz tmin), into tests/fuzz/corpus/TARGET: `cargo test` replays that for ever.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds=${1:-60}
shift || true
here=tests/fuzz/libfuzzer
work=$PWD/target/fuzz
mkdir -p "$work/found" "$work/tmp"
# Data directories of the moment; in memory where that is possible.
export TMPDIR=$work/tmp
if [[ -w /dev/shm ]]; then
    TMPDIR=$(mktemp -d /dev/shm/shardgate-fuzz.XXXXXX)
    trap 'rm -rf "$TMPDIR"' EXIT
fi

if ! cargo fuzz --version >/dev/null 2>&1; then
    cargo install cargo-fuzz --locked --quiet --root target/tools
    export PATH=$PWD/target/tools/bin:$PATH
fi
fuzz() { cargo fuzz "$1" --fuzz-dir "$here" --sanitizer none --target-dir "$work/build" "${@:2}"; }

if [[ $# -eq 0 ]]; then
    mapfile -t targets < <(cargo fuzz list --fuzz-dir "$here")
    set -- "${targets[@]}"
fi
fuzz build

failed=0
for target in "$@"; do
    mkdir -p "$work/corpus/$target"
    log=$work/$target.log
    # Half a minute for one input is a fault: all of them wait on a clock that does not wait.
    if fuzz run "$target" "$work/corpus/$target" "tests/fuzz/corpus/$target" -- -max_total_time="$seconds" -timeout=30 -rss_limit_mb=1024 \
        -max_len=8192 -artifact_prefix="$work/found/$target-" -print_final_stats=1 >"$log" 2>&1; then
        verdict=ok
    else
        verdict=FAILED failed=1
        grep -aE 'panicked at|ERROR: libFuzzer|Test unit written' -A 1 "$log" || tail -20 "$log"
    fi
    executions=$(grep -aoP 'number_of_executed_units: \K\d+' "$log" || echo '?')
    cover=$(grep -aoP 'cov: \K\d+' "$log" | tail -1 || echo '?')
    printf '%-6s %-16s %10s executions, %6s edges\n' "$verdict" "$target" "$executions" "$cover"
done
exit "$failed"
