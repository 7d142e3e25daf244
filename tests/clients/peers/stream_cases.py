"""Streams, their shards, settings and tags."""

import json
import re
import time
import uuid

from case import (
    KINESALITE,
    LOCALSTACK,
    MODEL,
    NAME_PATTERN,
    NOT_NULL,
    at_least,
    at_most,
    check_refusal,
    group,
    invalid,
    refused,
)
from wire import ACCOUNT, REGION, TIMEOUT_SECONDS, equal, now

case = group("Streams")
LAST_KEY = 2**128 - 1
SHARDS = [f"shardId-{n:012}" for n in range(10)]


def gone(client, stream):
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while client.ask("DescribeStreamSummary", {"StreamName": stream}).status == 200:
        assert time.monotonic() < deadline, "the stream is still there"
        time.sleep(0.02)


@case("CreateStream without a name", "ValidationException, Value null at 'streamName'", f"{KINESALITE} createStream.js")
def _(s):
    refused(s.open, "CreateStream", "ValidationException", invalid((None, "streamName", NOT_NULL)), ShardCount=1)


@case(
    "CreateStream with 0 shards and an empty name",
    "ValidationException, shardCount before streamName",
    f"{KINESALITE} createStream.js",
)
def _(s):
    words = invalid(
        ("0", "shardCount", "Member must have value greater than or equal to 1"),
        ("", "streamName", NAME_PATTERN),
        ("", "streamName", at_least(1)),
    )
    refused(s.open, "CreateStream", "ValidationException", words, StreamName="", ShardCount=0)


@case("CreateStream with a name of 129 characters", "ValidationException, at most 128", f"{KINESALITE} createStream.js")
def _(s):
    name = "a" * 129
    refused(
        s.open, "CreateStream", "ValidationException", invalid((name, "streamName", at_most(128))), StreamName=name, ShardCount=1
    )


@case("CreateStream with a name that is taken", "ResourceInUseException, Stream … already exists.", f"{KINESALITE} createStream.js")
def _(s):
    refused(
        s.open,
        "CreateStream",
        "ResourceInUseException",
        f"Stream {s.shared} under account {ACCOUNT} already exists.",
        StreamName=s.shared,
        ShardCount=1,
    )


@case("A stream that was just created", "CREATING, without shards", f"{KINESALITE} createStream.js")
def _(s):
    name = f"s-{uuid.uuid4().hex[:12]}"
    s.open.call("CreateStream", StreamName=name, ShardCount=1)
    found = s.open.call("DescribeStream", StreamName=name)["StreamDescription"]
    s.open.ready(name)
    equal((found["StreamStatus"], found["Shards"], found["HasMoreShards"]), ("CREATING", [], False))


@case("PutRecord to a stream that is CREATING", "ResourceNotFoundException", f"{KINESALITE} actions/putRecord.js")
def _(s):
    name = f"s-{uuid.uuid4().hex[:12]}"
    s.open.call("CreateStream", StreamName=name, ShardCount=1)
    answer = s.open.ask("PutRecord", {"StreamName": name, "PartitionKey": "a", "Data": b""})
    s.open.ready(name)
    check_refusal(answer, "ResourceNotFoundException", f"Stream {name} under account {ACCOUNT} not found.")


@case("Hash keys of three shards", "thirds of 2^128, the last one to its end", f"{KINESALITE} createStream.js")
def _(s):
    third = 2**128 // 3
    keys = [(shard["HashKeyRange"]["StartingHashKey"], shard["HashKeyRange"]["EndingHashKey"]) for shard in s.open.shards(s.shared)]
    equal(keys, [("0", str(third - 1)), (str(third), str(2 * third - 1)), (str(2 * third), str(LAST_KEY))])


@case("A description", "24 hours, no metrics of shards, encryption NONE, PROVISIONED, and the ARN", "API reference, DescribeStream")
def _(s):
    found = s.open.call("DescribeStream", StreamName=s.shared)["StreamDescription"]
    equal(found["RetentionPeriodHours"], 24)
    equal(found["EnhancedMonitoring"], [{"ShardLevelMetrics": []}])
    equal((found.get("EncryptionType"), found.get("StreamModeDetails")), ("NONE", {"StreamMode": "PROVISIONED"}))
    equal(found["StreamARN"], s.open.arn(s.shared))
    assert abs(found["StreamCreationTimestamp"] - now()) < 900, found["StreamCreationTimestamp"]


@case("DescribeStream with Limit 1", "one shard, HasMoreShards; ExclusiveStartShardId goes on", "API reference, DescribeStream")
def _(s):
    first = s.open.call("DescribeStream", StreamName=s.shared, Limit=1)["StreamDescription"]
    equal(([shard["ShardId"] for shard in first["Shards"]], first["HasMoreShards"]), (SHARDS[:1], True))
    rest = s.open.call("DescribeStream", StreamName=s.shared, ExclusiveStartShardId=SHARDS[0])["StreamDescription"]
    equal(([shard["ShardId"] for shard in rest["Shards"]], rest["HasMoreShards"]), (SHARDS[1:3], False))


