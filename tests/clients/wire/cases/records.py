"""Produce, Fetch, ListOffsets, OffsetForLeaderEpoch, DeleteRecords, DescribeProducers."""

import gzip

import batches
from case import ask, case
from world import HOUR

# Produce.


def produced(world, topic, records, partition=0, transaction=None, acks=-1):
    data = [{"topic": topic, "PartitionData": [{"Index": partition, "Records": records}]}]
    return world.ask(TransactionalId=transaction, Acks=acks, TimeoutMs=10000, TopicData=data)


def settled(look):
    """The answer when Kafka leads the new partition, and has asked its coordinator: before, it wants to be asked again."""
    for _ in range(100):
        answer = look()
        responses = answer.get("Responses")
        if not responses or responses[0]["PartitionResponses"][0]["ErrorCode"] not in (6, 14, 19, 51):
            break
    return answer


def produce(title, make, versions="", **more):
    """One batch to a topic of its own; the topic's end tells whether it was written."""

    @case("Produce", title, versions)
    def _(world):
        configs = more.get("configs", {})
        topic = world.topic(**configs)
        answer = settled(lambda: produced(world, topic, make(world), more.get("partition", 0), acks=more.get("acks", -1)))
        return [answer, end_of(world, topic)]


def end_of(world, topic, partition=0):
    partitions = [{"PartitionIndex": partition, "Timestamp": -1}]
    # A connection of its own: the one of the case may be without an answer.
    answer = world.call("ListOffsets", 5, _line=world.line(), ReplicaId=-1, Topics=[{"topic": topic, "Partitions": partitions}])
    return {"End": answer["Topics"][0]["Partitions"][0]["Offset"]}


produce("one record", lambda world: world.batch())
produce("three records", lambda world: world.batch(b"a", b"b", b"c"))
produce("a leader's answer is enough", lambda world: world.batch(), acks=1)
produce("a null value", lambda world: world.batch(None))
produce("a null key", lambda world: world.batch(b"x", key=None))
produce("a base offset that is not zero", lambda world: world.batch(base=77))
produce("a partition that is not there", lambda world: world.batch(), partition=7)
produce("a negative partition", lambda world: world.batch(), partition=-1)
produce("acks that are not known", lambda world: world.batch(), acks=2)
produce("no records at all", lambda world: b"")
# Kafka leaves this one without an answer, which takes its time; two versions are enough.
produce("null records", lambda world: None, "12-13")
produce("half a header", lambda world: world.batch()[:30])
produce("a batch that is cut", lambda world: world.batch()[:-3])
produce("a byte behind the batch", lambda world: world.batch() + b"\0")
produce("two batches", lambda world: world.batch(b"a") + world.batch(b"b"))
produce("a wrong checksum", lambda world: world.batch(crc=1))
produce("format 1", lambda world: batches.message_set(b"old", 1))
produce("format 0", lambda world: batches.message_set(b"older", 0))
produce("a format that is not known", lambda world: world.batch(magic=3))
produce("a negative format", lambda world: world.batch(magic=-1))
produce("a count without records", lambda world: world.batch(count=5))
produce("a count of none", lambda world: world.batch(count=0))
produce("a negative count", lambda world: world.batch(count=-1))
produce("a last offset beyond the count", lambda world: world.batch(last_delta=9))
produce("a negative last offset", lambda world: world.batch(last_delta=-1))
produce("a length beyond the data", lambda world: world.batch(length=5000))
produce("a negative length", lambda world: world.batch(length=-5))
produce("a length of nothing", lambda world: world.batch(length=0))
produce("records that are noise", lambda world: world.batch(records=b"\xff" * 20))
produce("a codec that is not known", lambda world: world.batch(attributes=7))
produce("gzip that is noise", lambda world: world.batch(attributes=1))
produce("gzip", lambda world: world.batch(attributes=1, records=gzip.compress(batches.record(0, None, b"zipped"))))
produce("a control batch", lambda world: world.batch(attributes=batches.CONTROL))
produce("a transactional batch without a producer", lambda world: world.batch(attributes=batches.TRANSACTIONAL))
produce("an attribute that is not known", lambda world: world.batch(attributes=0x4000))
produce("a time beyond tomorrow", lambda world: world.batch(time=world.begun + 48 * HOUR))
produce("a time that is not known", lambda world: world.batch(time=-1))
produce("a time before all times", lambda world: world.batch(time=-5))
produce("the broker's time", lambda world: world.batch(), configs={"message_timestamp_type": "LogAppendTime"})
produce(
    "a time beyond tomorrow, of which the broker's is taken",
    lambda world: world.batch(time=world.begun + 48 * HOUR),
    configs={"message_timestamp_type": "LogAppendTime"},
)
produce("more than a batch may have", lambda world: world.batch(b"x" * 1_100_000))
produce("more than this topic's batches may have", lambda world: world.batch(b"x" * 3000), configs={"max_message_bytes": "2000"})
produce("no key, where old values go", lambda world: world.batch(), configs={"cleanup_policy": "compact"})
produce("a key, where old values go", lambda world: world.batch(key=b"k"), configs={"cleanup_policy": "compact"})


