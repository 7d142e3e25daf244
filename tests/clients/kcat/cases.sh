#!/usr/bin/env bash
# cases.sh CASE SERVER DIR: one case against the server of `subject`, with its files in DIR.
# The last line on the error stream is the reason of a failure, so kcat in the background logs to a file.
set -Eeuo pipefail

subject=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/subject
name=$1 server=$2 dir=$3
bootstrap=$(cat "$server/bootstrap")
cd "$dir"

trap 'echo "line $LINENO: $BASH_COMMAND" >&2' ERR
# Consumers and producers that a failed case leaves in the background.
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT

fail() {
    echo "$*" >&2
    exit 1
}

kcat() {
    timeout 30 kcat -b "$bootstrap" "$@"
}

# until_true WHAT COMMAND...: polls, because kcat cannot wait for a state of the server.
until_true() {
    local what=$1 deadline=$((SECONDS + 30))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || fail "not within 30 s: $what"
        sleep 0.05
    done
}

equal() {
    [[ $1 == "$2" ]] || fail "$3: '$1', expected '$2'"
}

same() {
    cmp "$1" "$2" >&2 || fail "$3: $1 with its $(wc -l <"$1") lines is not what was sent"
}

# offset TOPIC TIMESTAMP; -2 is the first offset and -1 the one after the last.
offset() {
    kcat -Q -t "$1:0:$2" | sed 's/.* offset //'
}

end_is() {
    [[ $(offset "$1" -1) == "$2" ]]
}

# Everything in a topic's partition 0, as "key:value" lines.
everything() {
    kcat -C -q -t "$1" -p 0 -o beginning -e -K:
}

# numbered FIRST LAST WORD: lines of "key:value".
numbered() {
    seq -f '%04.0f' "$1" "$2" | sed "s/.*/k&:$3 &/"
}

admin() {
    kcat -L >before
    if grep -q '"admin' before; then fail "the topic is there before its creation"; fi
    numbered 1 3 value | kcat -P -t admin -K:
    until_true "the topic that was produced to is listed" listed admin
    kcat -C -q -t admin-by-consumer -o beginning -e -X allow.auto.create.topics=true || true
    until_true "the topic that was consumed is listed" listed admin-by-consumer
    kcat -C -q -t admin-never -o beginning -e -X allow.auto.create.topics=false 2>refusal &&
        fail "consuming a topic that does not exist was accepted"
    grep -q 'Unknown topic or partition' refusal || fail "refusal: $(cat refusal)"
    if listed admin-never; then fail "a consumer that may not create topics has created one"; fi

    kcat -L -J -t admin >metadata
    equal "$(jq -r '.brokers | map(.name) | join(" ")' metadata)" "$bootstrap" "brokers"
    equal "$(jq '.controllerid == .brokers[0].id' metadata)" true "the controller is the broker"
    equal "$(jq -r '.topics | map(.topic) | join(" ")' metadata)" admin "topics in the answer for one"
    equal "$(jq '.brokers[0].id as $broker | .topics[0].partitions |
        length > 0 and all(.leader == $broker and (.replicas | length) == 1 and (.isrs | length) == 1)' metadata)" \
        true "every partition has its leader, replica and in-sync replica"
    equal "$(offset admin -2)" 0 "first offset"
    equal "$(kcat -L -J | jq '[.topics[].topic | select(startswith("admin"))] | length')" 2 "topics in the whole list"
    echo "metadata and automatic creation only: kcat sends no admin requests"
}

listed() {
    kcat -L >topics
    grep -q "^  topic \"$1\" with [1-9]" topics
}

produce() {
    local codec acks
    for codec in none gzip snappy lz4 zstd; do
        : >"$codec.sent"
        # Acks 0 comes last: its records are lost when a new partition has no leader yet.
        for acks in all 1 0; do
            numbered 1 100 "$codec $acks $(printf 'x%.0s' {1..500})" >sent
            kcat -P -t "produce-$codec" -p 0 -z "$codec" -X acks="$acks" -X linger.ms=100 -d msg -K: -l sent 2>log
            if [[ $codec != none ]]; then compressed; fi
            cat sent >>"$codec.sent"
            # With acks 0 nobody knows when they have arrived.
            until_true "100 records with $codec and acks $acks" end_is "produce-$codec" "$(wc -l <"$codec.sent")"
        done
        everything "produce-$codec" >"$codec.got"
        same "$codec.got" "$codec.sent" "$codec"
    done
    echo "codecs none gzip snappy lz4 zstd"
}