@case("DescribeStreamSummary", "OpenShardCount and ConsumerCount, no StreamId", "API reference, DescribeStreamSummary")
def _(s):
    found = s.open.call("DescribeStreamSummary", StreamName=s.shared)["StreamDescriptionSummary"]
    equal((found["OpenShardCount"], found.get("ConsumerCount"), found.get("StreamId")), (3, 0, None))


@case("DescribeStreamSummary by ARN alone", "the same", MODEL)
def _(s):
    found = s.open.call("DescribeStreamSummary", StreamARN=s.open.arn(s.shared))["StreamDescriptionSummary"]
    equal(found["StreamName"], s.shared)


@case("A stream that there is not", "ResourceNotFoundException, Stream … not found.", f"{KINESALITE} describeStream.js")
def _(s):
    for operation in ("DescribeStream", "DescribeStreamSummary", "DeleteStream", "ListShards", "ListTagsForStream"):
        refused(
            s.open, operation, "ResourceNotFoundException", f"Stream none under account {ACCOUNT} not found.", StreamName="none"
        )


@case("ListStreams, one at a time", "all streams in order, names and summaries", "API reference, ListStreams")
def _(s):
    names, inputs = [], {}
    while True:
        page = s.open.call("ListStreams", Limit=1, **inputs)
        equal([found["StreamName"] for found in page["StreamSummaries"]], page["StreamNames"])
        assert page["StreamSummaries"][0]["StreamModeDetails"]["StreamMode"] in ("PROVISIONED", "ON_DEMAND")
        names += page["StreamNames"]
        if not page["HasMoreStreams"]:
            break
        inputs = {"NextToken": page["NextToken"]}
    assert s.shared in names, names
    equal(names, sorted(names))


@case("ListStreams behind a name", "the streams whose names are greater", "API reference, ListStreams")
def _(s):
    names = s.open.call("ListStreams", Limit=100, ExclusiveStartStreamName=s.shared)["StreamNames"]
    assert all(name > s.shared for name in names), names


@case("CreateStream with tags", "they are there", MODEL)
def _(s):
    stream = s.open.stream(Tags={"a": "1"})
    equal(s.open.call("ListTagsForStream", StreamName=stream)["Tags"], [{"Key": "a", "Value": "1"}])


