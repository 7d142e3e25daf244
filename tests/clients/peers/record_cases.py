"""Records: put, placed, numbered, read."""

import base64
import re
import time
from concurrent.futures import ThreadPoolExecutor

from case import (
    KINESALITE,
    LOCALSTACK,
    MODEL,
    NAME_PATTERN,
    NOT_NULL,
    OtherWords,
    at_least,
    at_most,
    check_refusal,
    group,
    invalid,
    refused,
)
from wire import ACCOUNT, TIMEOUT_SECONDS, early_in_a_second, equal, members, now

case = group("Put")
LAST_KEY = 2**128 - 1
THIRD = 2**128 // 3
DIGITS = "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,38})"
ENTRY = re.compile(
    r"1 validation error detected: Value '\[com\.amazonaws\.kinesis\.v20131202\.PutRecordsRequestEntry@.*' at 'records' "
    r"failed to satisfy constraint: Member must have length less than or equal to 500",
    re.DOTALL,
)


def number(text):
    """The fields of a sequence number."""
    value = int(text)
    return {
        "bits": value.bit_length(),
        "version": value >> 184,
        "created": value >> 148 & 2**36 - 1,
        "index": value >> 80 & 2**64 - 1,
        "time": value >> 36 & 2**36 - 1,
        "shard": value >> 4 & 2**32 - 1,
        "end": value & 15,
    }


@case("PutRecord without data", "ValidationException, Value null at 'data'", f"{KINESALITE} putRecord.js")
def _(s):
    refused(s.open, "PutRecord", "ValidationException", invalid((None, "data", NOT_NULL)), StreamName=s.shared, PartitionKey="a")


@case("PutRecord with everything empty", "ValidationException with five constraints in their order", f"{KINESALITE} putRecord.js")
def _(s):
    refused(
        s.open,
        "PutRecord",
        "ValidationException",
        invalid(
            ("", "sequenceNumberForOrdering", "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,128})"),
            ("", "partitionKey", at_least(1)),
            ("", "explicitHashKey", DIGITS),
            ("", "streamName", NAME_PATTERN),
            ("", "streamName", at_least(1)),
        ),
        StreamName="",
        PartitionKey="",
        Data="",
        ExplicitHashKey="",
        SequenceNumberForOrdering="",
    )


@case("PutRecord with too long a key", "ValidationException, at most 256", f"{KINESALITE} putRecord.js")
def _(s):
    key = "a" * 257
    refused(
        s.open,
        "PutRecord",
        "ValidationException",
        invalid((key, "partitionKey", at_most(256))),
        StreamName=s.shared,
        PartitionKey=key,
        Data=b"",
    )


@case("A partition key of 256 characters in 512 bytes", "accepted: characters are counted", "API reference, PutRecord")
def _(s):
    s.open.put(s.shared, key="é" * 256)


@case("PutRecord to a stream that there is not", "ResourceNotFoundException, Stream … not found.", f"{KINESALITE} putRecord.js")
def _(s):
    refused(
        s.open,
        "PutRecord",
        "ResourceNotFoundException",
        f"Stream none under account {ACCOUNT} not found.",
        StreamName="none",
        PartitionKey="a",
        Data=b"",
    )


@case("PutRecord by ARN alone", "accepted", MODEL)
def _(s):
    equal(s.open.ask("PutRecord", {"StreamARN": s.open.arn(s.shared), "PartitionKey": "a", "Data": b""}).status, 200)


@case("PutRecord that names no stream", "refused as a fault of the client", MODEL)
def _(s):
    refused(s.open, "PutRecord", ("InvalidArgumentException", "ValidationException"), PartitionKey="a", Data=b"")


@case("Output of PutRecord", "ShardId and SequenceNumber; EncryptionType only of an encrypted stream", "API reference, PutRecord")
def _(s):
    output = s.open.put(s.shared)
    equal(members(output), {"ShardId", "SequenceNumber"})
    equal(output["ShardId"], "shardId-000000000000")


@case("Where the keys a and b go among three shards", "0 and 1: MD5 of the key", f"{KINESALITE} putRecord.js")
def _(s):
    equal([s.open.put(s.shared, key=key)["ShardId"][-1] for key in "ab"], ["0", "1"])