@case("Produce", "a topic that is not there")
def _(world):
    return produced(world, world.nowhere(), world.batch())


@case("Produce", "a name that no topic may have", "0-12")
def _(world):
    data = [{"Name": "bad name", "PartitionData": [{"Index": 0, "Records": world.batch()}]}]
    return world.ask(Acks=-1, TimeoutMs=1000, TopicData=data)


@case("Produce", "no name", "0-12")
def _(world):
    return world.ask(Acks=-1, TimeoutMs=1000, TopicData=[{"Name": "", "PartitionData": [{"Index": 0, "Records": world.batch()}]}])


@case("Produce", "no id", "13-")
def _(world):
    return world.ask(Acks=-1, TimeoutMs=1000, TopicData=[{"PartitionData": [{"Index": 0, "Records": world.batch()}]}])


ask("Produce", "no topics", Acks=-1, TimeoutMs=1000, TopicData=[])
ask(
    "Produce",
    "a topic without partitions",
    _request=lambda world: dict(Acks=-1, TimeoutMs=1000, TopicData=[{"topic": world.orders, "PartitionData": []}]),
)


@case("Produce", "several topics and partitions, good and bad")
def _(world):
    topic, other = world.topic(2), world.topic(stem="other")
    both = [{"Index": at, "Records": world.batch()} for at in (0, 1, 5)]
    data = [{"topic": topic, "PartitionData": both}, {"topic": world.nowhere(), "PartitionData": both[:1]}]
    return world.ask(Acks=-1, TimeoutMs=1000, TopicData=data + [{"topic": other, "PartitionData": both[:1]}])


@case("Produce", "the same partition twice")
def _(world):
    topic = world.topic()
    twice = [{"Index": 0, "Records": world.batch(b"a")}, {"Index": 0, "Records": world.batch(b"b")}]
    return [world.ask(Acks=-1, TimeoutMs=1000, TopicData=[{"topic": topic, "PartitionData": twice}]), end_of(world, topic)]


@case("Produce", "acks 0 and a partition that is not there: the connection is closed")
def _(world):
    data = [{"topic": world.orders, "PartitionData": [{"Index": 9, "Records": world.batch()}]}]
    return world.ask(Acks=0, TimeoutMs=1000, TopicData=data)


@case("Produce", "acks 0 is not answered")
def _(world):
    topic, line = world.topic(), world.line()
    data = [{"topic": topic, "PartitionData": [{"Index": 0, "Records": world.batch()}]}]
    world.send(line, "Produce", world.version, dict(Acks=0, TimeoutMs=1000, TopicData=data))
    # The answer to this one is the next that comes.
    return [world.call("Metadata", 1, _line=line, Topics=[])["Topics"], end_of(world, topic)]


def idempotent(title, *steps, versions=""):
    """Batches of one producer: each step is an epoch, a first sequence and how many records; the last one's answer counts."""

    @case("Produce", title, versions)
    def _(world):
        topic = world.topic()
        answer = world.call("InitProducerId", 4, TransactionalId=None, TransactionTimeoutMs=60000)
        world.producers[answer["ProducerId"]] = "producer 1"
        for epoch, sequence, count in steps[:-1]:
            records = world.batch(*[b"x"] * count, producer=(answer["ProducerId"], epoch, sequence))
            world.until(lambda records=records: world.produce(topic, records), "ErrorCode", 0)
        epoch, sequence, count = steps[-1]
        records = world.batch(*[b"x"] * count, producer=(answer["ProducerId"], epoch, sequence))
        return settled(lambda: produced(world, topic, records))


