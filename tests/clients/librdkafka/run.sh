#!/usr/bin/env bash
# librdkafka's own tests, unchanged, against the gateway. RESULTS.md beside this file says how, what each test has to
# come to, and why some do not pass.
#   run.sh                         every test that needs a broker, with the classic group protocol
#   run.sh --protocol consumer     with KIP-848's
#   run.sh --short                 the quickest meaningful ones, in their quick mode: what CI runs
#   run.sh 0030 0081               these
#   run.sh --write [...]           and writes what came out into RESULTS.md
#   run.sh --jobs N                so many tests at a time (4)
# KEEP=1 keeps the logs, and the gateways' data, even if all is as it has to be.
set -euo pipefail

source "$(dirname "${BASH_SOURCE[0]}")/../suite"
crate=rdkafka-sys
# The longest test takes some three minutes; all have timeouts of their own.
export TEST_SECONDS=900
# What the gateway is taken for: the newest Apache Kafka that these tests know.
export TEST_KAFKA_VERSION=4.0.0

protocol=classic jobs=4 write= short=
numbers=()
while (($#)); do
    case $1 in
    --protocol) protocol=$2 && shift ;;
    --jobs) jobs=$2 && shift ;;
    --write) write=yes ;;
    --short) short=yes ;;
    [0-9][0-9][0-9][0-9]) numbers+=("$1") ;;
    *)
        echo "$1 is unknown; the head of $0 says what there is" >&2
        exit 2
        ;;
    esac
    shift
done

# The tests' sources are part of the crate, in the version that Cargo.lock names. What is built is remembered by
# that version.
install_tests() {
    local version source features
    version=$(awk -v crate="\"$crate\"" '$1 == "name" && $3 == crate { getline; gsub(/"/, "", $3); print $3 }' \
        "$repo/Cargo.lock")
    [[ $(cat "$target/installed" 2>/dev/null) == "$version" ]] && return
    for header in zstd.h rapidjson/schema.h; do
        echo "#include <$header>" | g++ -fsyntax-only -x c++ - 2>/dev/null || {
            apt-get update -qq >&2
            apt-get install -y --no-install-recommends libzstd-dev rapidjson-dev libssl-dev zlib1g-dev >&2
            break
        }
    done
    cargo fetch --locked --manifest-path "$repo/Cargo.toml"
    source=$(echo "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/"$crate-$version"/librdkafka)
    [[ -d $source/tests ]] || {
        echo "$source has no tests" >&2
        exit 1
    }
    rm -rf "$target/source" "$target/installed"
    cp -r "$source" "$target/source"
    (
        cd "$target/source"
        ./configure
        make -j"$(nproc)" libs
        make -j"$(nproc)" -C tests build
        # The tests make these too, but where a test that is already there does not look for them.
        make -C tests/java KAFKA_JARS="$kafka_tools" KAFKA_PATH=
    ) >"$target/build.log" 2>&1 || {
        tail -n 30 "$target/build.log" >&2
        exit 1
    }
    echo "$version" >"$target/installed"
}

# verdict LOG TEST: pass, fail or skip as the runner has it in the log of one run; nothing if the test did not end.
verdict() {
    case $(grep -aoE "Test $2 (PASSED|FAILED|SKIPPED) =|\[$2 .*SKIPPING TEST" "$1" | tail -n 1) in
    *PASSED*) echo pass ;;
    *FAILED*) echo fail ;;
    *SKIPP*) echo skip ;;
    esac
}
export -f verdict

# These tests add rules that deny, to a cluster where everybody may do everything: one rule that allows it is there
# beforehand. Somebody has to be allowed to write that one, and may be nobody special afterwards.
export WITH_ACCESS_RULES="0109 0115 0119"
# This one counts the rules that it made.
export WITH_AUTHORIZER="0081"
start_with_access_rules() {
    SHARDGATE_FLAGS="$2 --authorizer true --super-user User:ANONYMOUS" \
        "$SUBJECT_SCRIPT" start "$1/server" >"$1/bootstrap"
    "$KAFKA_PATH/bin/kafka-acls.sh" --bootstrap-server "$(cat "$1/bootstrap")" --add --allow-principal 'User:*' \
        --operation All --topic '*' --group '*' --transactional-id '*' --cluster >"$1/rules" 2>&1
    "$SUBJECT_SCRIPT" stop "$1/server"
    SHARDGATE_FLAGS="$2 --authorizer true" "$SUBJECT_SCRIPT" resume "$1/server" >"$1/bootstrap"
}
export -f start_with_access_rules

