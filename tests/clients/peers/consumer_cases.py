"""Consumers with throughput of their own, and their event streams."""

import base64
import re
import time

import boto3
from botocore.config import Config
from case import LOCALSTACK, MODEL, group, refused
from wire import (
    CBOR,
    REGION,
    TIMEOUT_SECONDS,
    Events,
    Refused,
    early_in_a_second,
    equal,
    now,
)

case = group("Consumers")
SHARDS = [f"shardId-{n:012}" for n in range(3)]


@case("RegisterStreamConsumer", "CREATING, an ARN with the second of its creation, then ACTIVE", f"{LOCALSTACK}, snapshot")
def _(s):
    stream = s.open.stream()
    consumer = s.open.call("RegisterStreamConsumer", StreamARN=s.open.arn(stream), ConsumerName="c")["Consumer"]
    assert re.fullmatch(re.escape(s.open.arn(stream)) + r"/consumer/c:\d{10}", consumer["ConsumerARN"]), consumer["ConsumerARN"]
    equal((consumer["ConsumerName"], consumer["ConsumerStatus"]), ("c", "CREATING"))
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (
        s.open.call("DescribeStreamConsumer", ConsumerARN=consumer["ConsumerARN"])["ConsumerDescription"]["ConsumerStatus"]
        != "ACTIVE"
    ):
        assert time.monotonic() < deadline, "does not become ACTIVE"
        time.sleep(0.02)


@case("A name that is taken", "ResourceInUseException", "API reference, RegisterStreamConsumer")
def _(s):
    stream = s.open.stream()
    s.open.consumer(stream, "c")
    refused(s.open, "RegisterStreamConsumer", "ResourceInUseException", StreamARN=s.open.arn(stream), ConsumerName="c")


@case("DescribeStreamConsumer by stream and name", "the same as by ARN", f"{LOCALSTACK}, snapshot")
def _(s):
    stream = s.open.stream()
    arn = s.open.consumer(stream, "c")
    found = s.open.call("DescribeStreamConsumer", StreamARN=s.open.arn(stream), ConsumerName="c")["ConsumerDescription"]
    equal(found, s.open.call("DescribeStreamConsumer", ConsumerARN=arn)["ConsumerDescription"])
    equal((found["ConsumerARN"], found["StreamARN"]), (arn, s.open.arn(stream)))


@case("A consumer that there is not", "ResourceNotFoundException", "API reference, DescribeStreamConsumer")
def _(s):
    refused(s.open, "DescribeStreamConsumer", "ResourceNotFoundException", StreamARN=s.open.arn(s.shared), ConsumerName="none")


@case("ListStreamConsumers with MaxResults 1", "two pages by NextToken", "API reference, ListStreamConsumers")
def _(s):
    stream = s.open.stream()
    for name in ("a", "b"):
        s.open.consumer(stream, name)
    first = s.open.call("ListStreamConsumers", StreamARN=s.open.arn(stream), MaxResults=1)
    second = s.open.call("ListStreamConsumers", StreamARN=s.open.arn(stream), MaxResults=1, NextToken=first["NextToken"])
    equal([len(page["Consumers"]) for page in (first, second)], [1, 1])
    equal(sorted(page["Consumers"][0]["ConsumerName"] for page in (first, second)), ["a", "b"])


@case("A 21st consumer", "LimitExceededException", "API reference, RegisterStreamConsumer")
def _(s):
    stream = s.open.stream()
    for n in range(20):
        s.open.consumer(stream, f"c{n}")
    refused(s.open, "RegisterStreamConsumer", "LimitExceededException", StreamARN=s.open.arn(stream), ConsumerName="more")


@case("DeregisterStreamConsumer", "the consumer is gone", "API reference, DeregisterStreamConsumer")
def _(s):
    stream = s.open.stream()
    arn = s.open.consumer(stream)
    s.open.call("DeregisterStreamConsumer", ConsumerARN=arn)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while s.open.ask("DescribeStreamConsumer", {"ConsumerARN": arn}).status == 200:
        assert time.monotonic() < deadline, "is still there"
        time.sleep(0.02)
    equal(s.open.call("ListStreamConsumers", StreamARN=s.open.arn(stream))["Consumers"], [])