idempotent("a producer's first batch", (0, 0, 2))
idempotent("a producer's next batch", (0, 0, 2), (0, 2, 1))
idempotent("a producer's first batch again", (0, 0, 2), (0, 0, 2))
idempotent("an earlier batch again", (0, 0, 1), (0, 1, 1), (0, 2, 1), (0, 1, 1))
idempotent("a batch again that is not among the last five", *[(0, at, 1) for at in range(7)], (0, 0, 1))
idempotent("a batch again with another count", (0, 0, 2), (0, 0, 1))
idempotent("a gap in the sequence", (0, 0, 2), (0, 5, 1))
idempotent("a first sequence that is not zero", (0, 5, 1))
idempotent("an epoch that is over", (1, 0, 1), (0, 0, 1))
idempotent("a newer epoch begins at zero", (0, 0, 1), (1, 0, 1))
idempotent("a newer epoch does not begin at one", (0, 0, 1), (1, 1, 1))
idempotent("no sequence", (0, -1, 1))
idempotent("a negative epoch", (-1, 0, 1))


@case("Produce", "a producer that was never given its id")
def _(world):
    topic = world.topic()
    return settled(lambda: produced(world, topic, world.batch(producer=(987654321, 0, 0))))


@case("Produce", "in a transaction")
def _(world):
    topic = world.topic()
    producer = world.open_transaction(topic)
    records = world.batch(producer=(producer.id, producer.epoch, 0), attributes=batches.TRANSACTIONAL)
    return settled(lambda: produced(world, topic, records, transaction=producer.transaction))


@case("Produce", "in a transaction that does not have the partition")
def _(world):
    topic, producer = world.topic(), world.transactional()
    records = world.batch(producer=(producer.id, producer.epoch, 0), attributes=batches.TRANSACTIONAL)
    return settled(lambda: produced(world, topic, records, transaction=producer.transaction))


@case("Produce", "in a transaction of an earlier epoch")
def _(world):
    topic = world.topic()
    producer = world.open_transaction(topic)
    world.write(producer, topic)
    world.until(
        lambda: world.call("InitProducerId", 4, TransactionalId=producer.transaction, TransactionTimeoutMs=60000), "ErrorCode", 0
    )
    records = world.batch(producer=(producer.id, producer.epoch, 1), attributes=batches.TRANSACTIONAL)
    return produced(world, topic, records, transaction=producer.transaction)


@case("Produce", "a transactional batch and no transaction")
def _(world):
    topic, producer = world.topic(), world.transactional()
    return settled(
        lambda: produced(world, topic, world.batch(producer=(producer.id, producer.epoch, 0), attributes=batches.TRANSACTIONAL))
    )


@case("Produce", "outside of the transaction that is open")
def _(world):
    topic = world.topic()
    producer = world.open_transaction(topic)
    world.write(producer, topic)
    return produced(world, topic, world.batch(producer=(producer.id, producer.epoch, 1)))


# Fetch.