@case("ExplicitHashKey beside the borders of a shard", "the shard whose range has it", f"{KINESALITE} putRecord.js")
def _(s):
    keys = [0, THIRD - 1, THIRD, 2 * THIRD - 1, 2 * THIRD, LAST_KEY]
    equal([s.open.put(s.shared, ExplicitHashKey=str(key))["ShardId"][-1] for key in keys], list("001122"))


@case("ExplicitHashKey of 2^128", "InvalidArgumentException, Invalid ExplicitHashKey. …", f"{KINESALITE} putRecord.js")
def _(s):
    refused(
        s.open,
        "PutRecord",
        "InvalidArgumentException",
        f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {2**128}",
        StreamName=s.shared,
        PartitionKey="a",
        Data=b"",
        ExplicitHashKey=str(2**128),
    )


@case("ExplicitHashKey with a leading zero", "ValidationException with the pattern", f"{KINESALITE} validations/putRecord.js")
def _(s):
    refused(
        s.open,
        "PutRecord",
        "ValidationException",
        invalid(("01", "explicitHashKey", DIGITS)),
        StreamName=s.shared,
        PartitionKey="a",
        Data=b"",
        ExplicitHashKey="01",
    )


def ordering(name, sequence, answer="InvalidArgumentException, ExclusiveMinimumSequenceNumber … is invalid."):
    @case(f"SequenceNumberForOrdering {name}", answer, f"{KINESALITE} putRecord.js")
    def _(s):
        value = sequence()
        inputs = {"StreamName": s.shared, "PartitionKey": "a", "Data": b"", "SequenceNumberForOrdering": str(value)}
        found = s.open.ask("PutRecord", inputs)
        if answer == "accepted":
            return equal(found.status, 200, found.body[:100])
        return check_refusal(
            found,
            "InvalidArgumentException",
            (f"ExclusiveMinimumSequenceNumber {value} used in PutRecord on stream {s.shared} under account {ACCOUNT} is invalid."),
        )


ordering("of version 0 at its end", lambda: 0x20000000000000000000000000000000000000000000000)
ordering("that begins with 3", lambda: 0x30000000000000000000000000000000000000000000001)
ordering("with an index over 63 bits", lambda: 0x20000000000800000000000000000000000000000000002)
ordering("from the future", lambda: int(f"200000000000000000000000000000{int(now()) + 60:08x}000000002", 16))
ordering("with zeros between the versions", lambda: 0x20000000000000000000000000000000000000000000002, "accepted")


@case("SequenceNumberForOrdering of the record before", "a greater number", "API reference, PutRecord")
def _(s):
    first = s.open.put(s.shared)["SequenceNumber"]
    assert int(s.open.put(s.shared, SequenceNumberForOrdering=first)["SequenceNumber"]) > int(first)


@case("A record of 1 MiB, its key included", "accepted", "API reference, PutRecord")
def _(s):
    s.open.put(s.open.stream(), b"x" * (2**20 - 1))


@case("A record of 1 MiB and one byte of key too many", "refused as a fault of the client", "API reference, PutRecord")
def _(s):
    refused(
        s.open,
        "PutRecord",
        ("InvalidArgumentException", "ValidationException"),
        StreamName=s.open.stream(),
        PartitionKey="a",
        Data=b"x" * 2**20,
    )


@case("PutRecords without entries", "ValidationException, at least 1", f"{KINESALITE} putRecords.js")
def _(s):
    words = invalid(("[]", "records", at_least(1)))
    refused(s.open, "PutRecords", "ValidationException", words, StreamName=s.shared, Records=[])


@case(
    "PutRecords of 501 entries",
    "ValidationException, at most 500",
    f"{KINESALITE} putRecords.js",
    "What AWS writes behind each @ is a number out of its own process",
)
def _(s):
    refused(
        s.open, "PutRecords", "ValidationException", ENTRY, StreamName=s.shared, Records=[{"PartitionKey": "a", "Data": b""}] * 501
    )


