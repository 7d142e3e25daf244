"""confluent-kafka: librdkafka under Python, with the widest admin client of the three."""

import json

import confluent_kafka
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ConfigSource
from confluent_kafka.admin import NewPartitions, NewTopic, OffsetSpec, ResourceType

import cases
from cases import Record, equal, new_name, numbered, until

VERSION = confluent_kafka.__version__


class Client:
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    null_headers = True

    def __init__(self, bootstrap):
        # The short backoff is for the restart: 10 s would be the rule.
        self.settings = {"bootstrap.servers": bootstrap, "reconnect.backoff.max.ms": 500}
        self.admin = AdminClient(self.settings)
        self.reader = self.consumer(new_name("reader"))

    def consumer(self, group, **callbacks):
        return Consumer({**self.settings, "group.id": group, "enable.auto.commit": False, **callbacks})

    def create(self, topic, partitions):
        result(self.admin.create_topics([NewTopic(topic, partitions, 1)]))

    def partitions(self, topic):
        # All topics, because a question for one may create it.
        found = self.admin.list_topics(timeout=10).topics.get(topic)
        return len(found.partitions) if found and not found.error else 0

    def producer(self, codec="none", acks="all", idempotent=False):
        return Sender({**self.settings, "compression.type": codec, "acks": acks, "enable.idempotence": idempotent})

    def end(self, topic, partition):
        return self.reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]

    def offset_at(self, topic, partition, timestamp):
        [found] = self.reader.offsets_for_times([TopicPartition(topic, partition, timestamp)], timeout=10)
        if found.error:
            raise KafkaException(found.error)
        return found.offset if found.offset >= 0 else None

    def read(self, topic, partition, start, end):
        records = []
        self.reader.assign([TopicPartition(topic, partition, start)])
        until(f"offset {end} read", lambda: records.extend(take(self.reader)) or start + len(records) >= end)
        self.reader.unassign()
        return records

    def transactional(self, name):
        return Transactional(self.settings, name)

    def read_some(self, topic, count, committed_only):
        reader = self.consumer(new_name("reader"), **isolation(committed_only))
        reader.assign([TopicPartition(topic, 0, 0)])
        records = []
        until(f"{count} records read", lambda: records.extend(take(reader)) or len(records) >= count)
        reader.close()
        return records

    # It reads what is committed unless it is told otherwise.
    def member(self, group, topic, committed_only=True, **settings):
        settings.update(isolation(committed_only))
        if settings.get("group_protocol") == "consumer":
            return Member({**self.settings, "group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest",
                           **{name.replace("_", "."): value for name, value in settings.items()}}, topic)
        return Member({**self.settings, "group.id": group, "enable.auto.commit": False,
                       "auto.offset.reset": "earliest", "session.timeout.ms": 10_000, "heartbeat.interval.ms": 300,
                       **{name.replace("_", "."): value for name, value in settings.items()}}, topic)

    def committed(self, group, topic):
        listed = result(self.admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)]))
        return {part.partition: part.offset for part in listed.topic_partitions if part.topic == topic}


class Sender:
    def __init__(self, settings):
        self.statistics = None
        self.errors = []
        self.producer = Producer({**settings, "linger.ms": 5, "statistics.interval.ms": 50, "stats_cb": self.on_statistics})

    def on_statistics(self, statistics):
        self.statistics = json.loads(statistics)

    def on_delivery(self, error, _message):
        if error:
            self.errors.append(error)

    def send(self, topic, record):
        options = {} if record.timestamp is None else {"timestamp": record.timestamp}
        self.producer.produce(topic, record.value, record.key, record.partition, self.on_delivery,
                              headers=record.headers, **options)

    def flush(self):
        equal(self.producer.flush(30), 0, "records not delivered within 30 s")
        if self.errors:
            raise KafkaException(self.errors[0])

    def close(self):
        self.producer = None