def fetch(title, versions="", topic=None, fields=None, **partition):
    """One partition of a topic with five records in two batches."""

    @case("Fetch", title, versions)
    def _(world):
        wanted = {"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20, **partition}
        topics = [{"topic": topic(world) if topic else world.orders, "Partitions": [wanted]}]
        return world.ask(**{"MaxWaitMs": 0, "MinBytes": 0, "Topics": topics, **(fields or {})})


fetch("from the start")
fetch("from the middle of a batch", FetchOffset=1)
fetch("from the second batch", FetchOffset=3)
fetch("from the end", FetchOffset=5)
fetch("beyond the end", FetchOffset=6)
fetch("a negative offset", FetchOffset=-1)
fetch("the lowest offset", FetchOffset=-(1 << 63))
fetch("a partition that is not there", Partition=7)
fetch("a negative partition", Partition=-1)
fetch("a topic that is not there", topic=lambda world: world.nowhere())
fetch("an empty partition", Partition=1)
fetch("only committed records", fields=dict(IsolationLevel=1))
fetch("an isolation that is not known", fields=dict(IsolationLevel=2))
fetch("a negative isolation", fields=dict(IsolationLevel=-1))
fetch("few bytes of the partition", PartitionMaxBytes=1)
fetch("no bytes of the partition", PartitionMaxBytes=0)
fetch("negative bytes of the partition", PartitionMaxBytes=-1)
fetch("as many bytes as the first batch has", PartitionMaxBytes=90)
fetch("few bytes in all", fields=dict(MaxBytes=1))
fetch("no bytes in all", fields=dict(MaxBytes=0))
fetch("negative bytes in all", fields=dict(MaxBytes=-1))
fetch("a wait for more than there is", FetchOffset=5, fields=dict(MaxWaitMs=100, MinBytes=1))
fetch("a negative wait", FetchOffset=5, fields=dict(MaxWaitMs=-1, MinBytes=1))
fetch("the epoch of the leader", "9-", CurrentLeaderEpoch=0)
fetch("an epoch to come", "9-", CurrentLeaderEpoch=5)
fetch("a negative epoch", "9-", CurrentLeaderEpoch=-2)
fetch("the last epoch fetched", "12-", LastFetchedEpoch=0, FetchOffset=2)
fetch("a last epoch fetched that is to come", "12-", LastFetchedEpoch=3, CurrentLeaderEpoch=0, FetchOffset=2)
fetch("a last epoch fetched and an offset beyond the end", "12-", LastFetchedEpoch=0, FetchOffset=50)
fetch("a rack", "11-", fields=dict(RackId="there"))
fetch("a log's start, as consumers do not send it", "5-", LogStartOffset=2)
fetch("a follower that is not there", "0-14", fields=dict(ReplicaId=9))
fetch("another cluster's id", "12-", fields=dict(ClusterId="elsewhere"))
fetch("a new session", "7-", fields=dict(SessionEpoch=0))
fetch("a session that is not there", "7-", fields=dict(SessionId=12345, SessionEpoch=1))
fetch("a session without an epoch", "7-", fields=dict(SessionId=12345, SessionEpoch=-1))
fetch("an epoch without a session", "7-", fields=dict(SessionId=0, SessionEpoch=3))
fetch("an epoch that no session has", "7-", fields=dict(SessionId=0, SessionEpoch=-7))
ask("Fetch", "no topics", MaxWaitMs=0, MinBytes=0)
ask("Fetch", "no topics and a new session", "7-", MaxWaitMs=0, MinBytes=0, SessionEpoch=0)
ask(
    "Fetch",
    "no id",
    "13-",
    MaxWaitMs=0,
    MinBytes=0,
    Topics=[{"Partitions": [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000}]}],
)


@case("Fetch", "several topics and partitions, good and bad")
def _(world):
    wanted = [{"Partition": at, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20} for at in (0, 1, 8)]
    topics = [{"topic": topic, "Partitions": wanted} for topic in (world.orders, world.nowhere(), world.written())]
    return world.ask(MaxWaitMs=0, MinBytes=0, Topics=topics)


@case("Fetch", "the same partition twice")
def _(world):
    wanted = [{"Partition": 0, "FetchOffset": at, "PartitionMaxBytes": 1 << 20} for at in (0, 3)]
    return world.ask(MaxWaitMs=0, MinBytes=0, Topics=[{"topic": world.orders, "Partitions": wanted}])


def session(title, *steps, versions="7-"):
    """A session of three partitions; steps are fields of the requests behind the first."""

    @case("Fetch", title, versions)
    def _(world):
        topic = world.written(2, partitions=3)

        def one(session, epoch, partitions, forgotten=(), at=0):
            wanted = [{"Partition": number, "FetchOffset": at, "PartitionMaxBytes": 1 << 20} for number in partitions]
            topics = [{"topic": topic, "Partitions": wanted}] if wanted else []
            gone = [{"topic": topic, "Partitions": list(forgotten)}] if forgotten else []
            return world.ask(
                MaxWaitMs=0, MinBytes=0, SessionId=session, SessionEpoch=epoch, Topics=topics, ForgottenTopicsData=gone
            )

        first = one(0, 0, (0, 1, 2))
        return [one(first["SessionId"], **step) for step in steps]


