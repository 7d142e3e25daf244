"""aiokafka: asyncio. Its loop runs in a thread of its own, so that the shared cases can stay synchronous."""

import asyncio
import threading

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

import cases
from cases import Record, equal, new_name, numbered, until

VERSION = aiokafka.__version__

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()


def wait(coroutine):
    return asyncio.run_coroutine_threadsafe(coroutine, loop).result(timeout=30)


async def started(kind, *arguments, **settings):
    """Constructors must run inside the loop."""
    one = kind(*arguments, **settings)
    await one.start()
    return one


class Client:
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]
    null_headers = True

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.admin = wait(started(AIOKafkaAdminClient, bootstrap_servers=bootstrap))
        self.reader = wait(started(AIOKafkaConsumer, bootstrap_servers=bootstrap, enable_auto_commit=False))

    def create(self, topic, partitions):
        accepted(wait(self.admin.create_topics([NewTopic(topic, partitions, 1)])).topic_errors)

    def partitions(self, topic):
        found = [one for one in wait(self.admin.describe_topics()) if one["topic"] == topic]
        return len(found[0]["partitions"]) if found else 0

    def producer(self, codec="none", acks="all", idempotent=False):
        return Sender(bootstrap_servers=self.bootstrap, compression_type=None if codec == "none" else codec, acks=acks,
                      enable_idempotence=idempotent, linger_ms=5)

    def end(self, topic, partition):
        [offset] = wait(self.reader.end_offsets([TopicPartition(topic, partition)])).values()
        return offset

    def offset_at(self, topic, partition, timestamp):
        [found] = wait(self.reader.offsets_for_times({TopicPartition(topic, partition): timestamp})).values()
        return found.offset if found else None

    def read(self, topic, partition, start, end):
        async def assign():
            part = TopicPartition(topic, partition)
            self.reader.assign([part])
            self.reader.seek(part, start)

        records = []
        wait(assign())
        until(f"offset {end} read", lambda: records.extend(take(self.reader)) or start + len(records) >= end)
        # Else its fetches, which wait for records, would hold up the next question on that connection.
        self.reader.unsubscribe()
        return records

    def transactional(self, name):
        return Transactional(bootstrap_servers=self.bootstrap, transactional_id=name)

    def read_some(self, topic, count, committed_only):
        reader = Member(topic, bootstrap_servers=self.bootstrap, group_id=None, auto_offset_reset="earliest",
                        isolation_level=isolation(committed_only))
        records = []
        until(f"{count} records read", lambda: records.extend(reader.poll()) or len(records) >= count)
        reader.close()
        return records

    def member(self, group, topic, committed_only=False):
        return Member(topic, isolation_level=isolation(committed_only), bootstrap_servers=self.bootstrap, group_id=group, enable_auto_commit=False,
                      auto_offset_reset="earliest", heartbeat_interval_ms=300)

    def committed(self, group, topic):
        offsets = wait(self.admin.list_consumer_group_offsets(group))
        return {part.partition: offset.offset for part, offset in offsets.items() if part.topic == topic}


class Sender:
    def __init__(self, **settings):
        self.producer = wait(started(AIOKafkaProducer, **settings))
        self.sent = []

    def send(self, topic, record):
        self.sent.append(wait(self.producer.send(topic, record.value, record.key, record.partition, record.timestamp,
                                                 record.headers)))

    def flush(self):
        wait(self.producer.flush())
        wait(gather(self.sent))
        self.sent.clear()

    def close(self):
        wait(self.producer.stop())


class Transactional(Sender):
    def begin(self):
        wait(self.producer.begin_transaction())

    def offset(self, _member, group, topic, offset):
        wait(self.producer.send_offsets_to_transaction({TopicPartition(topic, 0): offset}, group))

    def end(self, commit):
        wait(self.producer.commit_transaction() if commit else self.producer.abort_transaction())


def isolation(committed_only):
    return "read_committed" if committed_only else "read_uncommitted"


async def gather(futures):
    await asyncio.gather(*futures)


class Member:
    def __init__(self, topic, **settings):
        self.topic = topic
        self.consumer = wait(started(AIOKafkaConsumer, topic, **settings))

    def poll(self):
        return take(self.consumer)

    def assigned(self):
        return {part.partition for part in self.consumer.assignment()}

    def commit(self, offsets):
        wait(self.consumer.commit({TopicPartition(self.topic, partition): offset for partition, offset in offsets.items()}))

    def close(self):
        wait(self.consumer.stop())