class Transactional(Sender):
    def __init__(self, settings, name):
        super().__init__({**settings, "transactional.id": name})
        self.producer.init_transactions(30)

    def begin(self):
        self.producer.begin_transaction()

    def offset(self, member, _group, topic, offset):
        metadata = member.consumer.consumer_group_metadata()
        self.producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)], metadata, 30)

    def end(self, commit):
        (self.producer.commit_transaction if commit else self.producer.abort_transaction)(30)


def isolation(committed_only):
    return {"isolation.level": "read_committed" if committed_only else "read_uncommitted"}


class Member:
    def __init__(self, settings, topic):
        self.revoked = set()
        self.consumer = Consumer(settings)
        self.consumer.subscribe([topic], on_revoke=self.on_revoke)

    def on_revoke(self, _consumer, partitions):
        self.revoked |= {part.partition for part in partitions}

    def poll(self):
        return take(self.consumer)

    def assigned(self):
        return {part.partition for part in self.consumer.assignment()}

    def commit(self, offsets):
        [topic] = {part.topic for part in self.consumer.assignment()}
        parts = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        for part in self.consumer.commit(offsets=parts, asynchronous=False):
            if part.error:
                raise KafkaException(part.error)

    def close(self):
        self.consumer.close()


def take(consumer):
    records = []
    for message in consumer.consume(500, timeout=0.1):
        if message.error():
            raise KafkaException(message.error())
        records.append(Record(message.value(), message.key(), message.headers() or [], message.partition(),
                              message.timestamp()[1], message.offset()))
    return records


def result(futures):
    """The answer to a question about one thing."""
    if isinstance(futures, dict):
        [futures] = futures.values()
    return futures.result(timeout=30)


def refused(code, call):
    try:
        call()
    except KafkaException as error:
        equal(error.args[0].name(), KafkaError(code).name(), "refusal")
    else:
        raise AssertionError(f"{KafkaError(code).name()} expected, but the call was accepted")


def produce(client):
    note = cases.produce(client)
    # A producer that is not told of a Produce range it likes sends uncompressed and says nothing.
    topic = cases.new_topic(client, "compressed", 1)
    for codec in client.codecs[1:]:
        producer = client.producer(codec)
        for _ in range(100):
            producer.send(topic, Record(b"x" * 1000))
        producer.flush()

        def sent():
            producer.producer.poll(0.05)
            return sum(broker["txbytes"] for broker in producer.statistics["brokers"].values()
                       if producer.statistics["txmsgs"] == 100)

        sent_bytes = until("statistics of the producer", sent)
        if sent_bytes > 50_000:
            raise AssertionError(f"{codec}: {sent_bytes} bytes sent for 100,000 that compress well")
    return note


def group(client):
    cases.group(client)
    cases.group(client, partition_assignment_strategy="cooperative-sticky")
    cooperative(client)
    static(client)
    return "range, cooperative-sticky, static membership"


def consumer(client):
    """The consumer protocol (KIP-848), with the server's assignors."""
    for assignor in ("uniform", "range"):
        cases.group(client, group_protocol="consumer", group_remote_assignor=assignor)
    return "uniform, range"


def cooperative(client):
    """Only the partitions that move are taken away."""
    topic, group_id = cases.new_topic(client, "cooperative", 4), new_name("cooperative")
    settings = {"partition_assignment_strategy": "cooperative-sticky"}
    first = client.member(group_id, topic, **settings)
    cases.share([first], range(4))
    second = client.member(group_id, topic, **settings)
    cases.share([first, second], range(4))
    equal(first.revoked, second.assigned(), "partitions revoked when a member joins")
    first.revoked.clear()
    second.close()
    cases.share([first], range(4))
    equal(first.revoked, set(), "partitions revoked when a member leaves")
    first.close()