# run_test NUMBER SCENARIO ENTRIES: one process of the test runner with a gateway of its own, so that no test sees
# another's topics and groups. Prints one line for each of the test's entries in the runner's table.
run_test() {
    local number=$1 scenario=$2 entries=$3 dir=$WORK/$1-$2 started=$SECONDS name auto=true flags outcome
    mkdir -p "$dir"
    if [[ $scenario == noautocreate ]]; then auto=false; fi
    # 3 s is what Apache Kafka waits by default, and some of the tests count on it.
    flags="--limits off --default-partitions 4 --initial-rebalance-delay 3000 --auto-create-topics $auto"
    if [[ " $WITH_ACCESS_RULES " == *" $number "* ]]; then
        start_with_access_rules "$dir" "$flags"
    else
        if [[ " $WITH_AUTHORIZER " == *" $number "* ]]; then
            flags+=" --authorizer true --super-user User:ANONYMOUS"
        fi
        SHARDGATE_FLAGS=$flags KAFKA_PROPERTIES=num.partitions=4$'\n'group.initial.rebalance.delay.ms=3000$'\n'auto.create.topics.enable=$auto \
            "$SUBJECT_SCRIPT" start "$dir/server" >"$dir/bootstrap"
    fi
    # The tests find their plugins and the sources of their Java programs beside them, and leave files there.
    cp -rs "$SOURCE" "$dir/source"
    printf '%s\n' "bootstrap.servers=$(cat "$dir/bootstrap")" "test.timeout.multiplier=3" >"$dir/test.conf"
    # A failed test makes the runner abort, of which the shell would tell.
    {
        (
            cd "$dir/source/tests"
            # shellcheck disable=SC2086 # no word or one
            RDKAFKA_TEST_CONF=$dir/test.conf TESTS=$number TEST_SCENARIO=$scenario BROKERS=$(cat "$dir/bootstrap") \
                timeout --kill-after=10 "$TEST_SECONDS" ./test-runner -p1 -L -S $RUNNER_FLAGS
        ) >"$dir/log" 2>&1 </dev/null || true
    } 2>/dev/null
    "$SUBJECT_SCRIPT" kill "$dir/server" 2>>"$dir/log" || echo "the gateway had ended" >>"$dir/gateway-ended"
    for name in ${entries//,/ }; do
        outcome=$(verdict "$dir/log" "$name")
        if [[ -e $dir/gateway-ended || ! $outcome ]]; then outcome=fail; fi
        printf '%s %s %d\n' "$name" "$outcome" $((SECONDS - started))
    done
    if [[ ! $KEEP ]]; then rm -rf "$dir/server" "$dir/source"; fi
}
export -f run_test

# The runner's table of tests, as lines "number scenario entry,entry": those that need a broker.
table_of_tests() {
    python3 - "$SOURCE/tests/test.c" <<'PYTHON'
import re
import sys

source = open(sys.argv[1]).read()
table = source[source.index("struct test tests[] = {"):]
table = table[: table.index("{NULL}")]
runs = {}
for entry in re.split(r"\b_TEST\(", table)[1:]:
    name, flags = (part.strip(" )\n") for part in entry.split(",")[:2])
    if "TEST_F_LOCAL" in flags or "TEST_F_MANUAL" in flags:
        continue
    scenario = re.search(r'\.scenario = "(\w+)', entry)
    run = (name[:4], scenario.group(1) if scenario else "default")
    runs.setdefault(run, []).append(name)
for (number, scenario), names in runs.items():
    print(number, scenario, ",".join(names))
PYTHON
}

"$clients/java/run.sh" --install kafka-tools
kafka_tools=$repo/target/clients/java/kafka-tools/lib
install_tests
installed
SOURCE=$target/source
SUBJECT_SCRIPT=$clients/subject
WORK=$(mktemp -d "$target/run.XXXXXX")
KAFKA_PATH=$WORK/kafka
LD_LIBRARY_PATH=$SOURCE/src:$SOURCE/src-cpp
KEEP=${KEEP:-}
RUNNER_FLAGS=${short:+-Q}
export SOURCE SUBJECT_SCRIPT WORK KAFKA_PATH LD_LIBRARY_PATH KEEP RUNNER_FLAGS
if [[ $protocol != classic ]]; then export TEST_CONSUMER_GROUP_PROTOCOL=$protocol; fi
mkdir -p "$KAFKA_PATH/bin"
for tool in kafka-topics kafka-acls kafka-run-class; do ln -s "$here/kafka-tool" "$KAFKA_PATH/bin/$tool.sh"; done
ln -s "$kafka_tools" "$KAFKA_PATH/libs"

if [[ $short ]]; then mapfile -t numbers < <(grep -v '^#' "$here/short.txt"); fi
table_of_tests >"$WORK/tests"
if ((${#numbers[@]})); then
    printf '%s\n' "${numbers[@]}" | awk 'NR == FNR { wanted[$1]; next } $1 in wanted' - "$WORK/tests" >"$WORK/chosen"
    mv "$WORK/chosen" "$WORK/tests"
fi
xargs -P "$jobs" -L 1 bash -c 'run_test "$@"' _ <"$WORK/tests" | tee "$WORK/outcomes"

code=0
python3 "$here/results.py" "$here/RESULTS.md" "$protocol" "$WORK/outcomes" ${write:+--write} || code=$?
if ((code == 0)) && [[ ! $KEEP ]]; then
    rm -rf "$WORK"
else
    echo "the logs are in $WORK" >&2
fi
exit "$code"