# librdkafka sends uncompressed, without a word, when the server's ranges of versions do not suit it.
compressed() {
    local bytes
    bytes=$(sed -n 's/.*Produce MessageSet with [0-9]* message(s) (\([0-9]*\) bytes.*/\1/p' log | awk '{sum += $1} END {print sum + 0}')
    ((bytes > 0 && bytes < $(stat -c %s sent) / 2)) || fail "$codec: $bytes bytes sent for $(stat -c %s sent)"
}

idempotence() {
    numbered 1 1000 value >sent
    # Small batches, so that several are under way at once.
    kcat -P -t idempotence -p 0 -X enable.idempotence=true -X batch.num.messages=50 -K: -l sent
    everything idempotence >got
    same got sent "1,000 records"
}

# member NAME: a member of the group, whose records land in NAME.out and whose assignments in NAME.err.
member() {
    # Round robin, because range gives partition 0 of every topic to the same member.
    exec timeout 60 kcat -b "$bootstrap" -G group -X partition.assignment.strategy=roundrobin \
        -X auto.offset.reset=earliest -X heartbeat.interval.ms=300 -u -f '%t [%p] %s\n' "${topics[@]}" >"$1.out" 2>"$1.err"
}

# The lines "topic [partition]" of a member's latest assignment; nothing while it has none.
assigned() {
    # shellcheck disable=SC2016 # $ is sed's last line
    sed -n '/rebalanced/h; ${x; s/.*: assigned: //p}' "$1.err" | sed 's/, /\n/g' | sort
}

share() {
    local parts=() who part
    for who in "$@"; do
        part=$(assigned "$who")
        [[ $part ]] || return 1
        parts+=("$part")
    done
    [[ $(printf '%s\n' "${parts[@]}" | sort) == "$partitions" ]]
}

# Sends lines FIRST to LAST to each topic.
send_all() {
    local topic
    for topic in "${topics[@]}"; do
        seq -f "%04.0f" "$1" "$2" | kcat -P -t "$topic" -p 0
        seq -f "$topic [0] %04.0f" "$1" "$2" >>sent
    done
}

received() {
    [[ $(cat "$@" | sort -u | wc -l) -ge $(wc -l <sent) ]]
}