session("a session goes on with nothing new", dict(epoch=1, partitions=()))
session("a session goes on and is behind", dict(epoch=1, partitions=()), dict(epoch=2, partitions=()))
session("a session moves on", dict(epoch=1, partitions=(0,), at=2), dict(epoch=2, partitions=()))
session("a session forgets a partition", dict(epoch=1, partitions=(), forgotten=(1, 2)))
session("a session forgets what it does not have", dict(epoch=1, partitions=(), forgotten=(7,)))
session("a session gets a partition that is not there", dict(epoch=1, partitions=(9,)), dict(epoch=2, partitions=()))
session("an epoch of a session twice", dict(epoch=1, partitions=()), dict(epoch=1, partitions=()))
session("an epoch of a session is left out", dict(epoch=3, partitions=()))
session("a session ends", dict(epoch=-1, partitions=(0,)), dict(epoch=1, partitions=()))


@case("Fetch", "committed and aborted records, and open ones")
def _(world):
    topic = world.topic()
    for committed in (True, False, None):
        producer = world.open_transaction(topic)
        world.write(producer, topic)
        if committed is not None:
            world.end(producer, committed)
            world.until(lambda: end_of(world, topic), "End", 2 if committed else 4)
    wanted = [{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1 << 20}]
    topics = [{"topic": topic, "Partitions": wanted}]
    return [world.ask(MaxWaitMs=0, MinBytes=0, IsolationLevel=level, Topics=topics) for level in (0, 1)]


# ListOffsets.


def list_offsets(title, *partitions, versions="", topic=None, **fields):
    """Partitions are an index and a time; times of records are counted from the first one's."""

    @case("ListOffsets", title, versions)
    def _(world):
        wanted = [
            {"PartitionIndex": at, "Timestamp": time if time < 0 else world.begun + time, **more}
            for at, time, more in (one if len(one) == 3 else (*one, {}) for one in partitions)
        ]
        return world.ask(
            **{"ReplicaId": -1, "Topics": [{"topic": topic(world) if topic else world.orders, "Partitions": wanted}], **fields}
        )


list_offsets("the earliest", (0, -2))
list_offsets("the latest", (0, -1))
list_offsets("the latest committed", (0, -1), IsolationLevel=1)
list_offsets("an isolation that is not known", (0, -1), versions="2-", IsolationLevel=5)
list_offsets("the time of a record", (0, 10))
list_offsets("between the times of two records", (0, 11))
list_offsets("before all records", (0, 0))
list_offsets("behind all records", (0, 50))
list_offsets("the time of the last record", (0, 40))
list_offsets("the highest time", (0, -3))
list_offsets("the earliest local", (0, -4))
list_offsets("the latest tiered", (0, -5))
list_offsets("the earliest that is still to be tiered", (0, -6))
list_offsets("a time that means nothing", (0, -7))
list_offsets("the lowest time", (0, -(1 << 63)))
list_offsets("the highest time of an empty partition", (1, -3))
list_offsets("any time of an empty partition", (1, 0))
list_offsets("the earliest and the latest of an empty partition", (1, -2), (2, -1))
list_offsets("a partition that is not there", (0, -1), (7, -1), (-1, -1))
list_offsets("a topic that is not there", (0, -1), topic=lambda world: world.nowhere())
list_offsets("the same partition twice", (0, -1), (0, -2))
list_offsets("the epoch of the leader", (0, -1, {"CurrentLeaderEpoch": 0}), versions="4-")
list_offsets("an epoch to come", (0, -1, {"CurrentLeaderEpoch": 3}), versions="4-")
list_offsets("a negative epoch", (0, -1, {"CurrentLeaderEpoch": -5}), versions="4-")
list_offsets("no partitions")
list_offsets("asked by a debugging consumer", (0, -1), ReplicaId=-2)
list_offsets("asked by a follower that is not there", (0, -1), ReplicaId=9)
list_offsets("a timeout", (0, 10), versions="10-", TimeoutMs=5)
ask("ListOffsets", "no topics", ReplicaId=-1)


@case("ListOffsets", "an open transaction")
def _(world):
    topic = world.written(2)
    producer = world.open_transaction(topic)
    world.write(producer, topic, time=world.begun + 70)
    return [
        world.ask(
            ReplicaId=-1,
            IsolationLevel=level,
            Topics=[{"topic": topic, "Partitions": [{"PartitionIndex": 0, "Timestamp": time}]}],
        )
        for level in (0, 1)
        for time in (-1, world.begun + 60)
    ]


