#!/usr/bin/env bash
# Two suites for Kinesis that nobody here wrote, as they are on PyPI: README.md beside this file says how many of their tests pass
# and why the others do not.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/../suite"

install_python
if ! cmp -s "$here/sources.txt" "$target/sources.txt"; then
    rm -rf "$target/sources"
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes \
        -d "$target/sources" -r "$here/sources.txt"
    for archive in "$target"/sources/*.tar.gz; do
        tar -xzf "$archive" -C "$target/sources"
    done
    cp "$here/sources.txt" "$target/sources.txt"
fi

# run_suite NAME PASSES ARGUMENTS...: runs the tests that the arguments choose; so many must pass, and none may fail.
failed=0
run_suite() {
    local name=$1 passes=$2 log=$target/$1.log passed
    shift 2
    echo "=== $name"
    (cd "$target/sources/$name" && "$python" -m pytest --quiet --no-header -p no:cacheprovider -rsf --tb=short --show-capture=no "$@") |
        tee "$log" || failed=1
    passed=$(grep -oE '[0-9]+ passed' "$log" | tail -n 1 | cut -d ' ' -f 1) || passed=0
    if ((passed < passes)); then
        echo "$name: $passed tests passed; $passes must" >&2
        failed=1
    fi
}

# Tests that want other settings than the rest.
apart="test_aws_kinesis_integration or test_producer_consumer_with_stream_arn"
forget_aws
start_server --limits off --tls-self-signed true
kinesis=$(door kinesis)
# The account in async-kinesis's ARNs; an access key that is an account's number leads there.
export AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=test
export ENDPOINT_URL=http://localhost:${kinesis##*:}

# The region that async-kinesis's instructions name. A test of it that asks AWS in earnest finds nobody. Most of the tests sleep, so
# several run at a time.
AWS_DEFAULT_REGION=ap-southeast-2 AWS_ENDPOINT_URL_KINESIS=http://localhost:1 \
    run_suite async_kinesis-3.0.1 72 -m integration -k "not ($apart)" --numprocesses 4 --dist worksteal
# The region of its ARNs, and the gateway for AWS.
AWS_DEFAULT_REGION=us-east-1 TESTING_USE_AWS_KINESIS=1 AWS_ENDPOINT_URL_KINESIS=$ENDPOINT_URL \
    run_suite async_kinesis-3.0.1 2 -m integration -k "$apart"
# aiokpl starts its server in a container, which is a gateway of its own here.
SHARDGATE_BIN=$shardgate_bin GATEWAY_DIRECTORY=$server PYTHONPATH=$here/docker-stand-in \
    run_suite aiokpl-0.2.0 20 -p no:asyncio tests/integration

exit "$failed"