@case(
    "PutRecords of 11 entries with broken hash keys", "ValidationException with ten of them", f"{KINESALITE} validations/index.js"
)
def _(s):
    words = invalid(*[("x", f"records.{n}.member.explicitHashKey", DIGITS) for n in range(1, 11)])
    entries = [{"PartitionKey": "a", "Data": b"", "ExplicitHashKey": "x"}] * 11
    refused(s.open, "PutRecords", "ValidationException", words, StreamName=s.shared, Records=entries)


@case(
    "PutRecords with one entry without data",
    "ValidationException, records.2.member.data; nothing is put",
    f"{KINESALITE} putRecords.js",
)
def _(s):
    stream = s.open.stream()
    entries = [{"PartitionKey": "a", "Data": b""}, {"PartitionKey": "a"}]
    words = invalid((None, "records.2.member.data", NOT_NULL))
    try:
        refused(s.open, "PutRecords", "ValidationException", words, StreamName=stream, Records=entries)
    finally:
        equal(s.open.read(stream), [], "records")


@case(
    "PutRecords with one ExplicitHashKey of 2^128",
    "InvalidArgumentException for the whole call; nothing is put",
    f"{KINESALITE} putRecords.js",
)
def _(s):
    stream = s.open.stream()
    entries = [{"PartitionKey": "a", "Data": b""}, {"PartitionKey": "a", "Data": b"", "ExplicitHashKey": str(2**128)}]
    try:
        refused(
            s.open,
            "PutRecords",
            "InvalidArgumentException",
            f"Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was {2**128}",
            StreamName=stream,
            Records=entries,
        )
    finally:
        equal(s.open.read(stream), [], "records")


@case("PutRecords over 10 MiB", "refused as a fault of the client", "API reference, PutRecords")
def _(s):
    entries = [{"PartitionKey": str(n), "Data": b"x" * 1_000_000} for n in range(11)]
    answer = s.open.ask("PutRecords", {"StreamName": s.open.stream(), "Records": entries})
    assert answer.status in (400, 413), answer


@case("PutRecords of 9 MiB", "accepted (5 MiB until October 2025)", "API reference, PutRecords")
def _(s):
    entries = [{"PartitionKey": str(n), "Data": b"x" * 1_000_000} for n in range(9)]
    equal(s.open.call("PutRecords", StreamName=s.open.stream(), Records=entries)["FailedRecordCount"], 0)


@case("Output of PutRecords", "FailedRecordCount 0, an entry for each entry in its order", f"{KINESALITE} putRecords.js")
def _(s):
    keys = [0, LAST_KEY, THIRD, 1]
    entries = [{"PartitionKey": "a", "Data": b"", "ExplicitHashKey": str(key)} for key in keys]
    output = s.open.call("PutRecords", StreamName=s.shared, Records=entries)
    equal(output["FailedRecordCount"], 0)
    equal([entry["ShardId"][-1] for entry in output["Records"]], list("0210"))
    equal(members(output["Records"][0]), {"ShardId", "SequenceNumber"})


@case("50 PutRecords at once", "every record is read once", "etspaceman/kinesis-mock#130")
def _(s):
    stream = s.open.stream()

    def put(n):
        entries = [{"PartitionKey": "a", "Data": f"{n}-{m}".encode()} for m in range(10)]
        equal(s.open.call("PutRecords", StreamName=stream, Records=entries)["FailedRecordCount"], 0)

    with ThreadPoolExecutor(10) as threads:
        list(threads.map(put, range(50)))
    found = s.open.read(stream)
    equal((len(found), len(set(found))), (500, 500))


@case("A body of 30 MB", "refused with a status of 400 or 413", f"{KINESALITE} connection.js")
def _(s):
    try:
        answer = s.open.ask("PutRecord", {"StreamName": s.shared, "PartitionKey": "a", "Data": "A" * 30_000_000})
    except (ConnectionError, BrokenPipeError):
        # It was refused before it had arrived.
        return
    assert answer.status in (400, 413), answer


case = group("Sequence numbers")


