"""Transactions, of both generations: what producers ask, and what operators do."""

from case import ask, case


def who(producer, **other):
    return {**dict(TransactionalId=producer.transaction, ProducerId=producer.id, ProducerEpoch=producer.epoch), **other}


def write(world, producer, topic):
    """A record, in the generation of transactions of which the end will be: Kafka does not want both in one transaction."""
    world.write(producer, topic, version=12 if world.api == "EndTxn" and world.version >= 5 else 11)


# InitProducerId.


def init(title, versions="", **fields):
    ask("InitProducerId", title, versions, **{"TransactionalId": None, "TransactionTimeoutMs": 60000, **fields})


init("an idempotent producer")
init("an idempotent producer and no time", TransactionTimeoutMs=0)
init("an idempotent producer with a negative time", TransactionTimeoutMs=-1)
init("a transactional id without a name", TransactionalId="")
init("an idempotent producer that has an id", "3-", ProducerId=987654321, ProducerEpoch=3)
init("an id and no epoch", "3-", ProducerId=987654321)
init("an epoch and no id", "3-", ProducerEpoch=3)


def init_transactional(title, versions="", **fields):
    @case("InitProducerId", title, versions)
    def _(world):
        request = {"TransactionalId": world.name("transaction"), "TransactionTimeoutMs": 60000, **fields}
        return world.ask(**request)


init_transactional("a transactional producer")
init_transactional("no time for transactions", TransactionTimeoutMs=0)
init_transactional("a negative time for transactions", TransactionTimeoutMs=-5)
init_transactional("as much time as there may be", TransactionTimeoutMs=900_000)
init_transactional("too much time", TransactionTimeoutMs=900_001)
init_transactional("an id that it was never given", "3-", ProducerId=987654321, ProducerEpoch=3)
init_transactional("an epoch that is negative", "3-", ProducerId=987654321, ProducerEpoch=-3)


@case("InitProducerId", "a transactional producer again")
def _(world):
    producer = world.transactional()
    return world.ask(TransactionalId=producer.transaction, TransactionTimeoutMs=60000)


def again(title, id=0, epoch=0, times=0):
    """A producer that says what it has: another id, an epoch beside its own."""

    @case("InitProducerId", title, "3-")
    def _(world):
        producer = world.transactional()
        request = dict(TransactionalId=producer.transaction, TransactionTimeoutMs=60000)
        for _ in range(times):
            world.call("InitProducerId", 4, **request)
        return world.ask(ProducerId=producer.id + id, ProducerEpoch=producer.epoch + epoch, **request)


again("a producer goes on")
again("a producer of another id", id=1000)
again("a producer of an epoch to come", epoch=5)
again("a producer that was replaced", times=1)
again("a producer that was replaced twice", times=2)


@case("InitProducerId", "the same producer goes on twice", "3-")
def _(world):
    producer = world.transactional()
    request = dict(
        TransactionalId=producer.transaction, TransactionTimeoutMs=60000, ProducerId=producer.id, ProducerEpoch=producer.epoch
    )
    return [world.ask(**request), world.ask(**request)]


# AddPartitionsToTxn.


def add(world, producer, topics, **other):
    known = who(producer, **other)
    old = {f"V3AndBelow{name}": value for name, value in known.items()}
    return world.ask(Transactions=[{**known, "VerifyOnly": False, "Topics": topics}], V3AndBelowTopics=topics, **old)


def adds(title, partitions=(0,), versions="", topic=None, twice=False, **other):
    @case("AddPartitionsToTxn", title, versions)
    def _(world):
        producer = world.transactional()
        topics = [{"topic": topic(world) if topic else world.orders, "Partitions": list(partitions)}]
        answer = add(world, producer, topics, **other)
        return add(world, producer, topics, **other) if twice else answer


# Version 4 and above is for brokers, who may verify too; a client that asks in it is answered all the same.
adds("a partition")
adds("two partitions", (0, 1))
adds("a partition twice", (0, 0))
adds("a partition that is not there", (9,))
adds("a good one and one that is not there", (0, 9))
adds("a topic that is not there", topic=lambda world: world.nowhere())
adds("no partitions", ())
adds("another id", ProducerId=987654321)
adds("an epoch that is over", ProducerEpoch=-1)
adds("an epoch to come", ProducerEpoch=7)
adds("a transactional id that is not there", TransactionalId="nowhere")
adds("no transactional id", TransactionalId="")
# Kafka leaves it without an answer.
ask("AddPartitionsToTxn", "no transactions", "5-", Transactions=[])


@case("AddPartitionsToTxn", "no topics")
def _(world):
    return add(world, world.transactional(), [])


def verify(title, is_open=True, partitions=(0,), **other):
    @case("AddPartitionsToTxn", title, "4-")
    def _(world):
        topic = world.topic(2)
        producer = world.open_transaction(topic) if is_open else world.transactional()
        topics = [{"topic": topic, "Partitions": list(partitions)}]
        return world.ask(Transactions=[{**who(producer, **other), "VerifyOnly": True, "Topics": topics}])