@case("RegisterStreamConsumer without an ARN", "ValidationException, Value null at 'streamARN'", MODEL)
def _(s):
    refused(
        s.open,
        "RegisterStreamConsumer",
        "ValidationException",
        "1 validation error detected: Value null at 'streamARN' failed to satisfy constraint: Member must not be null",
        ConsumerName="c",
    )


case = group("SubscribeToShard")


def not_subscribed(s, name, **inputs):
    """The subscription has to be refused so, before there is a stream."""
    try:
        Events(s.open, inputs).close()
    except Refused as refusal:
        assert (refusal.status, refusal.name) == (400, name), str(refusal)
    else:
        raise AssertionError("the subscription was made")


@case("The first frame", "the event initial-response, without members", "botocore, eventstream.py")
def _(s):
    with s.open.subscribe(s.open.consumer(s.open.stream())) as events:
        equal(events.answer.headers.get("content-type"), "application/vnd.amazon.eventstream")
        frame = events.frame()
        equal((frame.headers.get(":message-type"), frame.headers.get(":event-type")), ("event", "initial-response"))
        assert frame.payload in (b"{}", b""), frame.payload


@case("Records that are there", "an event with them, ContinuationSequenceNumber and MillisBehindLatest", f"{LOCALSTACK}, snapshot")
def _(s):
    stream = s.open.stream()
    numbers = [s.open.put(stream, data)["SequenceNumber"] for data in (b"0", b"1")]
    with s.open.subscribe(s.open.consumer(stream)) as events:
        event = events.event()
    equal(
        [(base64.b64decode(record["Data"]), record["SequenceNumber"]) for record in event["Records"]],
        list(zip((b"0", b"1"), numbers)),
    )
    assert int(event["ContinuationSequenceNumber"]) >= int(numbers[1]) and event["MillisBehindLatest"] == 0, event
    assert not event.get("ChildShards"), event


@case("boto3 reads a subscription", "the records (it insists on the initial response)", f"{LOCALSTACK}, validated")
def _(s):
    stream = s.open.stream()
    s.open.put(stream, b"0")
    arn = s.open.consumer(stream)
    kinesis = boto3.client(
        "kinesis",
        endpoint_url=f"http://{s.open.host}",
        region_name=REGION,
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(read_timeout=10, retries={"max_attempts": 1}),
    )
    answer = kinesis.subscribe_to_shard(ConsumerARN=arn, ShardId=SHARDS[0], StartingPosition={"Type": "TRIM_HORIZON"})
    for event in answer["EventStream"]:
        if event["SubscribeToShardEvent"]["Records"]:
            equal([record["Data"] for record in event["SubscribeToShardEvent"]["Records"]], [b"0"])
            break
    answer["EventStream"].close()


@case("A put after LATEST", "comes in less than a second", "developer guide, enhanced fan-out (about 70 ms)")
def _(s):
    stream = s.open.stream()
    s.open.put(stream, b"0")
    with s.open.subscribe(s.open.consumer(stream), "LATEST") as events:
        s.open.put(stream, b"1")
        begun = time.monotonic()
        equal(events.records(1), [b"1"])
        assert time.monotonic() - begun < 1, f"after {time.monotonic() - begun:.1f} s"


@case("AT_TIMESTAMP and AFTER_SEQUENCE_NUMBER", "from there on", f"{LOCALSTACK}, validated")
def _(s):
    stream = s.open.stream()
    early_in_a_second()
    first = s.open.put(stream, b"0")["SequenceNumber"]
    time.sleep(0.05)
    between = round(now(), 3)
    time.sleep(0.05)
    s.open.put(stream, b"1")
    for name, kind, position in (
        ("a", "AT_TIMESTAMP", {"Timestamp": between}),
        ("b", "AFTER_SEQUENCE_NUMBER", {"SequenceNumber": first}),
    ):
        with s.open.subscribe(s.open.consumer(stream, name), kind, **position) as events:
            equal(events.records(1), [b"1"], kind)