@case(
    "Layout of a number",
    "186 bits: version 2, creation of the shard, index, time, shard, version 2",
    f"{KINESALITE} helpers.js; KCL, SequenceNumberValidator.java",
)
def _(s):
    fields = number(s.open.put(s.shared, ExplicitHashKey=str(LAST_KEY))["SequenceNumber"])
    equal((fields["bits"], fields["version"], fields["shard"], fields["end"]), (186, 2, 2, 2))
    assert abs(fields["time"] - now()) < 10 and abs(fields["created"] - now()) < 600, fields


@case("Numbers of a shard", "strictly ascending, the first above the shard's own", f"{KINESALITE} putRecord.js")
def _(s):
    stream = s.open.stream()
    start = s.open.shards(stream)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    numbers = [int(start)] + [int(s.open.put(stream)["SequenceNumber"]) for _ in range(5)]
    equal(numbers, sorted(set(numbers)))


@case(
    "Starting numbers of three shards",
    "each 0x1000000000000000000000000000000000010 above the one before",
    f"{KINESALITE} createStream.js",
)
def _(s):
    starts = [int(shard["SequenceNumberRange"]["StartingSequenceNumber"]) for shard in s.open.shards(s.shared)]
    equal({b - a for a, b in zip(starts, starts[1:])}, {22300745198530623141535718272648361505980432})


case = group("Iterators")
COMBINATION = (
    "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST "
    "and no StartingSequenceNumber. Request specified {} StartingSequenceNumber."
)
TYPES = "Member must satisfy enum value set: [AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"
SHARD_0 = "shardId-000000000000"


@case(
    "GetShardIterator without shard and type",
    "ValidationException, shardId and shardIteratorType in this order",
    f"{KINESALITE} getShardIterator.js",
)
def _(s):
    words = invalid((None, "shardId", NOT_NULL), (None, "shardIteratorType", NOT_NULL))
    refused(s.open, "GetShardIterator", "ValidationException", words, StreamName=s.shared)


@case(
    "GetShardIterator with everything empty",
    "ValidationException with six constraints in their order",
    f"{KINESALITE} getShardIterator.js",
)
def _(s):
    refused(
        s.open,
        "GetShardIterator",
        "ValidationException",
        invalid(
            ("", "shardId", NAME_PATTERN),
            ("", "shardId", at_least(1)),
            ("", "shardIteratorType", TYPES),
            ("", "startingSequenceNumber", "Member must satisfy regular expression pattern: 0|([1-9]\\d{0,128})"),
            ("", "streamName", NAME_PATTERN),
            ("", "streamName", at_least(1)),
        ),
        StreamName="",
        ShardId="",
        ShardIteratorType="",
        StartingSequenceNumber="",
    )


def shard_name(name, shard, answer, message):
    @case(name, answer, f"{KINESALITE} getShardIterator.js")
    def _(s):
        words = message.format(stream=s.shared, account=ACCOUNT)
        refused(
            s.open,
            "GetShardIterator",
            "ResourceNotFoundException",
            words,
            StreamName=s.shared,
            ShardId=shard,
            ShardIteratorType="LATEST",
        )


shard_name(
    "A shard that there is not",
    "shardId-5",
    "ResourceNotFoundException, Shard shardId-000000000005 … does not exist",
    "Shard shardId-000000000005 in stream {stream} under account {account} does not exist",
)
shard_name(
    "A shard id without a number",
    "ABKLFD8",
    "ResourceNotFoundException, Could not find shard ABKLFD8 …",
    "Could not find shard ABKLFD8 in stream {stream} under account {account}.",
)
shard_name(
    "A shard id over 31 bits",
    "2147483648",
    "ResourceNotFoundException, Could not find shard 2147483648 …",
    "Could not find shard 2147483648 in stream {stream} under account {account}.",
)


@case(
    "Abbreviated shard ids",
    "shardId-0, 0, any-0 and shardId--00000000 are shardId-000000000000",
    f"{KINESALITE} getShardIterator.js",
)
def _(s):
    for shard in ("shardId-0", "0", "any-0", "shardId--00000000"):
        s.open.iterator(s.shared, shard=shard)