verify("whether a partition is in a transaction")
verify("whether a partition is in a transaction that does not have it", partitions=(1,))
verify("whether a partition is in a transaction that has not begun", is_open=False)
verify("whether a partition is in another's transaction", ProducerId=987654321)
verify("whether a partition is in a transaction of another epoch", ProducerEpoch=9)


@case("AddPartitionsToTxn", "several transactions", "4-")
def _(world):
    topics = [{"topic": world.orders, "Partitions": [1]}]
    good, bad = world.transactional("good"), world.transactional("bad")
    return world.ask(
        Transactions=[
            {**who(good), "VerifyOnly": False, "Topics": topics},
            {**who(bad, ProducerEpoch=8), "VerifyOnly": False, "Topics": topics},
        ]
    )


# AddOffsetsToTxn.


def add_offsets(title, **other):
    @case("AddOffsetsToTxn", title)
    def _(world):
        return world.ask(**{**who(world.transactional()), "GroupId": world.name("group"), **other})


add_offsets("a group")
add_offsets("no group", GroupId="")
add_offsets("another id", ProducerId=987654321)
add_offsets("an epoch that is over", ProducerEpoch=-1)
add_offsets("an epoch to come", ProducerEpoch=7)
add_offsets("a transactional id that is not there", TransactionalId="nowhere")
add_offsets("no transactional id", TransactionalId="")

# EndTxn.


def ends(title, versions="", is_open=True, committed=True, writes=True, **other):
    @case("EndTxn", title, versions)
    def _(world):
        topic = world.topic()
        producer = world.open_transaction(topic) if is_open else world.transactional()
        if is_open and writes:
            write(world, producer, topic)
        return world.ask(Committed=committed, **who(producer, **other))


ends("commit")
ends("abort", committed=False)
ends("commit what has no records", writes=False)
ends("commit nothing", is_open=False)
ends("abort nothing", is_open=False, committed=False)
ends("another id", ProducerId=987654321)
ends("an epoch that is over", ProducerEpoch=-1)
ends("an epoch to come", ProducerEpoch=7)
ends("a transactional id that is not there", TransactionalId="nowhere")
ends("no transactional id", TransactionalId="")


def ends_twice(title, first, second):
    @case("EndTxn", title)
    def _(world):
        topic = world.topic()
        producer = world.open_transaction(topic)
        write(world, producer, topic)
        answers = [world.ask(Committed=first, **who(producer))]

        def again():
            return world.ask(Committed=second, **who(producer))

        # Meanwhile the markers are written, of which Kafka says that they are.
        answer = again()
        for _ in range(200):
            if answer["ErrorCode"] != 51:
                break
            answer = again()
        return answers + [answer]


ends_twice("commit twice", True, True)
ends_twice("abort twice", False, False)
ends_twice("abort what is committed", True, False)
ends_twice("commit what is aborted", False, True)


@case("EndTxn", "the second generation, from the first record on", "5-")
def _(world):
    topic, producer = world.topic(), world.transactional()
    write(world, producer, topic)
    return world.ask(Committed=True, **who(producer))


# TxnOffsetCommit.


def offsets(title, *partitions, versions="", topic=None, named=True, with_member=False, **other):
    """Partitions are an index and an offset."""

    @case("TxnOffsetCommit", title, versions)
    def _(world):
        producer, group = world.transactional(), world.name("group")
        if named:
            world.until(lambda: world.call("AddOffsetsToTxn", 3, **who(producer), GroupId=group), "ErrorCode", 0)
        member = {}
        if with_member:
            _, one = world.member(group)
            member = dict(MemberId=one.id, GenerationIdOrMemberEpoch=one.generation)
        wanted = [{"PartitionIndex": at, "CommittedOffset": offset, "CommittedMetadata": ""} for at, offset in partitions]
        topics = [{"topic": topic(world) if topic else world.orders, "Partitions": wanted}]
        request = {**who(producer), "GroupId": group, "Topics": topics, **member, **other}
        return world.ask(**request)


offsets("a partition", (0, 3))
offsets("a partition that is not there", (0, 3), (9, 3))
offsets("a topic that is not there", (0, 3), topic=lambda world: world.nowhere())
offsets("a negative offset", (0, -1))
offsets("no partitions")
offsets("a group that was not named", (0, 3), named=False)
offsets("a member", (0, 3), with_member=True, versions="3-")
offsets("a member of an earlier generation", (0, 3), with_member=True, versions="3-", GenerationIdOrMemberEpoch=0)
offsets("a stranger", (0, 3), with_member=True, versions="3-", MemberId="stranger")
offsets("a member of a group that is not there", (0, 3), versions="3-", MemberId="m", GenerationIdOrMemberEpoch=4)
offsets("another id", (0, 3), ProducerId=987654321)
offsets("an epoch that is over", (0, 3), ProducerEpoch=-1)
offsets("an epoch to come", (0, 3), ProducerEpoch=7)
offsets("a transactional id that is not there", (0, 3), TransactionalId="nowhere")
offsets("no group", (0, 3), GroupId="")
offsets("no transactional id", (0, 3), TransactionalId="")