def static(client):
    """A static member that comes back gets its partitions again, and the other one notices nothing."""
    topic, group_id = cases.new_topic(client, "static", 4), new_name("static")
    one, two = (client.member(group_id, topic, group_instance_id=name) for name in ("one", "two"))
    cases.share([one, two], range(4))
    before = one.assigned()
    two.revoked.clear()
    one.close()
    back = client.member(group_id, topic, group_instance_id="one")
    cases.share([back, two], range(4))
    equal(back.assigned(), before, "partitions of the returned member")
    equal(two.revoked, set(), "partitions revoked from the other member")
    described = result(client.admin.describe_consumer_groups([group_id]))
    equal({member.group_instance_id for member in described.members}, {"one", "two"}, "instance ids")

    usurper = client.member(group_id, topic, group_instance_id="one")

    def fenced():
        usurper.poll()
        try:
            back.poll()
        except KafkaException as error:
            return error.args[0]
        return None

    equal(until("the earlier instance is fenced", fenced).code(), KafkaError._FATAL, "error of the fenced instance")
    for member in (back, usurper, two):
        member.close()


def admin(client):
    topics_by_admin(client)
    configs_by_admin(client)
    groups_by_admin(client)
    return "no deletion of committed offsets in this client"


def topics_by_admin(client):
    ask, topic = client.admin, new_name("admin")
    new = NewTopic(topic, 3, 1)
    result(ask.create_topics([new], validate_only=True))
    equal(client.partitions(topic), 0, "partitions of a topic that was only validated")
    refused(KafkaError.INVALID_PARTITIONS, lambda: result(ask.create_topics([NewTopic(topic, 0, 1)])))
    refused(KafkaError.INVALID_CONFIG, lambda: result(ask.create_topics([NewTopic(topic, 3, 1, config={"no.such": "1"})])))
    refused(KafkaError.TOPIC_EXCEPTION, lambda: result(ask.create_topics([NewTopic("not a name", 3, 1)])))
    result(ask.create_topics([new]))
    refused(KafkaError.TOPIC_ALREADY_EXISTS, lambda: result(ask.create_topics([new])))
    until("the topic is listed with 3 partitions", lambda: client.partitions(topic) == 3)

    cluster = result(ask.describe_cluster())
    nodes = {node.id: f"{node.host}:{node.port}" for node in cluster.nodes}
    equal(list(nodes.values()), [client.settings["bootstrap.servers"]], "nodes of the cluster")
    equal(cluster.controller.id in nodes, True, "controller is a node")
    equal(cluster.cluster_id, ask.list_topics(timeout=10).cluster_id, "cluster id in two answers")
    equal(bool(cluster.cluster_id), True, "a cluster id")

    described = result(ask.describe_topics(TopicCollection([topic])))
    equal([(part.id, part.leader.id in nodes, len(part.isr)) for part in described.partitions],
          [(n, True, 1) for n in range(3)], "partitions")
    equal(described.is_internal, False, "internal")
    topic_id = str(described.topic_id)
    equal(topic_id not in ("", "AAAAAAAAAAAAAAAAAAAAAA"), True, "a topic id")
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, lambda: result(ask.describe_topics(TopicCollection([new_name("none")]))))

    result(ask.create_partitions([NewPartitions(topic, 5)], validate_only=True))
    equal(client.partitions(topic), 3, "partitions after a validation")
    refused(KafkaError.INVALID_PARTITIONS, lambda: result(ask.create_partitions([NewPartitions(topic, 2)])))
    result(ask.create_partitions([NewPartitions(topic, 5)]))
    until("the topic has 5 partitions", lambda: client.partitions(topic) == 5)

    start = 1_000 * int(cases.time.time() - 60)
    cases.send(client, topic, [Record(b"v", partition=4, timestamp=start + 1000 * n) for n in (0, 5, 3)])
    for spec, offset in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 3), (OffsetSpec.max_timestamp(), 1),
                         (OffsetSpec.for_timestamp(start + 1), 1), (OffsetSpec.for_timestamp(start + 6000), -1)):
        equal(result(ask.list_offsets({TopicPartition(topic, 4): spec})).offset, offset, f"offset for {spec._value}")

    result(ask.delete_topics([topic]))
    until("the topic is gone", lambda: client.partitions(topic) == 0)
    refused(KafkaError.UNKNOWN_TOPIC_OR_PART, lambda: result(ask.delete_topics([topic])))
    client.create(topic, 1)
    until("the topic is there again", lambda: client.partitions(topic) == 1)
    again = result(ask.describe_topics(TopicCollection([topic])))
    equal(str(again.topic_id) != topic_id, True, "another topic id after the deletion")
    equal(client.end(topic, 0), 0, "records in the new topic")