def combination(kind, number, words):
    @case(
        f"{kind} {'with' if number else 'without'} a number",
        f"InvalidArgumentException, … Request specified {kind} {words} …",
        f"{KINESALITE} getShardIterator.js",
    )
    def _(s):
        inputs = {"StreamName": s.shared, "ShardId": SHARD_0, "ShardIteratorType": kind}
        inputs |= {"StartingSequenceNumber": s.open.put(s.shared)["SequenceNumber"]} if number else {}
        refused(s.open, "GetShardIterator", "InvalidArgumentException", COMBINATION.format(f"{kind} and {words}"), **inputs)


combination("AT_SEQUENCE_NUMBER", False, "no")
combination("AFTER_SEQUENCE_NUMBER", False, "no")
combination("TRIM_HORIZON", True, "also a")
combination("LATEST", True, "also a")


@case("AT_SEQUENCE_NUMBER 5", "InvalidArgumentException, It encodes shardId-000000000005 …", f"{KINESALITE} getShardIterator.js")
def _(s):
    refused(
        s.open,
        "GetShardIterator",
        "InvalidArgumentException",
        f"Invalid StartingSequenceNumber. It encodes shardId-000000000005, while it was used in a call to a shard with {SHARD_0}",
        StreamName=s.shared,
        ShardId=SHARD_0,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber="5",
    )


@case("AT_SEQUENCE_NUMBER of another shard", "InvalidArgumentException that names both shards", f"{KINESALITE} getShardIterator.js")
def _(s):
    other = s.open.put(s.shared, key="b")["SequenceNumber"]
    refused(
        s.open,
        "GetShardIterator",
        "InvalidArgumentException",
        f"Invalid StartingSequenceNumber. It encodes shardId-000000000001, while it was used in a call to a shard with {SHARD_0}",
        StreamName=s.shared,
        ShardId=SHARD_0,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=other,
    )


@case(
    "AT_SEQUENCE_NUMBER of a stream of another time",
    "InvalidArgumentException, … because it did not come from this stream.",
    f"{KINESALITE} getShardIterator.js",
)
def _(s):
    value = int(s.open.put(s.shared)["SequenceNumber"]) - (3600 << 148)
    refused(
        s.open,
        "GetShardIterator",
        "InvalidArgumentException",
        f"StartingSequenceNumber {value} used in GetShardIterator on shard {SHARD_0} in stream {s.shared} under account {ACCOUNT} is "
        "invalid because it did not come from this stream.",
        StreamName=s.shared,
        ShardId=SHARD_0,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=str(value),
    )


@case("AT_SEQUENCE_NUMBER that is none", "InvalidArgumentException, … is invalid.", f"{KINESALITE} getShardIterator.js")
def _(s):
    value = 0x20000000000800000000000000000000000000000000002
    refused(
        s.open,
        "GetShardIterator",
        "InvalidArgumentException",
        f"StartingSequenceNumber {value} used in GetShardIterator on shard {SHARD_0} in stream {s.shared} under account {ACCOUNT} is invalid.",
        StreamName=s.shared,
        ShardId=SHARD_0,
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=str(value),
    )


@case("AT and AFTER_SEQUENCE_NUMBER", "from that record on, and behind it", "API reference, GetShardIterator")
def _(s):
    stream = s.open.stream()
    numbers = [s.open.put(stream, data)["SequenceNumber"] for data in (b"0", b"1", b"2")]
    equal(s.open.read(stream, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]), [b"1", b"2"])
    equal(s.open.read(stream, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=numbers[1]), [b"2"])


@case(
    "AT_SEQUENCE_NUMBER of the shard's start, where no record is",
    "from the first record on: a number is a place",
    f"{KINESALITE} actions/getShardIterator.js",
)
def _(s):
    stream = s.open.stream()
    start = s.open.shards(stream)[0]["SequenceNumberRange"]["StartingSequenceNumber"]
    s.open.put(stream, b"0")
    equal(s.open.read(stream, "AT_SEQUENCE_NUMBER", StartingSequenceNumber=start), [b"0"])