@case("OffsetFetch", "offsets in a transaction", "7-")
def _(world):
    producer, group = world.transactional(), world.name("group")
    world.until(lambda: world.call("AddOffsetsToTxn", 3, **who(producer), GroupId=group), "ErrorCode", 0)
    topics = [{"topic": world.orders, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 3, "CommittedMetadata": ""}]}]
    world.call("TxnOffsetCommit", 3, **who(producer), GroupId=group, Topics=topics)
    wanted = [{"topic": world.orders, "PartitionIndexes": [0, 1]}]
    return [
        world.ask(GroupId=group, Topics=wanted, Groups=[{"GroupId": group, "Topics": wanted}], RequireStable=stable)
        for stable in (False, True)
    ]


# WriteTxnMarkers, as an operator sends them.


def markers(title, partitions=(0,), topic=None, result=False, coordinator=0, **other):
    @case("WriteTxnMarkers", title)
    def _(world):
        there = world.topic()
        producer = world.open_transaction(there)
        write(world, producer, there)
        known = {"ProducerId": producer.id, "ProducerEpoch": producer.epoch, **other}
        topics = [{"topic": topic(world) if topic else there, "PartitionIndexes": list(partitions)}]
        return world.ask(Markers=[{**known, "TransactionResult": result, "CoordinatorEpoch": coordinator, "Topics": topics}])


markers("abort")
markers("commit", result=True)
markers("a partition that is not there", (9,))
markers("a topic that is not there", topic=lambda world: world.nowhere())
markers("another id", ProducerId=987654321)
markers("an epoch that is over", ProducerEpoch=-1)
markers("an epoch to come", ProducerEpoch=7)
markers("no partitions", ())
ask("WriteTxnMarkers", "none", Markers=[])

# DescribeTransactions and ListTransactions.


@case("DescribeTransactions", "an open transaction")
def _(world):
    return world.ask(TransactionalIds=[world.open_transaction(world.orders, (0, 1)).transaction])


@case("DescribeTransactions", "an id that has begun nothing")
def _(world):
    return world.ask(TransactionalIds=[world.transactional().transaction])


@case("DescribeTransactions", "what is committed")
def _(world):
    topic = world.topic()
    producer = world.open_transaction(topic)
    world.end(producer)
    ids = [producer.transaction]
    world.until(
        lambda: world.call("DescribeTransactions", 0, TransactionalIds=ids)["TransactionStates"][0],
        "TransactionState",
        "CompleteCommit",
    )
    return world.ask(TransactionalIds=[producer.transaction])


@case("DescribeTransactions", "a group's offsets")
def _(world):
    producer = world.transactional()
    world.until(lambda: world.call("AddOffsetsToTxn", 3, **who(producer), GroupId="group"), "ErrorCode", 0)
    return world.ask(TransactionalIds=[producer.transaction])


ask("DescribeTransactions", "an id that is not there", _request=lambda world: dict(TransactionalIds=[world.name("nowhere")]))
ask("DescribeTransactions", "no name", TransactionalIds=[""])
ask("DescribeTransactions", "none", TransactionalIds=[])
ask("DescribeTransactions", "one twice", _request=lambda world: dict(TransactionalIds=[world.transactional().transaction] * 2))


def listed(title, versions="", by_id=False, **fields):
    """Of all transactions the two that the case has made."""

    @case("ListTransactions", title, versions)
    def _(world):
        open_one, idle = world.open_transaction(world.orders), world.transactional("idle")
        if by_id:
            fields["ProducerIdFilters"] = [open_one.id]
        return world.see(world.ask(**fields), "TransactionStates", TransactionalId=[open_one.transaction, idle.transaction])


listed("all")
listed("those that go on", StateFilters=["Ongoing"])
listed("those that have begun nothing", StateFilters=["Empty"])
listed("two states", StateFilters=["Ongoing", "Empty"])
listed("a state that there is not", StateFilters=["Happy"])
listed("a state that there is and one that there is not", StateFilters=["Ongoing", "Happy"])
listed("a state in small letters", StateFilters=["ongoing"])
listed("a producer's", by_id=True)
listed("those of a producer that is not there", ProducerIdFilters=[987654321])
listed("those that are an hour old", "1-", DurationFilter=3_600_000)
listed("those of any age", "1-", DurationFilter=-1)
listed("a negative age", "1-", DurationFilter=-5)
listed("a pattern", "2-", TransactionalIdPattern="transaction-.*")
listed("a pattern that is none", "2-", TransactionalIdPattern="(")