def configs_by_admin(client):
    ask, topic = client.admin, new_name("configs")
    result(ask.create_topics([NewTopic(topic, 1, 1, config={"retention.ms": "172800000"})]))
    until("the topic is listed", lambda: client.partitions(topic) == 1)

    def retention():
        entry = result(ask.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]))["retention.ms"]
        return entry.value, ConfigSource(entry.source) == ConfigSource.DYNAMIC_TOPIC_CONFIG

    def alter(name, value, operation, **options):
        entry = ConfigEntry(name, value, incremental_operation=operation)
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
        result(ask.incremental_alter_configs([resource], **options))

    equal(retention(), ("172800000", True), "retention of the creation")
    alter("retention.ms", "259200000", AlterConfigOpType.SET, validate_only=True)
    equal(retention(), ("172800000", True), "retention after a validation")
    alter("retention.ms", "259200000", AlterConfigOpType.SET)
    until("the new retention is shown", lambda: retention() == ("259200000", True))
    refused(KafkaError.INVALID_CONFIG, lambda: alter("retention.ms", "long", AlterConfigOpType.SET))
    refused(KafkaError.INVALID_CONFIG, lambda: alter("no.such", "1", AlterConfigOpType.SET))
    alter("retention.ms", None, AlterConfigOpType.DELETE)
    until("the default retention is back", lambda: not retention()[1])

    node = result(ask.describe_cluster()).nodes[0].id
    broker = result(ask.describe_configs([ConfigResource(ResourceType.BROKER, str(node))]))
    equal(bool(broker), True, "settings of the broker")


def groups_by_admin(client):
    ask, topic, group_id = client.admin, cases.new_topic(client, "groups", 2), new_name("groups")
    cases.send(client, topic, numbered(0, 20, partitions=2))

    def listed():
        found = [one for one in result(ask.list_consumer_groups()).valid if one.group_id == group_id]
        return found[0].state.name if found else None

    def described():
        return result(ask.describe_consumer_groups([group_id]))

    def alter(offsets):
        parts = [TopicPartition(topic, partition, offset) for partition, offset in offsets.items()]
        altered = result(ask.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group_id, parts)]))
        for part in altered.topic_partitions:
            if part.error:
                raise KafkaException(part.error)

    equal(described().state.name, "DEAD", "state of a group that was never there")
    alter({0: 4, 1: 6})
    equal(client.committed(group_id, topic), {0: 4, 1: 6}, "offsets set by the admin client")
    equal(listed(), "EMPTY", "state of a group without members")

    member, got = client.member(group_id, topic), []
    cases.consume([member], 10, [got])
    equal(sorted(record.offset for record in got), [4, 5, 6, 6, 7, 7, 8, 8, 9, 9], "offsets read")
    equal(listed(), "STABLE", "state of a group with a member")
    [seen] = described().members
    equal(described().partition_assignor, "range", "assignor")
    equal({part.partition for part in seen.assignment.topic_partitions}, {0, 1}, "partitions of the member")
    refused(KafkaError.NON_EMPTY_GROUP, lambda: result(ask.delete_consumer_groups([group_id])))
    refused(KafkaError.UNKNOWN_MEMBER_ID, lambda: alter({0: 1}))
    member.close()
    until("the group is empty", lambda: listed() == "EMPTY")

    result(ask.delete_consumer_groups([group_id]))
    equal(listed(), None, "state of a deleted group")
    equal(client.committed(group_id, topic), {}, "offsets of a deleted group")
    refused(KafkaError.GROUP_ID_NOT_FOUND, lambda: result(ask.delete_consumer_groups([group_id])))
