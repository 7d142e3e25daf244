#!/usr/bin/env bash
# Fuzzes the targets of tests/fuzz/bodies.rs, as many at a time as there are processors: run.sh [SECONDS] [TARGET...]; without names,
# all of them, each for SECONDS (60).
#
# Needs Rust and a C++ compiler. Stable Rust is enough: no sanitizer is used, since there is no unsafe code to look at, but overflows
# and broken assertions count. What is found along the way stays in target/fuzz/corpus and is the start of the next run. An input
# that breaks something is kept in target/fuzz/found, and its name is printed. Put it, made small (`cargo fuzz tmin --fuzz-dir
# tests/fuzz/libfuzzer --sanitizer none`), into tests/fuzz/corpus/TARGET: `cargo test` replays that for ever.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$PWD/target/fuzz
mkdir -p "$work/found" "$work/tmp"

# Where the tests are built, with which it has all but two of the dependencies in common.
RUSTC_WRAPPER=$PWD/tests/fuzz/libfuzzer/rustc cargo build --quiet --locked --manifest-path tests/fuzz/libfuzzer/Cargo.toml --bins \
    --target-dir target
programs=$PWD/target/debug
seconds=${1:-60}
shift || true
if (($# == 0)); then
    mapfile -t targets < <(cd tests/fuzz/libfuzzer/targets && printf '%s\n' *.rs)
    set -- "${targets[@]%.rs}"
fi

# Data directories of the moment; in memory where that is possible.
export TMPDIR=$work/tmp
if [[ -w /dev/shm ]]; then
    TMPDIR=$(mktemp -d /dev/shm/shardgate-fuzz.XXXXXX)
    trap 'rm -rf "$TMPDIR"' EXIT
fi

fuzz() {
    local target=$1 log=$work/$1.log verdict=ok executions cover
    mkdir -p "$work/corpus/$target"
    # Half a minute for one input is a fault: all of them wait on a clock that does not wait. The seed is always the same, so that a
    # run from the start, as in CI, can be had again; what is new comes from what was kept.
    "$programs/$target" "$work/corpus/$target" "tests/fuzz/corpus/$target" -max_total_time="$seconds" -seed=1 -timeout=30 \
        -rss_limit_mb=1024 -max_len=8192 -artifact_prefix="$work/found/$target-" -print_final_stats=1 >"$log" 2>&1 || verdict=FAILED
    executions=$(grep -aoP 'number_of_executed_units: \K\d+' "$log" || echo '?')
    # There is no line of it if the program was built without coverage.
    cover=$(grep -aoP 'cov: \K\d+' "$log" | tail -1)
    [[ $cover ]] || verdict=FAILED
    if [[ $verdict != ok ]]; then grep -aE 'panicked at|ERROR: libFuzzer|Test unit written' -A 1 "$log" || tail -20 "$log"; fi
    printf '%-6s %-16s %10s executions, %6s edges\n' "$verdict" "$target" "$executions" "${cover:-no}"
    [[ $verdict == ok ]]
}
export -f fuzz
export work programs seconds
printf '%s\n' "$@" | xargs -P "$(nproc)" -I '{}' bash -c 'fuzz "{}"'