# OffsetForLeaderEpoch.


def epoch_end(title, *partitions, topic=None, **fields):
    @case("OffsetForLeaderEpoch", title)
    def _(world):
        wanted = [{"Partition": at, "LeaderEpoch": epoch, "CurrentLeaderEpoch": current} for at, epoch, current in partitions]
        return world.ask(
            **{"ReplicaId": -1, "Topics": [{"topic": topic(world) if topic else world.orders, "Partitions": wanted}], **fields}
        )


epoch_end("the epoch of the leader", (0, 0, -1))
epoch_end("an epoch to come", (0, 4, -1))
epoch_end("a negative epoch", (0, -1, -1))
epoch_end("the lowest epoch", (0, -(1 << 31), -1))
epoch_end("the leader's epoch is known", (0, 0, 0))
epoch_end("the leader's epoch is to come", (0, 0, 8))
epoch_end("the leader's epoch is negative", (0, 0, -3))
epoch_end("an empty partition", (1, 0, -1))
epoch_end("a partition that is not there", (9, 0, -1), (-1, 0, -1))
epoch_end("a topic that is not there", (0, 0, -1), topic=lambda world: world.nowhere())
epoch_end("the same partition twice", (0, 0, -1), (0, 3, -1))
epoch_end("no partitions")
epoch_end("asked by nobody in particular", (0, 0, -1), ReplicaId=-2)
epoch_end("asked by a follower", (0, 0, -1), ReplicaId=1)
ask("OffsetForLeaderEpoch", "no topics", ReplicaId=-1)


# DeleteRecords.


def delete_records(title, *partitions, topic=None):
    @case("DeleteRecords", title)
    def _(world):
        wanted = [{"PartitionIndex": at, "Offset": offset} for at, offset in partitions]
        found = topic(world) if topic else world.written()
        return world.ask(TimeoutMs=5000, Topics=[{"topic": found, "Partitions": wanted}])


delete_records("the first record", (0, 1))
delete_records("up to the end", (0, -1))
delete_records("nothing", (0, 0))
delete_records("beyond the end", (0, 99))
delete_records("a negative offset", (0, -2))
delete_records("a partition that is not there", (3, 0))
delete_records("a topic that is not there", (0, 0), topic=lambda world: world.nowhere())
ask("DeleteRecords", "no topics", TimeoutMs=1000)


# DescribeProducers.


@case("DescribeProducers", "a producer")
def _(world):
    topic = world.topic()
    answer = world.call("InitProducerId", 4, TransactionalId=None, TransactionTimeoutMs=60000)
    world.produce(topic, world.batch(b"a", b"b", producer=(answer["ProducerId"], 0, 0)))
    return world.ask(Topics=[{"topic": topic, "PartitionIndexes": [0]}])


@case("DescribeProducers", "a transaction that is open, and one that was")
def _(world):
    topic = world.topic()
    for was in (True, False):
        producer = world.open_transaction(topic)
        world.write(producer, topic)
        if was:
            world.end(producer)
            world.until(lambda: end_of(world, topic), "End", 2)
    return world.ask(Topics=[{"topic": topic, "PartitionIndexes": [0]}])


ask("DescribeProducers", "nobody", _request=lambda world: dict(Topics=[{"topic": world.orders, "PartitionIndexes": [1]}]))
ask(
    "DescribeProducers",
    "a partition that is not there",
    _request=lambda world: dict(Topics=[{"topic": world.orders, "PartitionIndexes": [1, 7, -1]}]),
)
ask(
    "DescribeProducers",
    "a topic that is not there",
    _request=lambda world: dict(Topics=[{"topic": world.nowhere(), "PartitionIndexes": [0]}]),
)
ask(
    "DescribeProducers",
    "a topic without partitions",
    _request=lambda world: dict(Topics=[{"topic": world.orders, "PartitionIndexes": []}]),
)
ask("DescribeProducers", "no topics", Topics=[])
ask("DescribeProducers", "a name that no topic may have", Topics=[{"Name": "bad name", "PartitionIndexes": [0]}])