def take(consumer):
    return [Record(message.value, message.key, list(message.headers), message.partition, message.timestamp, message.offset)
            for messages in wait(consumer.getmany(timeout_ms=100)).values() for message in messages]


def accepted(answers):
    """This admin client hands errors back as codes."""
    for name, code, *message in answers:
        if code:
            raise errors.for_code(code)(f"{name}: {message}")


def refused(error, answers):
    equal([errors.for_code(answer[1]).__name__ for answer in answers], [error.__name__], "refusal")


def admin(client):
    topics_by_admin(client)
    configs_by_admin(client)
    groups_by_admin(client)
    return "no deletion of groups in this client"


def topics_by_admin(client):
    ask, topic = client.admin, new_name("admin")
    new = [NewTopic(topic, 3, 1)]
    accepted(wait(ask.create_topics(new, validate_only=True)).topic_errors)
    equal(client.partitions(topic), 0, "partitions of a topic that was only validated")
    accepted(wait(ask.create_topics(new)).topic_errors)
    refused(errors.TopicAlreadyExistsError, wait(ask.create_topics(new)).topic_errors)
    until("the topic is listed", lambda: topic in wait(ask.list_topics()))

    cluster = wait(ask.describe_cluster())
    equal([f"{node['host']}:{node['port']}" for node in cluster["brokers"]], [client.bootstrap], "nodes of the cluster")
    node = cluster["brokers"][0]["node_id"]
    equal(cluster["controller_id"], node, "controller")
    equal(bool(cluster["cluster_id"]), True, "a cluster id")
    [described] = wait(ask.describe_topics([topic]))
    equal(sorted((part["partition"], part["leader"]) for part in described["partitions"]), [(n, node) for n in range(3)],
          "partitions and leaders")

    wait(ask.create_partitions({topic: NewPartitions(5)}))
    until("the topic has 5 partitions", lambda: client.partitions(topic) == 5)
    try:
        wait(ask.create_partitions({topic: NewPartitions(2)}))
    except errors.InvalidPartitionsError:
        pass
    else:
        raise AssertionError("the topic has lost partitions")

    accepted(wait(ask.delete_topics([topic])).topic_error_codes)
    until("the topic is gone", lambda: topic not in wait(ask.list_topics()))
    refused(errors.UnknownTopicOrPartitionError, wait(ask.delete_topics([topic])).topic_error_codes)


def configs_by_admin(client):
    ask, topic = client.admin, new_name("configs")
    accepted(wait(ask.create_topics([NewTopic(topic, 1, 1, topic_configs={"retention.ms": "172800000"})])).topic_errors)
    until("the topic is listed", lambda: client.partitions(topic) == 1)

    def retention():
        [answer] = wait(ask.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": None})]))
        [(code, _message, _kind, name, entries)] = answer.resources
        equal((code, name, [entry[0] for entry in entries]), (0, topic, ["retention.ms"]), "described resource")
        return entries[0][1]

    equal(retention(), "172800000", "retention of the creation")
    [altered] = wait(ask.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {"retention.ms": "259200000"})]))
    equal([code for code, *_rest in altered.resources], [0], "answer to the alteration")
    until("the new retention is shown", lambda: retention() == "259200000")


def groups_by_admin(client):
    ask, topic, group_id = client.admin, cases.new_topic(client, "groups", 2), new_name("groups")
    cases.send(client, topic, numbered(0, 20, partitions=2))

    def state():
        [answer] = wait(ask.describe_consumer_groups([group_id]))
        [(code, name, found, protocol_type, _protocol, members, *_rest)] = answer.groups
        equal((code, name), (0, group_id), "described group")
        return found, protocol_type, len(members)

    member, got = client.member(group_id, topic), []
    cases.consume([member], 20, [got])
    member.commit({0: 4, 1: 6})
    equal((group_id, "consumer") in wait(ask.list_consumer_groups()), True, "the group is listed")
    equal(state(), ("Stable", "consumer", 1), "group with a member")
    equal(client.committed(group_id, topic), {0: 4, 1: 6}, "committed offsets")
    member.close()
    until("the group is empty", lambda: state()[0::2] == ("Empty", 0))
