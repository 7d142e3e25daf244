"""What boto3 and the AWS CLI do with streams. A case gets the world, and returns a note or raises why not."""

import datetime
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SUBJECT = Path(__file__).parent.parent / "subject"
# The newest CLI of version 1 stands beside this Python; Debian's is version 2.
CLI_1 = Path(sys.executable).parent / "aws"
CLI_2 = Path("/usr/bin/aws")

CASES = [
    "streams", "records", "positions", "batches", "reshards", "shards", "retention", "tags", "consumers", "fanout", "encryption",
    "metrics", "policies", "capacity", "account", "realms", "dry_runs", "refusals", "left_out", "restart", "founding_commands",
    "cli_1", "cloudwatch", "two_doors", "every_operation",
]


class World:
    def __init__(self, server):
        self.server = server
        self.called = set()
        self.connect()

    def connect(self):
        ports = json.loads((self.server / "ports.json").read_text())
        self.endpoint, self.kafka = f"http://{ports['kinesis']}", ports["kafka"]
        config = Config(retries={"max_attempts": 1}, read_timeout=30)
        self.kinesis = boto3.client("kinesis", endpoint_url=self.endpoint, config=config)
        self.kinesis.meta.events.register("before-call.kinesis", lambda model, **_: self.called.add(model.name))

    def stream(self, shards=1, mode=None):
        name = f"s-{uuid.uuid4().hex[:8]}"
        details = {"StreamModeDetails": {"StreamMode": mode}} if mode else {}
        self.kinesis.create_stream(StreamName=name, ShardCount=shards, **details)
        self.kinesis.get_waiter("stream_exists").wait(StreamName=name)
        return name

    def arn(self, stream):
        return self.kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]

    def iterator(self, stream, shard="0", kind="TRIM_HORIZON", **position):
        answer = self.kinesis.get_shard_iterator(StreamName=stream, ShardId=shard, ShardIteratorType=kind, **position)
        return answer["ShardIterator"]

    def read(self, stream, shard="0", kind="TRIM_HORIZON", **position):
        answer = self.kinesis.get_records(ShardIterator=self.iterator(stream, shard, kind, **position))
        return [record["Data"] for record in answer["Records"]]

    def put(self, stream, *values, key="a"):
        return [self.kinesis.put_record(StreamName=stream, PartitionKey=key, Data=value)["SequenceNumber"] for value in values]

    def refused(self, name, operation, **inputs):
        """Asserts that the operation is refused so; the message."""
        try:
            getattr(self.kinesis, operation)(**inputs)
        except ClientError as error:
            equal(error.response["Error"]["Code"], name, operation)
            return error.response["Error"]["Message"]
        raise AssertionError(f"{operation} was not refused with {name}")

    def run(self, cli, *arguments):
        command = [cli, "--endpoint-url", self.endpoint, "--no-cli-pager", *arguments] if cli == CLI_2 else \
            [cli, "--endpoint-url", self.endpoint, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise AssertionError(f"{' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return json.loads(done.stdout) if done.stdout.strip() else None


def equal(actual, expected, what=""):
    if actual != expected:
        raise AssertionError(f"{what}: {actual!r:.200}, expected {expected!r:.200}")


def streams(world):
    names = sorted(world.stream() for _ in range(3))
    description = world.kinesis.describe_stream(StreamName=names[0])["StreamDescription"]
    equal(description["StreamStatus"], "ACTIVE")
    equal(description["StreamARN"], f"arn:aws:kinesis:us-east-1:000000000000:stream/{names[0]}")
    age = datetime.datetime.now(datetime.timezone.utc) - description["StreamCreationTimestamp"]
    assert abs(age) < datetime.timedelta(minutes=1), f"created {age} ago"
    pages = list(world.kinesis.get_paginator("list_streams").paginate(PaginationConfig={"PageSize": 1}))
    found = [name for page in pages for name in page["StreamNames"]]
    assert len(pages) == len(found) and set(names) <= set(found), found
    equal(found, sorted(found), "order")
    equal([summary["StreamName"] for page in pages for summary in page["StreamSummaries"]], found)
    summary = world.kinesis.describe_stream_summary(StreamARN=description["StreamARN"])["StreamDescriptionSummary"]
    equal((summary["OpenShardCount"], summary["ConsumerCount"], summary.get("StreamId")), (1, 0, None))
    for name in names:
        world.kinesis.delete_stream(StreamName=name)
        world.kinesis.get_waiter("stream_not_exists").wait(StreamName=name)
    limits = world.kinesis.describe_limits()
    assert limits["ShardLimit"] >= limits["OpenShardCount"], limits


def records(world):
    stream = world.stream()
    token = world.iterator(stream)
    before = datetime.datetime.now(datetime.timezone.utc)
    answer = world.kinesis.put_record(StreamName=stream, PartitionKey="clé", Data=bytes(range(256)))
    equal(answer["ShardId"], "shardId-000000000000")
    assert len(answer["SequenceNumber"]) == 56 and "EncryptionType" not in answer, answer
    answer = world.kinesis.get_records(ShardIterator=token)
    record = answer["Records"][0]
    equal((record["Data"], record["PartitionKey"]), (bytes(range(256)), "clé"))
    late = abs(record["ApproximateArrivalTimestamp"] - before)
    assert late < datetime.timedelta(seconds=30), f"arrived {late} apart"
    equal(answer["MillisBehindLatest"], 0)
    equal(world.kinesis.get_records(ShardIterator=token)["Records"], answer["Records"], "an iterator used again")
    empty = world.kinesis.get_records(ShardIterator=answer["NextShardIterator"])
    equal((empty["Records"], "ChildShards" in empty), ([], False))
    assert empty["NextShardIterator"] != answer["NextShardIterator"], "a fresh iterator in every answer"
    equal(world.put(stream, b"") != [], True)
    equal(world.read(stream), [bytes(range(256)), b""])


def positions(world):
    stream = world.stream()
    latest = world.iterator(stream, kind="LATEST")
    numbers = world.put(stream, b"0", b"1")
    time.sleep(0.005)
    between = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(0.005)
    numbers += world.put(stream, b"2")
    equal([record["Data"] for record in world.kinesis.get_records(ShardIterator=latest)["Records"]], [b"0", b"1", b"2"], "LATEST")
    equal(world.read(stream, kind="AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]), [b"1", b"2"])
    equal(world.read(stream, kind="AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]), [b"2"])
    equal(world.read(stream, kind="AT_TIMESTAMP", Timestamp=between), [b"2"])
    equal(world.read(stream, kind="AT_TIMESTAMP", Timestamp=0), [b"0", b"1", b"2"])
    for shard in ("shardId-000000000000", "shardId-0", "shardId--00000000", "0"):
        equal(len(world.read(stream, shard)), 3, shard)


def batches(world):
    stream = world.stream(4)
    entries = [{"PartitionKey": f"key{n}", "Data": b"%d" % n} for n in range(500)]
    answer = world.kinesis.put_records(StreamName=stream, Records=entries)
    equal((answer["FailedRecordCount"], len(answer["Records"])), (0, 500))
    found = {}
    for shard in range(4):
        token = world.iterator(stream, str(shard))
        while True:
            answer_of = world.kinesis.get_records(ShardIterator=token, Limit=37)
            for record in answer_of["Records"]:
                found[record["Data"]] = (f"shardId-{shard:012}", record["SequenceNumber"], record["PartitionKey"])
            if not answer_of["MillisBehindLatest"] and not answer_of["Records"]:
                break
            token = answer_of["NextShardIterator"]
    for entry, result in zip(entries, answer["Records"]):
        equal(found[entry["Data"]], (result["ShardId"], result["SequenceNumber"], entry["PartitionKey"]))
    large = [{"PartitionKey": "a", "ExplicitHashKey": "0", "Data": bytes((1 << 20) - 1)} for _ in range(9)]
    equal(world.kinesis.put_records(StreamName=world.stream(), Records=large)["FailedRecordCount"], 0)


def reshards(world):
    stream = world.stream()
    world.put(stream, b"parent")
    token = world.iterator(stream)
    world.kinesis.split_shard(StreamName=stream, ShardToSplit="shardId-000000000000", NewStartingHashKey=str(1 << 127))
    world.kinesis.get_waiter("stream_exists").wait(StreamName=stream)
    answer = world.kinesis.get_records(ShardIterator=token)
    equal(([record["Data"] for record in answer["Records"]], "NextShardIterator" in answer), ([b"parent"], False))
    equal([child["ShardId"] for child in answer["ChildShards"]], ["shardId-000000000001", "shardId-000000000002"])
    equal([child["ParentShards"] for child in answer["ChildShards"]], [["shardId-000000000000"]] * 2)
    world.kinesis.merge_shards(
        StreamName=stream, ShardToMerge="shardId-000000000001", AdjacentShardToMerge="shardId-000000000002")
    world.kinesis.get_waiter("stream_exists").wait(StreamName=stream)
    answer = world.kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    equal((answer["CurrentShardCount"], answer["TargetShardCount"], answer["StreamName"]), (1, 2, stream))
    equal(answer["StreamARN"], world.arn(stream))


def shards(world):
    stream = world.stream(120)
    pages = list(world.kinesis.get_paginator("describe_stream").paginate(StreamName=stream))
    equal([len(page["StreamDescription"]["Shards"]) for page in pages], [100, 20])
    # The paginator repeats the name beside the token, which AWS refuses: it is good for one page.
    pages = list(world.kinesis.get_paginator("list_shards").paginate(StreamName=stream))
    equal([len(page["Shards"]) for page in pages], [120])
    page = world.kinesis.list_shards(StreamName=stream, MaxResults=50)
    sizes = [len(page["Shards"])]
    while "NextToken" in page:
        page = world.kinesis.list_shards(NextToken=page["NextToken"], MaxResults=50)
        sizes.append(len(page["Shards"]))
    equal(sizes, [50, 50, 20])
    stream = world.stream(2)
    world.kinesis.merge_shards(StreamName=stream, ShardToMerge="0", AdjacentShardToMerge="1")
    for kind, expected, more in (
        ("AT_LATEST", [2], {}),
        ("AT_TRIM_HORIZON", [0, 1], {}),
        ("FROM_TRIM_HORIZON", [0, 1, 2], {}),
        ("AFTER_SHARD_ID", [1, 2], {"ShardId": "shardId-000000000000"}),
        ("FROM_TIMESTAMP", [0, 1, 2], {"Timestamp": 1}),
        ("AT_TIMESTAMP", [0, 1], {"Timestamp": 1}),
    ):
        found = world.kinesis.list_shards(StreamName=stream, ShardFilter={"Type": kind, **more})["Shards"]
        equal([int(shard["ShardId"][-12:]) for shard in found], expected, kind)


def retention(world):
    stream = world.stream()
    hours = lambda: world.kinesis.describe_stream(StreamName=stream)["StreamDescription"]["RetentionPeriodHours"]
    world.kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=168)
    equal(hours(), 168)
    world.kinesis.decrease_stream_retention_period(StreamName=stream, RetentionPeriodHours=24)
    equal(hours(), 24)
    world.kinesis.increase_stream_retention_period(StreamName=stream, RetentionPeriodHours=24)


def tags(world):
    stream = world.stream()
    arn = world.arn(stream)
    world.kinesis.add_tags_to_stream(StreamName=stream, Tags={"a": "1", "b": ""})
    world.kinesis.tag_resource(ResourceARN=arn, Tags={"c": "3"})
    listed = world.kinesis.list_tags_for_stream(StreamName=stream, Limit=2)
    equal((listed["Tags"], listed["HasMoreTags"]), ([{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}], True))
    world.kinesis.remove_tags_from_stream(StreamName=stream, TagKeys=["a"])
    world.kinesis.untag_resource(ResourceARN=arn, TagKeys=["b"])
    equal(world.kinesis.list_tags_for_resource(ResourceARN=arn)["Tags"], [{"Key": "c", "Value": "3"}])


def registered(world, stream, name="consumer"):
    arn = world.arn(stream)
    consumer = world.kinesis.register_stream_consumer(StreamARN=arn, ConsumerName=name)["Consumer"]["ConsumerARN"]
    while world.kinesis.describe_stream_consumer(ConsumerARN=consumer)["ConsumerDescription"]["ConsumerStatus"] != "ACTIVE":
        time.sleep(0.01)
    return consumer


def consumers(world):
    stream = world.stream()
    arn = world.arn(stream)
    found = [registered(world, stream, name) for name in ("a", "b", "c")]
    pages = world.kinesis.get_paginator("list_stream_consumers").paginate(StreamARN=arn, PaginationConfig={"PageSize": 1})
    equal([consumer["ConsumerARN"] for page in pages for consumer in page["Consumers"]], found)
    described = world.kinesis.describe_stream_consumer(StreamARN=arn, ConsumerName="b")["ConsumerDescription"]
    equal((described["ConsumerARN"], described["StreamARN"]), (found[1], arn))
    world.refused("ResourceInUseException", "register_stream_consumer", StreamARN=arn, ConsumerName="a")
    world.refused("ResourceInUseException", "delete_stream", StreamName=stream)
    world.kinesis.deregister_stream_consumer(ConsumerARN=found[0])
    world.kinesis.delete_stream(StreamName=stream, EnforceConsumerDeletion=True)


def fanout(world):
    stream = world.stream()
    consumer = registered(world, stream)
    world.put(stream, b"0", b"1")
    start = {"Type": "TRIM_HORIZON"}
    events = iter(world.kinesis.subscribe_to_shard(ConsumerARN=consumer, ShardId="0", StartingPosition=start)["EventStream"])
    event = next(events)["SubscribeToShardEvent"]
    equal(([record["Data"] for record in event["Records"]], event["MillisBehindLatest"]), ([b"0", b"1"], 0))
    world.refused(
        "ResourceInUseException", "subscribe_to_shard", ConsumerARN=consumer, ShardId="0", StartingPosition=start)
    numbers = world.put(stream, b"2")
    event = next(events)["SubscribeToShardEvent"]
    equal(([record["Data"] for record in event["Records"]], event["ContinuationSequenceNumber"]), ([b"2"], numbers[0]))
    began = time.monotonic()
    equal(next(events)["SubscribeToShardEvent"]["Records"], [], "a heartbeat")
    silent = time.monotonic() - began
    world.kinesis.update_shard_count(StreamName=stream, TargetShardCount=2, ScalingType="UNIFORM_SCALING")
    event = next(events)["SubscribeToShardEvent"]
    equal((len(event["ChildShards"]), event.get("ContinuationSequenceNumber")), (2, None))
    equal(list(events), [], "the stream ends")
    return f"silent for {silent:.1f} s"


def encryption(world):
    stream = world.stream()
    world.kinesis.start_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    described = world.kinesis.describe_stream(StreamName=stream)["StreamDescription"]
    equal((described["EncryptionType"], described["KeyId"]), ("KMS", "alias/aws/kinesis"))
    world.put(stream, b"x")
    equal(world.kinesis.get_records(ShardIterator=world.iterator(stream))["Records"][0]["EncryptionType"], "KMS")
    world.kinesis.stop_stream_encryption(StreamName=stream, EncryptionType="KMS", KeyId="alias/aws/kinesis")
    equal(world.kinesis.describe_stream(StreamName=stream)["StreamDescription"]["EncryptionType"], "NONE")


def metrics(world):
    stream = world.stream()
    answer = world.kinesis.enable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    equal((answer["CurrentShardLevelMetrics"], len(answer["DesiredShardLevelMetrics"])), ([], 7))
    answer = world.kinesis.disable_enhanced_monitoring(StreamName=stream, ShardLevelMetrics=["ALL"])
    equal((len(answer["CurrentShardLevelMetrics"]), answer["DesiredShardLevelMetrics"]), (7, []))


def policies(world):
    arn = world.arn(world.stream())
    equal(world.kinesis.get_resource_policy(ResourceARN=arn)["Policy"], "{}")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    world.kinesis.put_resource_policy(ResourceARN=arn, Policy=policy)
    equal(world.kinesis.get_resource_policy(ResourceARN=arn)["Policy"], policy)
    world.kinesis.delete_resource_policy(ResourceARN=arn)


def capacity(world):
    stream = world.stream(mode="ON_DEMAND")
    arn = world.arn(stream)
    world.kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "PROVISIONED"})
    world.kinesis.update_stream_mode(StreamARN=arn, StreamModeDetails={"StreamMode": "ON_DEMAND"}, WarmThroughputMiBps=5)
    answer = world.kinesis.update_stream_warm_throughput(StreamARN=arn, WarmThroughputMiBps=10)
    equal(answer["WarmThroughput"]["TargetMiBps"], 10)
    world.kinesis.update_max_record_size(StreamARN=arn, MaxRecordSizeInKiB=10240)
    world.kinesis.update_stream_record_distribution_strategy(StreamARN=arn, RecordDistributionStrategy="AUTO")
    summary = world.kinesis.describe_stream_summary(StreamARN=arn)["StreamDescriptionSummary"]
    equal((summary["MaxRecordSizeInKiB"], summary["RecordDistributionStrategy"]), (10240, "AUTO"))
    answer = world.kinesis.put_record(StreamName=stream, Data=bytes(10 << 20))
    token = world.iterator(stream, answer["ShardId"])
    record = world.kinesis.get_records(ShardIterator=token)["Records"][0]
    equal((len(record["Data"]), "PartitionKey" in record), (10 << 20, False))


def account(world):
    update = lambda status: world.kinesis.update_account_settings(MinimumThroughputBillingCommitment={"Status": status})
    equal(update("ENABLED")["MinimumThroughputBillingCommitment"]["Status"], "ENABLED")
    update("DISABLED")
    found = world.kinesis.describe_account_settings()["MinimumThroughputBillingCommitment"]
    equal(found["Status"], "ENABLED_UNTIL_EARLIEST_ALLOWED_END")
    equal(found["EarliestAllowedEndAt"] - found["StartedAt"], datetime.timedelta(days=1))


def realms(world):
    """Accounts and regions have streams of their own, which ARNs lead to, and Kafka's topics are those of the default ones."""
    abroad = boto3.client(
        "kinesis", endpoint_url=world.endpoint, region_name="eu-west-1", aws_access_key_id="123456789012", aws_secret_access_key="x")
    stream = world.stream()
    abroad.create_stream(StreamName=stream, ShardCount=2)
    abroad.get_waiter("stream_exists").wait(StreamName=stream)
    arn = abroad.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    equal(arn, f"arn:aws:kinesis:eu-west-1:123456789012:stream/{stream}")
    equal(abroad.list_streams()["StreamNames"], [stream])
    world.kinesis.put_record(StreamName=stream, PartitionKey="a", Data=b"home")
    world.kinesis.put_record(StreamARN=arn, PartitionKey="a", ExplicitHashKey="0", Data=b"abroad")
    equal(world.read(stream), [b"home"])
    token = abroad.get_shard_iterator(StreamName=stream, ShardId="0", ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    equal([record["Data"] for record in abroad.get_records(ShardIterator=token)["Records"]], [b"abroad"])
    equal(kcat(world, "-C", "-t", stream, "-o", "beginning", "-e", "-q"), b"home\n")
    abroad.delete_stream(StreamName=stream)
    equal(abroad.list_streams()["StreamNames"], [])
    equal(world.read(stream), [b"home"])


def dry_runs(world):
    stream = world.stream()
    consumer, token = registered(world, stream), world.iterator(stream)
    record = {"PartitionKey": "a", "Data": b"x"}
    for operation, inputs in (
        ("put_record", {"StreamName": stream, **record}),
        ("put_records", {"StreamName": stream, "Records": [record]}),
        ("get_shard_iterator", {"StreamName": stream, "ShardId": "0", "ShardIteratorType": "LATEST"}),
        ("get_records", {"ShardIterator": token}),
        ("subscribe_to_shard", {"ConsumerARN": consumer, "ShardId": "0", "StartingPosition": {"Type": "LATEST"}}),
    ):
        world.refused("DryRunOperationException", operation, DryRun=True, **inputs)
    equal(world.read(stream), [])


def refusals(world):
    stream = world.stream()
    exceptions = world.kinesis.exceptions
    for exception, operation, inputs in (
        (exceptions.ResourceNotFoundException, "describe_stream", {"StreamName": "none"}),
        (exceptions.ResourceInUseException, "create_stream", {"StreamName": stream, "ShardCount": 1}),
        (exceptions.InvalidArgumentException, "get_records", {"ShardIterator": "x"}),
        (exceptions.ValidationException, "create_stream", {"StreamName": "provisioned"}),
    ):
        try:
            getattr(world.kinesis, operation)(**inputs)
        except exception as error:
            assert error.response["ResponseMetadata"]["RequestId"], "a request id"
            equal(error.response["ResponseMetadata"]["HTTPStatusCode"], 400)
        else:
            raise AssertionError(f"{operation} was not refused")
    message = world.refused("ResourceNotFoundException", "put_record", StreamName="none", PartitionKey="a", Data=b"")
    equal(message, "Stream none under account 000000000000 not found.")


QUEUES_AND_CHANNELS = {
    "CreateQueue", "DescribeQueue", "ListQueues", "UpdateQueue", "DeleteQueue", "ReceiveQueueRecords", "AcknowledgeQueueRecords",
    "UpdateQueueRecordsVisibility", "ReceiveDeadLetterQueueRecords", "AcknowledgeDeadLetterQueueRecords",
    "UpdateDeadLetterQueueRecordsVisibility", "RestoreDeadLetterQueueRecords", "CreateChannel", "DescribeChannel", "ListChannels",
    "UpdateChannel", "DeleteChannel",
}


def left_out(world):
    for operation in ("list_queues", "list_channels"):
        world.refused("UnknownOperationException", operation)
    return f"{len(QUEUES_AND_CHANNELS)} operations of queues and channels"


def restart(world):
    stream = world.stream()
    world.put(stream, b"0")
    token = world.iterator(stream)
    for call in ("kill", "resume"):
        subprocess.run([SUBJECT, call, world.server], check=True, stdout=subprocess.DEVNULL)
    world.connect()
    equal([record["Data"] for record in world.kinesis.get_records(ShardIterator=token)["Records"]], [b"0"])


def founding_commands(world):
    if "test" not in world.kinesis.list_streams(ExclusiveStartStreamName="tess")["StreamNames"]:
        world.run(CLI_2, "kinesis", "create-stream", "--stream-name", "test", "--shard-count", "1")
    put = world.run(
        CLI_2, "kinesis", "put-record", "--stream-name", "test", "--partition-key", "user1", "--data", "user signup",
        "--cli-binary-format", "raw-in-base64-out")
    equal(put["ShardId"], "shardId-000000000000")
    described = world.run(CLI_2, "kinesis", "describe-stream", "--stream-name", "test")["StreamDescription"]
    equal(described["StreamStatus"], "ACTIVE")
    token = world.run(
        CLI_2, "kinesis", "get-shard-iterator", "--stream-name", "test", "--shard-id", "shardId--00000000",
        "--shard-iterator-type", "TRIM_HORIZON")["ShardIterator"]
    record = world.run(CLI_2, "kinesis", "get-records", "--shard-iterator", token)["Records"][0]
    equal((record["Data"], record["PartitionKey"]), ("dXNlciBzaWdudXA=", "user1"))
    equal(record["SequenceNumber"], put["SequenceNumber"])
    return subprocess.run([CLI_2, "--version"], capture_output=True, text=True).stdout.split()[0]


def cli_1(world):
    stream = f"s-{uuid.uuid4().hex[:8]}"
    run = lambda *arguments: world.run(CLI_1, "kinesis", *arguments, "--stream-name", stream)
    run("create-stream", "--shard-count", "2")
    run("wait", "stream-exists")
    run("put-record", "--partition-key", "user1", "--data", "user signup")
    run("add-tags-to-stream", "--tags", "team=a")
    run("update-shard-count", "--target-shard-count", "1", "--scaling-type", "UNIFORM_SCALING")
    equal(len(run("list-shards")["Shards"]), 3)
    equal(run("list-tags-for-stream")["Tags"], [{"Key": "team", "Value": "a"}])
    run("delete-stream")
    run("wait", "stream-not-exists")
    return subprocess.run([CLI_1, "--version"], capture_output=True, text=True).stdout.split()[0]


def cloudwatch(world):
    """What is asked of CloudWatch: by boto3 in JSON, by version 2 of the CLI, which is older, in AWS Query."""
    stream = world.stream()
    world.put(stream, b"value")
    client = boto3.client("cloudwatch", endpoint_url=world.endpoint)
    dimensions = [{"Name": "StreamName", "Value": stream}]
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=2)
    question = {
        "Namespace": "AWS/Kinesis", "MetricName": "IncomingBytes", "Dimensions": dimensions, "Period": 60,
        "StartTime": end - datetime.timedelta(hours=1), "EndTime": end,
    }
    until = time.monotonic() + 90
    while not (points := client.get_metric_statistics(Statistics=["Sum"], **question)["Datapoints"]):
        if time.monotonic() > until:
            raise AssertionError("there is no statistic of the minute that is over")
        time.sleep(1)
    equal((points[0]["Sum"], points[0]["Unit"]), (6, "Bytes"))
    equal(client.get_metric_statistics(ExtendedStatistics=["p99"], **question)["Datapoints"][0]["ExtendedStatistics"], {"p99": 6})
    named = ["--namespace", "AWS/Kinesis", "--metric-name", "IncomingBytes", "--dimensions", f"Name=StreamName,Value={stream}"]
    times = ["--start-time", question["StartTime"].isoformat(), "--end-time", end.isoformat(), "--period", "60"]
    for cli in CLI_1, CLI_2:
        listed = world.run(cli, "cloudwatch", "list-metrics", *named)["Metrics"]
        equal([metric["Dimensions"] for metric in listed][0], dimensions)
        told = world.run(cli, "cloudwatch", "get-metric-statistics", *named, *times, "--statistics", "Sum", "Average")
        equal([(point["Sum"], point["Average"]) for point in told["Datapoints"]], [(6, 6)])
        world.run(cli, "cloudwatch", "put-metric-data", "--namespace", "mine", "--metric-name", "a", "--value", "1")
        try:
            world.run(cli, "cloudwatch", "get-metric-statistics", *named, *times)
        except AssertionError as refused:
            if "(InvalidParameterCombination)" not in str(refused):
                raise
        else:
            raise AssertionError("statistics are not asked for, and something is answered")


def kcat(world, *arguments, given=None):
    done = subprocess.run(["kcat", "-b", world.kafka, *arguments], input=given, capture_output=True, timeout=60)
    if done.returncode:
        raise AssertionError(done.stderr.decode(errors="replace").strip())
    return done.stdout


def two_doors(world):
    stream = world.stream()
    world.kinesis.put_record(StreamName=stream, PartitionKey="user1", Data=b"user signup")
    equal(kcat(world, "-C", "-t", stream, "-o", "beginning", "-e", "-q", "-f", "%p %o %k %s\n"), b"0 0 user1 user signup\n")
    kcat(world, "-P", "-t", stream, "-K", ":", given=b"user2:from kcat\n")
    found = world.kinesis.get_records(ShardIterator=world.iterator(stream))["Records"]
    equal([(record["PartitionKey"], record["Data"]) for record in found],
          [("user1", b"user signup"), ("user2", b"from kcat")])


def every_operation(world):
    """Every operation of the service model was called by a case, but for queues and channels."""
    called = world.called | {"ListQueues", "ListChannels"}
    missing = set(world.kinesis.meta.service_model.operation_names) - called - QUEUES_AND_CHANNELS
    equal(missing, set(), "operations that no case calls")
    return f"{len(set(world.kinesis.meta.service_model.operation_names) - QUEUES_AND_CHANNELS)} operations"