@case(
    "A shard where nothing happens",
    "an event without records within 5 s (without one, KCL gives up)",
    "LocalStack, provider.py; awslabs/amazon-kinesis-client#840",
)
def _(s):
    with s.open.subscribe(s.open.consumer(s.open.stream())) as events:
        event = events.event(6)
    equal(event["Records"], [])
    assert event.get("ContinuationSequenceNumber", "").isdigit(), event


@case(
    "The end of a shard that was split",
    "ChildShards and no ContinuationSequenceNumber; then the stream ends",
    "KCL, DataRetrievalUtil.java",
)
def _(s):
    stream = s.open.stream()
    s.open.put(stream, b"0")
    s.open.split(stream)
    with s.open.subscribe(s.open.consumer(stream)) as events:
        found, deadline = [], time.monotonic() + 8
        while True:
            event = events.event(8)
            found += event["Records"]
            if event.get("ChildShards"):
                break
            assert time.monotonic() < deadline, "no ChildShards"
        equal(len(found), 1, "records")
        assert "ContinuationSequenceNumber" not in event, "ContinuationSequenceNumber is there"
        equal(
            [(child["ShardId"], child["ParentShards"]) for child in event["ChildShards"]], [(id, SHARDS[:1]) for id in SHARDS[1:3]]
        )
        assert events.frame(8) is None, "more frames"


@case("A second subscription within 5 s", "ResourceInUseException", "API reference, SubscribeToShard")
def _(s):
    arn = s.open.consumer(s.open.stream())
    position = {"ShardId": SHARDS[0], "StartingPosition": {"Type": "LATEST"}}
    with s.open.subscribe(arn, "LATEST") as events:
        events.frame()
        not_subscribed(s, "ResourceInUseException", ConsumerARN=arn, **position)


@case("A second subscription after 5 s", "takes over; the first ends", "API reference, SubscribeToShard")
def _(s):
    stream = s.open.stream()
    arn = s.open.consumer(stream)
    with s.open.subscribe(arn, "LATEST") as first:
        first.frame()
        time.sleep(5.2)
        with s.open.subscribe(arn, "LATEST") as second:
            second.frame()
            s.open.put(stream, b"0")
            equal(second.records(1), [b"0"])
            deadline = time.monotonic() + 8
            while (frame := first.frame(8)) is not None:
                if frame.headers.get(":message-type") == "exception":
                    return
                assert b'"Records":[{' not in frame.payload, "the first still has records"
                assert time.monotonic() < deadline, "the first goes on"


@case("A consumer that there is not", "ResourceNotFoundException before the stream", "API reference, SubscribeToShard")
def _(s):
    not_subscribed(
        s,
        "ResourceNotFoundException",
        ConsumerARN=f"{s.open.arn(s.shared)}/consumer/none:1700000000",
        ShardId=SHARDS[0],
        StartingPosition={"Type": "LATEST"},
    )


@case("A shard that there is not", "ResourceNotFoundException before the stream", "API reference, SubscribeToShard")
def _(s):
    stream = s.open.stream()
    not_subscribed(
        s,
        "ResourceNotFoundException",
        ConsumerARN=s.open.consumer(stream),
        ShardId="shardId-000000000007",
        StartingPosition={"Type": "LATEST"},
    )


@case("SubscribeToShard in CBOR", "payloads in CBOR, Data is a byte string", f"{LOCALSTACK}, validated")
def _(s):
    stream = s.open.stream()
    s.open.put(stream, b"0")
    with s.open.subscribe(s.open.consumer(stream), content=CBOR) as events:
        equal([record["Data"] for record in events.event()["Records"]], [b"0"])


@case("DryRun of SubscribeToShard", "DryRunOperationException, no stream", MODEL)
def _(s):
    not_subscribed(
        s,
        "DryRunOperationException",
        ConsumerARN=s.open.consumer(s.open.stream()),
        ShardId=SHARDS[0],
        StartingPosition={"Type": "LATEST"},
        DryRun=True,
    )