group() {
    # kcat cannot create a topic of 4 partitions, so 4 topics share the work.
    topics=(group-1 group-2 group-3 group-4)
    local staying leaving topic
    send_all 1 10
    # The server decides how many partitions a topic gets that it creates by itself.
    partitions=$(kcat -L -J | jq -r '.topics[] | select(.topic | startswith("group-")) |
        .topic as $topic | .partitions[] | "\($topic) [\(.partition)]"' | sort)
    member staying &
    staying=$!
    until_true "one member has everything" share staying
    until_true "the first records" received staying.out
    member leaving &
    leaving=$!
    until_true "two members share" share staying leaving
    send_all 11 60
    until_true "the records of both" received staying.out leaving.out
    cat staying.out leaving.out | sort | cmp - <(sort sent) >&2 || fail "a record came twice, or one that was not sent"
    equal "$(cut -d' ' -f1,2 leaving.out | sort -u)" "$(assigned leaving | sed -n '/\[0\]/p')" \
        "partitions of the second member's records"

    kill -TERM "$leaving"
    # A record that reaches kcat after the signal is committed but not printed, so none may come before
    # its end. The other member rebalances while these are sent; what arrives twice then is no loss.
    wait "$leaving" || fail "the leaving member ended with $?"
    send_all 61 100
    until_true "the one who stays has everything" share staying
    until_true "all records" received staying.out leaving.out
    cat staying.out leaving.out | sort -u | cmp - <(sort sent) >&2 || fail "a record that was not sent"
    kill -TERM "$staying"
    wait "$staying" || fail "the staying member ended with $?"

    member after &
    until_true "a new member has everything" share after
    for topic in "${topics[@]}"; do
        until_true "the committed end of $topic" grep -q "Reached end of topic $topic \[0\] at offset 100" after.err
    done
    equal "$(cat after.out)" "" "records after the last commit"
}

restart() {
    local producer survivor word
    # Lines of 1,024 bytes, because kcat reads its input in pieces of that size.
    word=$(printf 'x%.0s' {1..1012})
    numbered 1 100 "$word" >first-half
    numbered 101 200 "$word" >second-half
    cat first-half second-half >sent
    # The producer reads a pipe that stays open over the restart. Without -E it would give up with the
    # connection; it is idempotent, so that the server must still know it afterwards.
    mkfifo pipe
    timeout 60 kcat -b "$bootstrap" -P -E -t restart -p 0 -X enable.idempotence=true -K: <pipe 2>producer.err &
    producer=$!
    # Nobody else may hold the pipe open, or the producer never sees its end.
    exec 3>pipe
    cat first-half >&3
    until_true "100 records" end_is restart 100
    kcat -q -G restart -X auto.offset.reset=earliest -c 50 -K: restart >half
    same half <(head -n 50 sent) "what the group read before"
    # Another group's member lives through the restart.
    timeout 60 kcat -b "$bootstrap" -q -E -G survivor -X auto.offset.reset=earliest -u -K: restart >survived 2>survivor.err 3>&- &
    survivor=$!
    until_true "the other group's records" lines survived 100

    "$subject" kill "$server"
    "$subject" resume "$server" >/dev/null 3>&-

    cat second-half >&3
    exec 3>&-
    wait "$producer" || fail "the producer ended with $?"
    everything restart >got
    same got sent "all records"
    kcat -q -G restart -X auto.offset.reset=earliest -c 150 -K: restart >resumed
    same resumed <(tail -n 150 sent) "what the group read afterwards"
    until_true "the other group's remaining records" lines survived 200
    kill -TERM "$survivor"
    wait "$survivor" || fail "the other group's member ended with $?"
}

lines() {
    [[ $(sort -u "$1" | wc -l) -ge $2 ]]
}

later_than() {
    (($(date +%s%3N) > $1))
}

seek() {
    local last middle
    numbered 1 100 value >early
    numbered 101 200 value >late
    kcat -P -t seek -p 0 -K: -l early
    # kcat cannot set a timestamp, so the clock has to move on between the halves.
    last=$(kcat -C -q -t seek -p 0 -o 99 -c 1 -f '%T')
    until_true "the clock moves on" later_than "$last"
    kcat -P -t seek -p 0 -K: -l late
    middle=$(kcat -C -q -t seek -p 0 -o 100 -c 1 -f '%T')
    ((middle > last)) || fail "timestamps $last and $middle"

    equal "$(offset seek "$middle")" 100 "offset for the timestamp in the middle"
    equal "$(offset seek "$((last + 1))")" 100 "offset between the halves"
    equal "$(offset seek 1)" 0 "offset for a timestamp before everything"
    equal "$(offset seek "$((middle + 3600000))")" -1 "offset for a timestamp after everything"
    kcat -C -q -t seek -p 0 -o "s@$middle" -e -K: >got
    same got late "from the timestamp"
    kcat -C -q -t seek -p 0 -o beginning -o "e@$middle" -e -K: >got
    same got early "up to the timestamp"
    kcat -C -q -t seek -p 0 -o 150 -e -K: >got
    same got <(tail -n 50 late) "from an offset"
    kcat -C -q -t seek -p 0 -o -10 -e -K: >got
    same got <(tail -n 10 late) "the last ten"
}

# record OFFSET FORMAT
record() {
    kcat -C -q -t edges -p 0 -o "$1" -c 1 -f "$2"
}

edges() {
    local key=$'\xff\xfe\xc3(' name=$'n\u00e4me'
    # Lengths of -1 stand for null.
    echo 'value' | kcat -P -t edges -p 0
    printf ':value\nkey:\n' | kcat -P -t edges -p 0 -K:
    printf ':value\nkey:\n' | kcat -P -t edges -p 0 -K: -Z
    equal "$(record 0 '%K %S %s')" "-1 5 value" "no key"
    equal "$(record 1 '%K %S %s')" "0 5 value" "empty key"
    equal "$(record 2 '%K %S %k')" "3 0 key" "empty value"
    equal "$(record 3 '%K %S %s')" "-1 5 value" "null key"
    equal "$(record 4 '%K %S %k')" "3 -1 key" "null value"

    head -c $((900 * 1024)) /dev/urandom >large
    kcat -P -t edges -p 0 -k "$key" large
    record 5 '%s' | cmp - large >&2 || fail "the 900 KiB value has changed"
    record 5 '%k' | cmp - <(printf %s "$key") >&2 || fail "the non-UTF-8 key has changed"

    echo 'value' | kcat -P -t edges -p 0 -H twice=1 -H null -H twice=2 -H empty= -H twice=1 -H "$name=$name"
    equal "$(kcat -C -q -t edges -p 0 -o 6 -c 1 -J | jq -c .headers)" \
        "[\"twice\",\"1\",\"null\",null,\"twice\",\"2\",\"empty\",\"\",\"twice\",\"1\",\"$name\",\"$name\"]" "headers"
    equal "$(offset edges -1)" 7 "number of records"
}

"$name"
