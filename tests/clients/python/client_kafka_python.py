"""kafka-python: the protocol written in Python."""

import uuid
from concurrent.futures import ThreadPoolExecutor, TimeoutError

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka import errors
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, GroupState, OffsetSpec
from kafka.structs import OffsetAndMetadata

import cases
from cases import Record, equal, new_name, numbered, until

VERSION = kafka.__version__


class Client:
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    null_headers = False

    def __init__(self, bootstrap):
        # The short backoff is for the restart: 30 s would be the rule.
        self.settings = {"bootstrap_servers": bootstrap, "reconnect_backoff_max_ms": 500}
        self.admin = KafkaAdminClient(**self.settings)
        self.reader = self.consumer()

    def consumer(self, **settings):
        return KafkaConsumer(**self.settings, enable_auto_commit=False, **settings)

    def create(self, topic, partitions):
        self.admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": 1}})

    def partitions(self, topic):
        found = [one for one in self.admin.describe_topics() if one["name"] == topic]
        return len(found[0]["partitions"]) if found else 0

    def producer(self, codec="none", acks="all", idempotent=False):
        return Sender(**self.settings, compression_type=None if codec == "none" else codec, acks=acks,
                      enable_idempotence=idempotent, linger_ms=5)

    def end(self, topic, partition):
        [offset] = self.reader.end_offsets([TopicPartition(topic, partition)]).values()
        return offset

    def offset_at(self, topic, partition, timestamp):
        [found] = self.reader.offsets_for_times({TopicPartition(topic, partition): timestamp}).values()
        return found.offset if found else None

    def read(self, topic, partition, start, end):
        records, part = [], TopicPartition(topic, partition)
        self.reader.assign([part])
        self.reader.seek(part, start)
        until(f"offset {end} read", lambda: records.extend(take(self.reader)) or start + len(records) >= end)
        return records

    def transactional(self, name):
        return Transactional(**self.settings, transactional_id=name)

    def read_some(self, topic, count, committed_only):
        reader, part, records = self.consumer(isolation_level=isolation(committed_only)), TopicPartition(topic, 0), []
        reader.assign([part])
        reader.seek(part, 0)
        until(f"{count} records read", lambda: records.extend(take(reader)) or len(records) >= count)
        reader.close()
        return records

    def member(self, group, topic, committed_only=False):
        return Member(self.consumer(group_id=group, isolation_level=isolation(committed_only), auto_offset_reset="earliest",
                                    session_timeout_ms=10_000, heartbeat_interval_ms=300), topic)

    def committed(self, group, topic):
        offsets = self.admin.list_group_offsets(group)[group]
        return {part.partition: offset.offset for part, offset in offsets.items() if part.topic == topic}


class Sender:
    def __init__(self, **settings):
        self.producer = KafkaProducer(**settings)
        self.sent = []

    def send(self, topic, record):
        self.sent.append(self.producer.send(topic, record.value, record.key, record.headers, record.partition,
                                            record.timestamp))

    def flush(self):
        self.producer.flush(timeout=30)
        for future in self.sent:
            future.get(timeout=30)
        self.sent.clear()

    def close(self):
        self.producer.close(timeout=10)


class Transactional(Sender):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.producer.init_transactions()

    def begin(self):
        self.producer.begin_transaction()

    def offset(self, _member, group, topic, offset):
        self.producer.send_offsets_to_transaction({TopicPartition(topic, 0): OffsetAndMetadata(offset, "", -1)}, group)

    def end(self, commit):
        self.producer.commit_transaction() if commit else self.producer.abort_transaction()


def isolation(committed_only):
    return "read_committed" if committed_only else "read_uncommitted"