@case("DeleteStream", "DELETING, then gone", f"{KINESALITE} deleteStream.js")
def _(s):
    stream = s.open.stream()
    s.open.call("DeleteStream", StreamName=stream)
    equal(s.open.call("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]["StreamStatus"], "DELETING")
    gone(s.open, stream)


@case(
    "DeleteStream of a stream that has a consumer",
    "ResourceInUseException unless EnforceConsumerDeletion is set",
    "API reference, DeleteStream",
)
def _(s):
    stream = s.open.stream()
    s.open.consumer(stream)
    refused(s.open, "DeleteStream", "ResourceInUseException", StreamName=stream)
    s.open.call("DeleteStream", StreamName=stream, EnforceConsumerDeletion=True)
    gone(s.open, stream)


@case("A stream created anew under its name", "has none of the old records", "API reference, DeleteStream")
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    s.open.call("DeleteStream", StreamName=stream)
    gone(s.open, stream)
    s.open.call("CreateStream", StreamName=stream, ShardCount=1)
    s.open.ready(stream)
    equal(s.open.read(stream), [])


@case("On-demand without a number of shards", "four of them", f"{LOCALSTACK}, snapshot")
def _(s):
    stream = s.open.stream(None, StreamModeDetails={"StreamMode": "ON_DEMAND"})
    equal(len(s.open.shards(stream)), 4)
    mode = s.open.call("DescribeStreamSummary", StreamName=stream)["StreamDescriptionSummary"]["StreamModeDetails"]
    equal(mode, {"StreamMode": "ON_DEMAND"})


case = group("Retention")
HOURS = "Requested retention period ({} hours) for stream {} can not be {} than existing retention period ({} hours). Use {}RetentionPeriod API."


@case("Increased to 48 hours", "the description says so", "API reference, IncreaseStreamRetentionPeriod")
def _(s):
    stream = s.open.stream()
    s.open.call("IncreaseStreamRetentionPeriod", StreamName=stream, RetentionPeriodHours=48)
    equal(s.open.ready(stream)["RetentionPeriodHours"], 48)


@case("Increased to what it is", "nothing happens (Terraform does it)", "Terraform's AWS provider; floci's changelog")
def _(s):
    stream = s.open.stream()
    s.open.call("IncreaseStreamRetentionPeriod", StreamName=stream, RetentionPeriodHours=24)
    equal(s.open.ready(stream)["RetentionPeriodHours"], 24)


@case(
    "Increased to 23 hours",
    "InvalidArgumentException, Minimum allowed retention period is 24 hours. …",
    f"{KINESALITE} increaseStreamRetentionPeriod.js",
)
def _(s):
    stream = s.open.stream()
    refused(
        s.open,
        "IncreaseStreamRetentionPeriod",
        "InvalidArgumentException",
        "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.",
        StreamName=stream,
        RetentionPeriodHours=23,
    )


@case(
    "Increased to fewer hours than there are",
    "InvalidArgumentException, … Use DecreaseRetentionPeriod API.",
    f"{KINESALITE} increaseStreamRetentionPeriod.js",
)
def _(s):
    stream = s.open.stream()
    s.open.change("IncreaseStreamRetentionPeriod", stream, StreamName=stream, RetentionPeriodHours=48)
    refused(
        s.open,
        "IncreaseStreamRetentionPeriod",
        "InvalidArgumentException",
        HOURS.format(30, stream, "shorter", 48, "Decrease"),
        StreamName=stream,
        RetentionPeriodHours=30,
    )


@case(
    "Decreased to more hours than there are",
    "InvalidArgumentException, … Use IncreaseRetentionPeriod API.",
    f"{KINESALITE} decreaseStreamRetentionPeriod.js",
)
def _(s):
    stream = s.open.stream()
    refused(
        s.open,
        "DecreaseStreamRetentionPeriod",
        "InvalidArgumentException",
        HOURS.format(30, stream, "longer", 24, "Increase"),
        StreamName=stream,
        RetentionPeriodHours=30,
    )


@case("Increased to 8761 hours", "refused as a fault of the client", "API reference, IncreaseStreamRetentionPeriod")
def _(s):
    stream = s.open.stream()
    refused(
        s.open,
        "IncreaseStreamRetentionPeriod",
        ("InvalidArgumentException", "ValidationException"),
        StreamName=stream,
        RetentionPeriodHours=8761,
    )


case = group("Shards")


@case("SplitShard in the middle", "two children with half the keys each; the parent is closed", f"{KINESALITE} splitShard.js")
def _(s):
    stream = s.open.stream()
    s.open.split(stream)
    parent, low, high = s.open.shards(stream)
    assert "EndingSequenceNumber" in parent["SequenceNumberRange"], parent
    equal([shard["ShardId"] for shard in (low, high)], SHARDS[1:3])
    equal([shard.get("ParentShardId") for shard in (parent, low, high)], [None, SHARDS[0], SHARDS[0]])
    equal([shard.get("AdjacentParentShardId") for shard in (low, high)], [None, None])
    equal(low["HashKeyRange"], {"StartingHashKey": "0", "EndingHashKey": str(2**127 - 1)})
    equal(high["HashKeyRange"], {"StartingHashKey": str(2**127), "EndingHashKey": str(LAST_KEY)})


@case(
    "Numbers at which a closed shard ends and its children begin",
    "index 0x7fffffffffffffff; the children are of the next second",
    f"{KINESALITE} splitShard.js",
)
def _(s):
    stream = s.open.stream()
    s.open.split(stream)
    parent, low, _ = s.open.shards(stream)
    end = int(parent["SequenceNumberRange"]["EndingSequenceNumber"])
    start = int(low["SequenceNumberRange"]["StartingSequenceNumber"])
    equal(end >> 80 & 2**64 - 1, 2**63 - 1, "index")
    equal(start >> 148 & 2**36 - 1, (end >> 36 & 2**36 - 1) + 1, "second")


@case(
    "SplitShard at the shard's first key",
    "InvalidArgumentException, NewStartingHashKey … is not both greater than …",
    f"{KINESALITE} splitShard.js",
)
def _(s):
    stream = s.open.stream(3)
    refused(
        s.open,
        "SplitShard",
        "InvalidArgumentException",
        f"NewStartingHashKey 1 used in SplitShard() on shard {SHARDS[0]} in stream {stream} under account {ACCOUNT} is not both greater "
        f"than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey {2**128 // 3 - 1}.",
        StreamName=stream,
        ShardToSplit=SHARDS[0],
        NewStartingHashKey="1",
    )


@case("SplitShard of a shard that there is not", "ResourceNotFoundException, Could not find shard …", f"{KINESALITE} splitShard.js")
def _(s):
    stream = s.open.stream(3)
    refused(
        s.open,
        "SplitShard",
        "ResourceNotFoundException",
        f"Could not find shard {SHARDS[9]} in stream {stream} under account {ACCOUNT}.",
        StreamName=stream,
        ShardToSplit=SHARDS[9],
        NewStartingHashKey="10",
    )


@case("SplitShard of a closed shard", "refused as a fault of the client", "API reference, SplitShard")
def _(s):
    stream = s.open.stream()
    s.open.split(stream)
    refused(
        s.open,
        "SplitShard",
        ("InvalidArgumentException", "ResourceInUseException"),
        StreamName=stream,
        ShardToSplit=SHARDS[0],
        NewStartingHashKey="1000",
    )


@case(
    "SplitShard of a stream that is UPDATING",
    "ResourceInUseException, … not ACTIVE, instead in state UPDATING",
    f"{KINESALITE} splitShard.js",
)
def _(s):
    stream = s.open.stream(2)
    s.open.call("SplitShard", StreamName=stream, ShardToSplit=SHARDS[0], NewStartingHashKey="1000")
    answer = s.open.ask("SplitShard", {"StreamName": stream, "ShardToSplit": SHARDS[1], "NewStartingHashKey": str(LAST_KEY - 1000)})
    s.open.ready(stream)
    check_refusal(
        answer, "ResourceInUseException", f"Stream {stream} under account {ACCOUNT} not ACTIVE, instead in state UPDATING"
    )


@case("MergeShards", "one child with both parents and all their keys", f"{KINESALITE} mergeShards.js")
def _(s):
    stream = s.open.stream(2)
    s.open.change("MergeShards", stream, StreamName=stream, ShardToMerge=SHARDS[0], AdjacentShardToMerge=SHARDS[1])
    child = s.open.shards(stream)[-1]
    equal((child["ShardId"], child["ParentShardId"], child["AdjacentParentShardId"]), (SHARDS[2], SHARDS[0], SHARDS[1]))
    equal(child["HashKeyRange"], {"StartingHashKey": "0", "EndingHashKey": str(LAST_KEY)})


@case(
    "MergeShards of shards that are not neighbours",
    "InvalidArgumentException, … are not an adjacent pair of shards …",
    f"{KINESALITE} mergeShards.js",
)
def _(s):
    stream = s.open.stream(3)
    refused(
        s.open,
        "MergeShards",
        "InvalidArgumentException",
        f"Shards {SHARDS[0]} and {SHARDS[2]} in stream {stream} under account {ACCOUNT} are not an adjacent pair of shards eligible "
        "for merging",
        StreamName=stream,
        ShardToMerge=SHARDS[0],
        AdjacentShardToMerge=SHARDS[2],
    )


@case("Puts after a split", "go to the children", "API reference, SplitShard")
def _(s):
    stream = s.open.stream()
    s.open.split(stream)
    found = [s.open.put(stream, ExplicitHashKey=str(key))["ShardId"] for key in (0, LAST_KEY)]
    equal(found, SHARDS[1:3])


def at_end(s, stream, shard, kind="TRIM_HORIZON"):
    """The answer at the end of a closed shard, at most two reads away."""
    answer = s.open.get(s.open.iterator(stream, kind, shard))
    records = answer["Records"]
    if answer.get("NextShardIterator"):
        answer = s.open.get(answer["NextShardIterator"])
        records += answer["Records"]
    return records, answer


@case(
    "The end of a shard that was split",
    "no NextShardIterator; ChildShards with parent and keys",
    "API reference, GetRecords; KCL, DataRetrievalUtil.java",
)
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    s.open.split(stream)
    records, answer = at_end(s, stream, SHARDS[0])
    equal(len(records), 1, "records")
    assert answer.get("NextShardIterator") is None, "NextShardIterator is there"
    children = answer.get("ChildShards")
    assert children, "no ChildShards"
    equal([(child["ShardId"], child["ParentShards"]) for child in children], [(SHARDS[1], SHARDS[:1]), (SHARDS[2], SHARDS[:1])])
    equal([int(child["HashKeyRange"]["StartingHashKey"]) for child in children], [0, 2**127])


@case("The end of a shard that was merged", "ChildShards has one child with both parents", "KCL, DataRetrievalUtil.java")
def _(s):
    stream = s.open.stream(2)
    s.open.change("MergeShards", stream, StreamName=stream, ShardToMerge=SHARDS[0], AdjacentShardToMerge=SHARDS[1])
    _, answer = at_end(s, stream, SHARDS[1])
    children = answer.get("ChildShards")
    assert children, "no ChildShards"
    equal([(child["ShardId"], sorted(child["ParentShards"])) for child in children], [(SHARDS[2], SHARDS[:2])])


@case(
    "LATEST of a closed shard",
    "its end at once: no NextShardIterator, ChildShards (KCL learns of children so)",
    "KCL, KinesisShardDetector and ShutdownTask",
)
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    s.open.split(stream)
    answer = s.open.get(s.open.iterator(stream, "LATEST", SHARDS[0]))
    equal((answer["Records"], answer.get("NextShardIterator"), len(answer.get("ChildShards", []))), ([], None, 2))


@case("UpdateShardCount from 2 to 4", "both numbers, name and ARN; then four equal shards", "API reference, UpdateShardCount")
def _(s):
    stream = s.open.stream(2)
    output = s.open.change("UpdateShardCount", stream, StreamName=stream, TargetShardCount=4, ScalingType="UNIFORM_SCALING")
    expected = {"StreamName": stream, "CurrentShardCount": 2, "TargetShardCount": 4, "StreamARN": s.open.arn(stream)}
    equal(output, expected)
    shards = [shard for shard in s.open.shards(stream) if "EndingSequenceNumber" not in shard["SequenceNumberRange"]]
    equal(sorted(int(shard["HashKeyRange"]["StartingHashKey"]) for shard in shards), [n * 2**126 for n in range(4)])


@case("UpdateShardCount from 1 to 4", "refused: no more than double", "API reference, UpdateShardCount")
def _(s):
    refused(
        s.strict,
        "UpdateShardCount",
        ("LimitExceededException", "InvalidArgumentException"),
        re.compile(
            "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 1 Target shard count: 4"
        ),
        StreamName=s.strict.stream(),
        TargetShardCount=4,
        ScalingType="UNIFORM_SCALING",
    )


@case("UpdateShardCount from 4 to 1", "refused: no less than half", "API reference, UpdateShardCount")
def _(s):
    refused(
        s.strict,
        "UpdateShardCount",
        ("LimitExceededException", "InvalidArgumentException"),
        StreamName=s.strict.stream(4),
        TargetShardCount=1,
        ScalingType="UNIFORM_SCALING",
    )


case = group("ListShards")


def listed(s, stream, **inputs):
    return [shard["ShardId"] for shard in s.open.shards(stream, **inputs)]


def resharded(s):
    """A stream whose first shard was split."""
    if not hasattr(s, "resharded"):
        stream = s.open.stream(2)
        s.open.split(stream)
        s.resharded = stream
    return s.resharded


def check_tiles(shards):
    """The shards hold the whole hash key space once, as KCL demands before it starts."""
    keys = sorted((int(shard["HashKeyRange"]["StartingHashKey"]), int(shard["HashKeyRange"]["EndingHashKey"])) for shard in shards)
    equal((keys[0][0], keys[-1][1]), (0, LAST_KEY), "first and last key")
    equal([start for start, _ in keys[1:]], [end + 1 for _, end in keys[:-1]], "starts")


@case(
    "Neither stream nor token",
    "InvalidArgumentException, Either NextToken or StreamName should be provided.",
    f"{KINESALITE} listShards.js",
)
def _(s):
    refused(s.open, "ListShards", "InvalidArgumentException", "Either NextToken or StreamName should be provided.")


@case(
    "Stream and token",
    "InvalidArgumentException, NextToken and StreamName cannot be provided together.",
    f"{KINESALITE} listShards.js",
)
def _(s):
    token = s.open.call("ListShards", StreamName=s.shared, MaxResults=1)["NextToken"]
    refused(
        s.open,
        "ListShards",
        "InvalidArgumentException",
        "NextToken and StreamName cannot be provided together.",
        StreamName=s.shared,
        NextToken=token,
    )


@case("MaxResults 1 of three shards", "three pages by NextToken", "API reference, ListShards")
def _(s):
    found, inputs = [], {"StreamName": s.shared}
    while inputs:
        page = s.open.call("ListShards", MaxResults=1, **inputs)
        found += [shard["ShardId"] for shard in page["Shards"]]
        inputs = {"NextToken": page["NextToken"]} if page.get("NextToken") else None
        assert len(found) < 9, "no end of pages"
    equal(found, SHARDS[:3])


@case("MaxResults 0", "ValidationException, at least 1", f"{KINESALITE} listShards.js")
def _(s):
    words = invalid(("0", "maxResults", "Member must have value greater than or equal to 1"))
    refused(s.open, "ListShards", "ValidationException", words, StreamName=s.shared, MaxResults=0)


@case("ExclusiveStartShardId", "the shards behind it", "API reference, ListShards")
def _(s):
    equal(listed(s, s.shared, ExclusiveStartShardId=SHARDS[0]), SHARDS[1:3])


@case("A token that is none", "InvalidArgumentException or ExpiredNextTokenException", MODEL)
def _(s):
    refused(s.open, "ListShards", ("InvalidArgumentException", "ExpiredNextTokenException"), NextToken="none")


@case("No filter after a split", "all shards, closed ones too", "API reference, ListShards")
def _(s):
    equal(listed(s, resharded(s)), SHARDS[:4])


@case("AT_LATEST after a split", "the open shards", "API reference, ShardFilter")
def _(s):
    equal(listed(s, resharded(s), ShardFilter={"Type": "AT_LATEST"}), SHARDS[1:4])


@case(
    "AT_TRIM_HORIZON after a split",
    "the shards of the beginning, which hold all keys once (KCL starts with them)",
    "API reference, ShardFilter; KCL, HierarchicalShardSyncer.java",
)
def _(s):
    found = s.open.shards(resharded(s), ShardFilter={"Type": "AT_TRIM_HORIZON"})
    check_tiles(found)
    equal([shard["ShardId"] for shard in found], SHARDS[:2])


@case("FROM_TRIM_HORIZON after a split", "all shards", "API reference, ShardFilter")
def _(s):
    equal(listed(s, resharded(s), ShardFilter={"Type": "FROM_TRIM_HORIZON"}), SHARDS[:4])


@case("AFTER_SHARD_ID", "the shards whose ids are greater", "API reference, ShardFilter")
def _(s):
    equal(listed(s, resharded(s), ShardFilter={"Type": "AFTER_SHARD_ID", "ShardId": SHARDS[1]}), SHARDS[2:4])


@case(
    "AT_TIMESTAMP of the split, now and between",
    "shards that hold all keys once, whatever the time",
    "KCL, HierarchicalShardSyncer.java",
)
def _(s):
    stream = resharded(s)
    end = int(s.open.shards(stream)[0]["SequenceNumberRange"]["EndingSequenceNumber"]) >> 36 & 2**36 - 1
    for at in (end, end + 1, end + 1.5, now()):
        if at <= now():
            check_tiles(s.open.shards(stream, ShardFilter={"Type": "AT_TIMESTAMP", "Timestamp": at}))


@case("AT_TIMESTAMP without a time", "InvalidArgumentException", "API reference, ShardFilter")
def _(s):
    refused(s.open, "ListShards", "InvalidArgumentException", StreamName=s.shared, ShardFilter={"Type": "AT_TIMESTAMP"})


@case("AT_LATEST page by page", "the token remembers the filter, which clients leave out", "KCL, KinesisShardDetector.java")
def _(s):
    page = s.open.call("ListShards", StreamName=resharded(s), MaxResults=1, ShardFilter={"Type": "AT_LATEST"})
    found = [shard["ShardId"] for shard in page["Shards"]]
    while page.get("NextToken") and len(found) < 9:
        page = s.open.call("ListShards", NextToken=page["NextToken"], MaxResults=1)
        found += [shard["ShardId"] for shard in page["Shards"]]
    equal(found, SHARDS[1:4])


case = group("Modes and settings")


@case("UpdateStreamMode to ON_DEMAND", "the shards stay", "API reference, UpdateStreamMode")
def _(s):
    stream = s.open.stream(2)
    s.open.change("UpdateStreamMode", stream, StreamARN=s.open.arn(stream), StreamModeDetails={"StreamMode": "ON_DEMAND"})
    found = s.open.ready(stream)
    equal((found["StreamModeDetails"]["StreamMode"], found["OpenShardCount"]), ("ON_DEMAND", 2))


@case(
    "UpdateStreamMode for the third time in a day",
    "LimitExceededException: two switches in 24 hours",
    "API reference, UpdateStreamMode",
)
def _(s):
    stream = s.strict.stream()
    for mode in ("ON_DEMAND", "PROVISIONED"):
        s.strict.change("UpdateStreamMode", stream, StreamARN=s.strict.arn(stream), StreamModeDetails={"StreamMode": mode})
    refused(
        s.strict,
        "UpdateStreamMode",
        "LimitExceededException",
        StreamARN=s.strict.arn(stream),
        StreamModeDetails={"StreamMode": "ON_DEMAND"},
    )


@case("SplitShard of an on-demand stream", "ValidationException", MODEL)
def _(s):
    refused(
        s.open,
        "SplitShard",
        "ValidationException",
        StreamName=s.open.on_demand(),
        ShardToSplit=SHARDS[0],
        NewStartingHashKey="1000",
    )


@case("UpdateShardCount of an on-demand stream", "ValidationException", MODEL)
def _(s):
    refused(
        s.open,
        "UpdateShardCount",
        "ValidationException",
        StreamName=s.open.on_demand(),
        TargetShardCount=8,
        ScalingType="UNIFORM_SCALING",
    )


@case(
    "UpdateMaxRecordSize to 2 MiB",
    "the description says so, and a record of 1.5 MB is accepted",
    "API reference, UpdateMaxRecordSize",
)
def _(s):
    stream = s.open.stream()
    s.open.change("UpdateMaxRecordSize", stream, StreamARN=s.open.arn(stream), MaxRecordSizeInKiB=2048)
    equal(s.open.ready(stream).get("MaxRecordSizeInKiB"), 2048)
    s.open.put(stream, b"x" * 1_500_000)


@case("UpdateMaxRecordSize to 1023 KiB", "ValidationException, at least 1024", MODEL)
def _(s):
    words = invalid(("1023", "maxRecordSizeInKiB", "Member must have value greater than or equal to 1024"))
    refused(s.open, "UpdateMaxRecordSize", "ValidationException", words, StreamARN=s.open.arn(s.shared), MaxRecordSizeInKiB=1023)


@case("DescribeLimits", "ShardLimit, OpenShardCount, OnDemandStreamCount, OnDemandStreamCountLimit", MODEL)
def _(s):
    equal(set(s.open.call("DescribeLimits")), {"ShardLimit", "OpenShardCount", "OnDemandStreamCount", "OnDemandStreamCountLimit"})


@case("EnableEnhancedMonitoring", "metrics before and after, name and ARN", "API reference, EnableEnhancedMonitoring")
def _(s):
    stream = s.open.stream()
    output = s.open.call("EnableEnhancedMonitoring", StreamName=stream, ShardLevelMetrics=["IncomingBytes"])
    equal(
        output,
        {
            "StreamName": stream,
            "StreamARN": s.open.arn(stream),
            "CurrentShardLevelMetrics": [],
            "DesiredShardLevelMetrics": ["IncomingBytes"],
        },
    )


@case("StartStreamEncryption", "KMS in the description, in answers to puts, and of records", "API reference, StartStreamEncryption")
def _(s):
    stream = s.open.stream()
    s.open.change("StartStreamEncryption", stream, StreamName=stream, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    found = s.open.ready(stream)
    equal((found["EncryptionType"], found["KeyId"]), ("KMS", "alias/aws/kinesis"))
    equal(s.open.put(stream).get("EncryptionType"), "KMS")
    equal(s.open.get(s.open.iterator(stream))["Records"][0].get("EncryptionType"), "KMS")


@case("DryRun of PutRecord", "DryRunOperationException; nothing is put", MODEL)
def _(s):
    stream = s.open.stream()
    try:
        refused(s.open, "PutRecord", "DryRunOperationException", StreamName=stream, PartitionKey="a", Data=b"", DryRun=True)
    finally:
        equal(s.open.read(stream), [], "records")


@case("DryRun of a PutRecord that would be refused", "the refusal itself", MODEL)
def _(s):
    refused(s.open, "PutRecord", "ResourceNotFoundException", StreamName="none", PartitionKey="a", Data=b"", DryRun=True)


@case("DryRun of GetRecords and GetShardIterator", "DryRunOperationException", MODEL)
def _(s):
    refused(
        s.open,
        "GetShardIterator",
        "DryRunOperationException",
        StreamName=s.shared,
        ShardId=SHARDS[0],
        ShardIteratorType="LATEST",
        DryRun=True,
    )
    refused(s.open, "GetRecords", "DryRunOperationException", ShardIterator=s.open.iterator(s.shared), DryRun=True)


@case("UpdateStreamRecordDistributionStrategy AUTO of a provisioned stream", "InvalidArgumentException", MODEL)
def _(s):
    refused(
        s.open,
        "UpdateStreamRecordDistributionStrategy",
        "InvalidArgumentException",
        StreamARN=s.open.arn(s.shared),
        RecordDistributionStrategy="AUTO",
    )


@case("A record without a key where the strategy is AUTO", "accepted, and read without a key", MODEL)
def _(s):
    stream = s.open.on_demand()
    s.open.change("UpdateStreamRecordDistributionStrategy", stream, StreamARN=s.open.arn(stream), RecordDistributionStrategy="AUTO")
    shard = s.open.call("PutRecord", StreamName=stream, Data=b"x")["ShardId"]
    record = s.open.get(s.open.iterator(stream, shard=shard))["Records"][0]
    assert "PartitionKey" not in record, record


@case("Account settings", "the commitment is ENABLED, and then shown", MODEL)
def _(s):
    s.open.call("UpdateAccountSettings", MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    found = s.open.call("DescribeAccountSettings")["MinimumThroughputBillingCommitment"]
    equal(found["Status"], "ENABLED")


@case("UpdateStreamWarmThroughput of an on-demand stream, with the commitment", "the target is shown", MODEL)
def _(s):
    s.open.call("UpdateAccountSettings", MinimumThroughputBillingCommitment={"Status": "ENABLED"})
    stream = s.open.on_demand()
    s.open.change("UpdateStreamWarmThroughput", stream, StreamName=stream, WarmThroughputMiBps=10)
    equal(s.open.ready(stream)["WarmThroughput"]["TargetMiBps"], 10)


@case("UpdateStreamWarmThroughput of a provisioned stream", "refused as a fault of the client", MODEL)
def _(s):
    refused(
        s.open,
        "UpdateStreamWarmThroughput",
        ("ValidationException", "InvalidArgumentException"),
        StreamName=s.shared,
        WarmThroughputMiBps=10,
    )


case = group("Tags and policies")


@case("AddTagsToStream without tags", "ValidationException, Value null at 'tags'", f"{KINESALITE} addTagsToStream.js")
def _(s):
    refused(s.open, "AddTagsToStream", "ValidationException", invalid((None, "tags", NOT_NULL)), StreamName=s.shared)


@case(
    "AddTagsToStream with an empty map and name", "ValidationException, tags before streamName", f"{KINESALITE} addTagsToStream.js"
)
def _(s):
    words = invalid(("{}", "tags", at_least(1)), ("", "streamName", NAME_PATTERN), ("", "streamName", at_least(1)))
    refused(s.open, "AddTagsToStream", "ValidationException", words, StreamName="", Tags={})


@case(
    "A tag key of 129 characters",
    "ValidationException, Map keys must satisfy constraint: [...]",
    f"{KINESALITE} addTagsToStream.js",
)
def _(s):
    stream = s.open.stream()
    key = "a" * 129
    words = invalid(
        (
            f"{{{key}=b}}",
            "tags",
            "Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member "
            "must have length greater than or equal to 1]",
        )
    )
    refused(s.open, "AddTagsToStream", "ValidationException", words, StreamName=stream, Tags={key: "b"})


@case(
    "A tag with a semicolon",
    "InvalidArgumentException, Some tags contain invalid characters. …",
    f"{KINESALITE} actions/addTagsToStream.js",
)
def _(s):
    stream = s.open.stream()
    refused(
        s.open,
        "AddTagsToStream",
        "InvalidArgumentException",
        re.compile(
            r"Some tags contain invalid characters\. Valid characters: Unicode letters, digits, white space, _ \. / = \+ - % @.*\."
        ),
        StreamName=stream,
        Tags={"a;": "b"},
    )


@case(
    "A tag with a percent sign",
    "InvalidArgumentException, Failed to add tags … because some tags contained illegal characters. …",
    f"{KINESALITE} actions/addTagsToStream.js",
)
def _(s):
    stream = s.open.stream()
    refused(
        s.open,
        "AddTagsToStream",
        "InvalidArgumentException",
        re.compile(
            rf"Failed to add tags to stream {stream} under account {ACCOUNT} because some tags contained illegal characters\. The allowed "
            r"characters are Unicode letters, white-spaces, '_',',','/','=','\+','-','@'.*\."
        ),
        StreamName=stream,
        Tags={"a%": "b"},
    )


@case("A 51st tag", "refused as a fault of the client", "API reference, AddTagsToStream")
def _(s):
    stream = s.open.stream()
    for n in range(5):
        s.open.call("AddTagsToStream", StreamName=stream, Tags={f"key{n}{m}": "" for m in range(10)})
    refused(s.open, "AddTagsToStream", ("InvalidArgumentException", "LimitExceededException"), StreamName=stream, Tags={"more": ""})


@case(
    "ListTagsForStream with Limit 1",
    "the first by key, HasMoreTags; ExclusiveStartTagKey goes on",
    f"{KINESALITE} listTagsForStream.js",
)
def _(s):
    stream = s.open.stream()
    s.open.call("AddTagsToStream", StreamName=stream, Tags={"b": "2", "a": "1"})
    equal(s.open.call("ListTagsForStream", StreamName=stream, Limit=1), {"Tags": [{"Key": "a", "Value": "1"}], "HasMoreTags": True})
    rest = s.open.call("ListTagsForStream", StreamName=stream, ExclusiveStartTagKey="a")
    equal(rest, {"Tags": [{"Key": "b", "Value": "2"}], "HasMoreTags": False})


@case("RemoveTagsFromStream", "the tag is gone; one that was not there does not matter", f"{KINESALITE} removeTagsFromStream.js")
def _(s):
    stream = s.open.stream()
    s.open.call("AddTagsToStream", StreamName=stream, Tags={"a": "1"})
    s.open.call("RemoveTagsFromStream", StreamName=stream, TagKeys=["a", "none"])
    equal(s.open.call("ListTagsForStream", StreamName=stream)["Tags"], [])


@case("TagResource, ListTagsForResource, UntagResource of a stream", "the same tags by ARN", MODEL)
def _(s):
    stream = s.open.stream()
    arn = s.open.arn(stream)
    s.open.call("TagResource", ResourceARN=arn, Tags={"a": "1", "b": "2"})
    s.open.call("UntagResource", ResourceARN=arn, TagKeys=["a"])
    equal(s.open.call("ListTagsForResource", ResourceARN=arn)["Tags"], [{"Key": "b", "Value": "2"}])
    equal(s.open.call("ListTagsForStream", StreamName=stream)["Tags"], [{"Key": "b", "Value": "2"}])


@case("Tags of a consumer", "by its ARN", MODEL)
def _(s):
    arn = s.open.consumer(s.open.stream())
    s.open.call("TagResource", ResourceARN=arn, Tags={"a": "1"})
    equal(s.open.call("ListTagsForResource", ResourceARN=arn)["Tags"], [{"Key": "a", "Value": "1"}])


@case("GetResourcePolicy where there is none", "the policy {}", f"{LOCALSTACK}, validated")
def _(s):
    equal(s.open.call("GetResourcePolicy", ResourceARN=s.open.arn(s.open.stream())), {"Policy": "{}"})


@case("PutResourcePolicy", "is read back; {} after DeleteResourcePolicy", MODEL)
def _(s):
    arn = s.open.arn(s.open.stream())
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "a",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": ["kinesis:PutRecord"],
                "Resource": arn,
            }
        ],
    }
    s.open.call("PutResourcePolicy", ResourceARN=arn, Policy=json.dumps(policy))
    equal(json.loads(s.open.call("GetResourcePolicy", ResourceARN=arn)["Policy"]), policy)
    s.open.call("DeleteResourcePolicy", ResourceARN=arn)
    equal(s.open.call("GetResourcePolicy", ResourceARN=arn)["Policy"], "{}")


@case("An ARN of another service", "ValidationException with the pattern", MODEL)
def _(s):
    refused(
        s.open,
        "DescribeStreamSummary",
        "ValidationException",
        invalid(
            (
                f"arn:aws:s3:{REGION}:{ACCOUNT}:stream/a",
                "streamARN",
                "Member must satisfy regular expression pattern: arn:aws.*:kinesis:.*:\\d{12}:stream/\\S+",
            )
        ),
        StreamARN=f"arn:aws:s3:{REGION}:{ACCOUNT}:stream/a",
    )