@case("AFTER_SEQUENCE_NUMBER of the last record", "what comes later", "API reference, GetShardIterator")
def _(s):
    stream = s.open.stream()
    last = s.open.put(stream, b"0")["SequenceNumber"]
    token = s.open.iterator(stream, "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber=last)
    s.open.put(stream, b"1")
    equal([record["Data"] for record in s.open.get(token)["Records"]], [base64.b64encode(b"1").decode()])


@case(
    "AT_TIMESTAMP without a time",
    "InvalidArgumentException, Must specify timestampInMillis …",
    f"{KINESALITE} actions/getShardIterator.js",
)
def _(s):
    refused(
        s.open,
        "GetShardIterator",
        "InvalidArgumentException",
        "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter.",
        StreamName=s.shared,
        ShardId=SHARD_0,
        ShardIteratorType="AT_TIMESTAMP",
    )


@case(
    "AT_TIMESTAMP in the future",
    "InvalidArgumentException, The timestampInMillis parameter cannot be greater …",
    f"{KINESALITE} actions/getShardIterator.js",
)
def _(s):
    words = re.compile(
        r"The timestampInMillis parameter cannot be greater than the currentTimestampInMillis\. timestampInMillis: \d+, "
        r"currentTimestampInMillis: \d+"
    )
    refused(
        s.open,
        "GetShardIterator",
        "InvalidArgumentException",
        words,
        StreamName=s.shared,
        ShardId=SHARD_0,
        ShardIteratorType="AT_TIMESTAMP",
        Timestamp=int(now()) + 3600,
    )


@case("AT_TIMESTAMP between two records", "the later one, to the millisecond", "API reference, GetShardIterator")
def _(s):
    stream = s.open.stream()
    early_in_a_second()
    s.open.put(stream, b"0")
    time.sleep(0.05)
    between = round(now(), 3)
    time.sleep(0.05)
    s.open.put(stream, b"1")
    equal(s.open.read(stream, "AT_TIMESTAMP", Timestamp=between), [b"1"])


@case("AT_TIMESTAMP before the stream", "from its first record on", "API reference, GetShardIterator")
def _(s):
    stream = s.open.stream()
    s.open.put(stream, b"0")
    equal(s.open.read(stream, "AT_TIMESTAMP", Timestamp=1_000_000_000), [b"0"])


@case("AT_TIMESTAMP of an empty shard", "an iterator that sees what comes", "mhart/kinesalite#84")
def _(s):
    stream = s.open.stream()
    token = s.open.iterator(stream, "AT_TIMESTAMP", Timestamp=round(now() - 1, 3))
    s.open.put(stream, b"0")
    equal(len(s.open.get(token)["Records"]), 1)


@case(
    "LATEST, then a put, then the first read",
    "the record: the place was fixed with the iterator",
    "API reference, GetShardIterator",
)
def _(s):
    stream = s.open.stream()
    s.open.put(stream, b"0")
    token = s.open.iterator(stream, "LATEST")
    s.open.put(stream, b"1")
    equal([base64.b64decode(record["Data"]) for record in s.open.get(token)["Records"]], [b"1"])


@case("An iterator used twice", "the same records", "API reference, GetRecords; ministack changelog")
def _(s):
    stream = s.open.stream()
    token = s.open.iterator(stream)
    s.open.put(stream)
    equal(s.open.get(token)["Records"], s.open.get(token)["Records"])


@case("Two empty reads", "each with an iterator of its own", "etspaceman/kinesis-mock#260; " + LOCALSTACK)
def _(s):
    tokens = [s.open.iterator(s.open.stream())]
    for _ in range(2):
        time.sleep(0.002)
        tokens.append(s.open.get(tokens[-1])["NextShardIterator"])
    equal(len(set(tokens)), 3, "different iterators")


@case("An iterator between quotation marks", "understood", f"{LOCALSTACK}, validated")
def _(s):
    stream = s.open.stream()
    s.open.get(f'"{s.open.iterator(stream)}"')


@case("An iterator that is none", "InvalidArgumentException, Invalid ShardIterator.", f"{KINESALITE} getRecords.js")
def _(s):
    refused(s.open, "GetRecords", "InvalidArgumentException", "Invalid ShardIterator.", ShardIterator="none")


@case("An iterator of a stream that is gone", "ResourceNotFoundException, Shard … does not exist", f"{KINESALITE} getRecords.js")
def _(s):
    stream = s.open.stream()
    token = s.open.iterator(stream)
    s.open.call("DeleteStream", StreamName=stream)
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while s.open.ask("DescribeStreamSummary", {"StreamName": stream}).status == 200:
        assert time.monotonic() < deadline, "the stream is still there"
        time.sleep(0.02)
    refused(
        s.open,
        "GetRecords",
        "ResourceNotFoundException",
        f"Shard {SHARD_0} in stream {stream} under account {ACCOUNT} does not exist",
        ShardIterator=token,
    )


case = group("Get")


@case("GetRecords without an iterator", "ValidationException, Value null at 'shardIterator'", f"{KINESALITE} getRecords.js")
def _(s):
    refused(s.open, "GetRecords", "ValidationException", invalid((None, "shardIterator", NOT_NULL)))


@case(
    "GetRecords with Limit 0 and an empty iterator",
    "ValidationException, limit before shardIterator",
    f"{KINESALITE} getRecords.js",
)
def _(s):
    words = invalid(("0", "limit", "Member must have value greater than or equal to 1"), ("", "shardIterator", at_least(1)))
    refused(s.open, "GetRecords", "ValidationException", words, Limit=0, ShardIterator="")


@case("GetRecords with Limit 10001", "ValidationException, at most 10000", f"{KINESALITE} getRecords.js")
def _(s):
    stream = s.open.stream()
    words = invalid(("10001", "limit", "Member must have value less than or equal to 10000"))
    refused(s.open, "GetRecords", "ValidationException", words, Limit=10001, ShardIterator=s.open.iterator(stream))


@case(
    "A record that is read",
    "Data, PartitionKey, SequenceNumber, ApproximateArrivalTimestamp and nothing else",
    f"{LOCALSTACK}, snapshot",
)
def _(s):
    stream = s.open.stream()
    data = "ünicödé 统一码 💣".encode()
    put = s.open.put(stream, data, "clé")
    record = s.open.get(s.open.iterator(stream))["Records"][0]
    equal(members(record), {"Data", "PartitionKey", "SequenceNumber", "ApproximateArrivalTimestamp"})
    equal(
        (base64.b64decode(record["Data"]), record["PartitionKey"], record["SequenceNumber"]), (data, "clé", put["SequenceNumber"])
    )


@case(
    "ApproximateArrivalTimestamp in JSON", "seconds with up to three places, without an exponent", "SDK for Java 2, its JSON parser"
)
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    body = s.open.ask("GetRecords", {"ShardIterator": s.open.iterator(stream)}).body.decode()
    told = re.search(r'"ApproximateArrivalTimestamp"\s*:\s*([^,}\s]+)', body)
    assert told and re.fullmatch(r"\d{10}(\.\d{1,3})?", told[1]), told and told[1]
    assert abs(float(told[1]) - now()) < 60, told[1]


@case("Empty data", "is read as such", f"{KINESALITE} putRecord.js")
def _(s):
    stream = s.open.stream()
    s.open.put(stream, b"")
    equal(s.open.read(stream), [b""])


@case(
    "Members of an answer that is not at the end of a shard",
    "Records, NextShardIterator, MillisBehindLatest; no ChildShards",
    f"{LOCALSTACK}, snapshot",
)
def _(s):
    answer = s.open.get(s.open.iterator(s.open.stream()))
    # KCL takes an empty list for none.
    found = members(answer) - (set() if answer.get("ChildShards") else {"ChildShards"})
    equal(found, {"Records", "NextShardIterator", "MillisBehindLatest"})


@case("Limit 1 of two records", "one, then the other", "API reference, GetRecords")
def _(s):
    stream = s.open.stream()
    for data in (b"0", b"1"):
        s.open.put(stream, data)
    first = s.open.get(s.open.iterator(stream), Limit=1)
    second = s.open.get(first["NextShardIterator"], Limit=1)
    equal([base64.b64decode(r["Data"]) for r in first["Records"] + second["Records"]], [b"0", b"1"])


@case("MillisBehindLatest at the tip", "0", "API reference, GetRecords")
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    equal(s.open.get(s.open.iterator(stream))["MillisBehindLatest"], 0)


@case("MillisBehindLatest before a record that came 300 ms later", "300 ms or more", "API reference, GetRecords")
def _(s):
    stream = s.open.stream()
    s.open.put(stream)
    time.sleep(0.3)
    s.open.put(stream)
    behind = s.open.get(s.open.iterator(stream), Limit=1)["MillisBehindLatest"]
    assert 250 <= behind < 60_000, f"{behind} ms"


@case("Twelve records of 1 MB", "at most 10 MiB in one answer, the rest in the next", "API reference, GetRecords")
def _(s):
    stream = s.open.stream()
    for _ in range(12):
        s.open.put(stream, b"x" * 1_000_000)
    first = s.open.get(s.open.iterator(stream))
    count = len(first["Records"])
    assert 0 < count <= 10, f"{count} records in the first answer"
    equal(count + len(s.open.get(first["NextShardIterator"])["Records"]), 12)


@case("GetRecords with the stream's ARN", "accepted", MODEL)
def _(s):
    stream = s.open.stream()
    s.open.get(s.open.iterator(stream), StreamARN=s.open.arn(stream))


case = group("Limits")
EXCEEDED = "ProvisionedThroughputExceededException"


def rate_of_shard(stream):
    return f"Rate exceeded for shard {SHARD_0} in stream {stream} under account {ACCOUNT}."


@case("1,500 records in a moment in PutRecords", f"200; those over 1,000 have ErrorCode {EXCEEDED} and its message", MODEL)
def _(s):
    stream = s.strict.stream()
    entries = [{"PartitionKey": "a", "Data": b"x"}] * 500
    outputs = [s.strict.call("PutRecords", StreamName=stream, Records=entries) for _ in range(6)]
    failed = [entry for output in outputs for entry in output["Records"] if entry.get("ErrorCode")]
    assert failed, "no entry was refused"
    equal(sum(output["FailedRecordCount"] for output in outputs), len(failed))
    equal(members(failed[0]), {"ErrorCode", "ErrorMessage"})
    equal(failed[0]["ErrorCode"], EXCEEDED)
    if failed[0]["ErrorMessage"] != rate_of_shard(stream):
        raise OtherWords(failed[0]["ErrorMessage"])


@case("3 MB in a moment to one shard in PutRecord", EXCEEDED, MODEL)
def _(s):
    stream = s.strict.stream()
    for _ in range(4):
        answer = s.strict.ask("PutRecord", {"StreamName": stream, "PartitionKey": "a", "Data": b"x" * 750_000})
        if answer.status != 200:
            return check_refusal(answer, EXCEEDED, rate_of_shard(stream))
    raise AssertionError("all were accepted")


@case("Ten GetRecords in a moment from one shard", EXCEEDED, "API reference, GetRecords")
def _(s):
    stream = s.strict.stream()
    token = s.strict.iterator(stream)
    for _ in range(10):
        answer = s.strict.ask("GetRecords", {"ShardIterator": token})
        if answer.status != 200:
            return check_refusal(answer, EXCEEDED)
    raise AssertionError("all were answered")


@case("Five DescribeLimits in a moment", "LimitExceededException: one a second", "API reference, DescribeLimits")
def _(s):
    for _ in range(5):
        answer = s.strict.ask("DescribeLimits", {})
        if answer.status != 200:
            return check_refusal(answer, "LimitExceededException")
    raise AssertionError("all were answered")


@case(
    "More shards than the account may have",
    "LimitExceededException, This request would exceed the shard limit …",
    f"{KINESALITE} createStream.js",
)
def _(s):
    words = re.compile(
        rf"This request would exceed the shard limit for the account {ACCOUNT} in us-east-1\. Current shard count for the "
        r"account: \d+\. Limit: 40\. Number of additional shards that would have resulted from this request: 1000\. Refer to "
        r"the AWS Service Limits page \(http://docs\.aws\.amazon\.com/general/latest/gr/aws_service_limits\.html\) for "
        r"current limits and how to request higher limits\."
    )
    time.sleep(1)
    refused(s.strict, "CreateStream", "LimitExceededException", words, StreamName="too-many", ShardCount=1000)