class Member:
    """Polls with long timeouts in a thread of its own, as applications do.

    With short ones, taking turns with another member, version 3.0.12 gets stuck: when a poll runs out
    of time while its JoinGroup is under way, the polls after it neither end that join nor start another.
    """

    def __init__(self, consumer, topic):
        self.consumer, self.topic = consumer, topic
        self.thread = ThreadPoolExecutor(max_workers=1)
        self.polling = None
        consumer.subscribe([topic])

    def poll(self):
        if self.polling is None:
            self.polling = self.thread.submit(take, self.consumer, 3000)
        try:
            records = self.polling.result(timeout=0.05)
        except TimeoutError:
            return []
        self.polling = None
        return records

    def assigned(self):
        return {part.partition for part in self.consumer.assignment()}

    def commit(self, offsets):
        self.thread.submit(self.consumer.commit, {
            TopicPartition(self.topic, partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()}).result(timeout=30)

    def close(self):
        self.thread.submit(self.consumer.close, autocommit=False).result(timeout=30)
        self.thread.shutdown()


def take(consumer, timeout_ms=100):
    return [Record(message.value, message.key, list(message.headers), message.partition, message.timestamp, message.offset)
            for messages in consumer.poll(timeout_ms).values() for message in messages]


def refused(error, call):
    try:
        call()
    except error:
        return
    raise AssertionError(f"{error.__name__} expected, but the call was accepted")


def admin(client):
    topics_by_admin(client)
    configs_by_admin(client)
    groups_by_admin(client)


def topics_by_admin(client):
    ask, topic = client.admin, new_name("admin")
    new = {topic: {"num_partitions": 3, "replication_factor": 1}}
    ask.create_topics(new, validate_only=True)
    equal(topic in ask.list_topics(), False, "a topic that was only validated is listed")
    ask.create_topics(new)
    refused(errors.TopicAlreadyExistsError, lambda: ask.create_topics(new))
    until("the topic is listed with 3 partitions", lambda: client.partitions(topic) == 3)

    cluster = ask.describe_cluster()
    equal([f"{node['host']}:{node['port']}" for node in cluster["brokers"]], [client.settings["bootstrap_servers"]], "nodes of the cluster")
    node = cluster["brokers"][0]["broker_id"]
    equal(cluster["controller_id"], node, "controller")

    [described] = ask.describe_topics([topic])
    equal(sorted((part["partition_index"], part["leader_id"]) for part in described["partitions"]),
          [(n, node) for n in range(3)], "partitions and leaders")
    topic_id = uuid.UUID(described["topic_id"])
    equal(topic_id.int != 0, True, "a topic id")
    equal([one["name"] for one in ask.describe_topics([topic_id])], [topic], "topic found by its id")

    refused(errors.InvalidPartitionsError, lambda: ask.create_partitions({topic: 2}))
    ask.create_partitions({topic: 5})
    until("the topic has 5 partitions", lambda: client.partitions(topic) == 5)

    cases.send(client, topic, [Record(b"v", partition=4, key=b"k") for _ in range(3)])
    part = TopicPartition(topic, 4)
    for spec, offset in ((OffsetSpec.EARLIEST, 0), (OffsetSpec.LATEST, 3)):
        equal(ask.list_partition_offsets({part: spec})[part].offset, offset, f"offset for {spec.name}")

    ask.delete_topics([topic])
    until("the topic is gone", lambda: topic not in ask.list_topics())
    refused(errors.UnknownTopicOrPartitionError, lambda: ask.delete_topics([topic]))


def configs_by_admin(client):
    ask, topic = client.admin, new_name("configs")
    ask.create_topics({topic: {"num_partitions": 1, "configs": {"retention.ms": "172800000"}}})
    until("the topic is listed", lambda: client.partitions(topic) == 1)

    def configs(what="modified"):
        return ask.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter=what)["topic"][topic]

    def alter(value, **options):
        ask.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": value})], **options)

    equal(configs()["retention.ms"]["value"], "172800000", "retention of the creation")
    for value, options in (("259200000", {"incremental": True}), ("345600000", {"incremental": False})):
        alter(value, **options)
        until("the new retention is shown", lambda: configs()["retention.ms"]["value"] == value)
    alter((AlterConfigOp.DELETE, None))
    until("the default retention is back", lambda: "retention.ms" not in configs())
    equal(bool(configs("all")["retention.ms"]["value"]), True, "a default retention")


def groups_by_admin(client):
    ask, topic, group_id = client.admin, cases.new_topic(client, "groups", 2), new_name("groups")
    cases.send(client, topic, numbered(0, 20, partitions=2))
    parts = [TopicPartition(topic, partition) for partition in (0, 1)]

    def states(*wanted):
        return [one["group_state"] for one in ask.list_groups(states_filter=wanted) if one["group_id"] == group_id]

    altered = ask.alter_group_offsets(group_id, {part: OffsetAndMetadata(4, "note", -1) for part in parts})
    equal(set(altered.values()), {errors.NoError}, "answers to the offsets that were set")
    listed = ask.list_group_offsets(group_id)[group_id]
    equal({part: (listed[part].offset, listed[part].metadata) for part in parts}, {part: (4, "note") for part in parts},
          "offsets set by the admin client")
    equal(states(GroupState.EMPTY), ["Empty"], "state of a group without members")

    member, got = client.member(group_id, topic), []
    cases.consume([member], 12, [got])
    equal(sorted(record.offset for record in got), sorted(list(range(4, 10)) * 2), "offsets read")
    equal(states(GroupState.STABLE), ["Stable"], "state of a group with a member")
    equal(states(GroupState.EMPTY), [], "the group among those without members")
    described = ask.describe_groups([group_id])[group_id]
    equal((described["group_state"], described["protocol_type"], len(described["members"])), ("Stable", "consumer", 1),
          "description")
    equal(ask.delete_groups([group_id]), {group_id: "NonEmptyGroupError"}, "deletion of a group with a member")
    member.close()
    until("the group is empty", lambda: states() == ["Empty"])

    equal(ask.delete_group_offsets(group_id, parts[:1]), {parts[0]: errors.NoError}, "deletion of an offset")
    equal(client.committed(group_id, topic), {1: 4}, "offsets that are left")
    equal(ask.delete_groups([group_id]), {group_id: "OK"}, "deletion of the group")
    equal(states(), [], "state of a deleted group")
