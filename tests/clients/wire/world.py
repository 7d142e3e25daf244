"""A server under test, and what cases want of it."""

import collections
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import batches

SUBJECT = Path(__file__).resolve().parent.parent / "subject"
# How long an answer may take. Both servers hold some back for a second or two.
PATIENCE = 8.0
# How long what was asked for may take to be so: on a busy machine Kafka's coordinators take their time.
SETTLED = 40.0
# What producers and readers of fixed times see; it is taken off answers.
HOUR = 3_600_000

# What a consumer that reads nothing says of itself.
SUBSCRIPTION = bytes(6) + b"\xff\xff\xff\xff"

Topic = collections.namedtuple("Topic", "name id")
Member = collections.namedtuple("Member", "id generation line")
Producer = collections.namedtuple("Producer", "transaction id epoch")

LISTENERS = """authorizer = true
super-user = ["User:ANONYMOUS"]

[[kafka-listeners]]
name = "open"
address = "127.0.0.1:{open}"

[[kafka-listeners]]
name = "login"
address = "127.0.0.1:{login}"
login = ["PLAIN", "SCRAM-SHA-256"]

[[users]]
name = "alice"
password = "alice-secret"
"""
PROPERTIES = """listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,LOGIN:SASL_PLAINTEXT
listener.name.login.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256
listener.name.login.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="alice-secret";
listener.name.login.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""
# The oracle has an authorizer unless it is told otherwise.
WITHOUT_RULES = "authorizer.class.name="


class Closed(Exception):
    """The server has closed the connection instead of answering."""


class Line:
    """One connection."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0

    def send_frame(self, frame):
        self.socket.sendall(struct.pack(">i", len(frame)) + frame)

    def receive_frame(self):
        return self._take(struct.unpack(">i", self._take(4))[0])

    def _take(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed()
            data += more
        return data

    def close(self):
        self.socket.close()


class Server:
    """The gateway or Apache Kafka, started by `subject`."""

    def __init__(self, schemas, kind, directory, is_secured):
        self.schemas, self.kind, self.directory, self.is_secured = schemas, kind, directory, is_secured
        environment = dict(os.environ, SUBJECT=kind, SHARDGATE_FLAGS="--node-id 1 --limits off", KAFKA_PROPERTIES=WITHOUT_RULES)
        self.login_port = None
        if is_secured:
            open_port, self.login_port = free_ports(2)
            settings = directory.with_suffix(".toml")
            settings.write_text(LISTENERS.format(open=open_port, login=self.login_port))
            environment["SHARDGATE_FLAGS"] += f" --config {settings}"
            environment["KAFKA_LISTENER"] = f"LOGIN://127.0.0.1:{self.login_port}"
            environment["KAFKA_PROPERTIES"] = PROPERTIES
        self.environment = environment
        address = self._subject("start").strip()
        self.port = open_port if is_secured and kind == "shardgate" else int(address.rpartition(":")[2])
        # Whole seconds, and an hour ago, so that no server's clock is behind it.
        self.begun = int(time.time()) * 1000 - HOUR
        self.names, self.topics = {}, {}
        self.counter = 0
        self.versions = {}

    def _subject(self, call):
        return subprocess.run(
            [SUBJECT, call, self.directory], env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def stop(self):
        self._subject("stop")

    def prepare(self):
        """Finds out what is served, and waits until the coordinators are there."""
        world = World(self, "ApiVersions", 0)
        answer = world.ask()
        self.versions = {
            self.schemas.names[api["ApiKey"]]: (api["MinVersion"], api["MaxVersion"])
            for api in answer["ApiKeys"]
            if api["ApiKey"] in self.schemas.names
        }
        self.cluster = world.call("Metadata", 12, Topics=[])["ClusterId"]
        for kind in (0, 1):
            world.until(
                lambda kind=kind: world.call("FindCoordinator", 4, KeyType=kind, CoordinatorKeys=["x"])["Coordinators"][0],
                "ErrorCode",
                0,
            )
        world.until(lambda: world.call("InitProducerId", 4, TransactionalId="first", TransactionTimeoutMs=60000), "ErrorCode", 0)
        world.share_member(world.name("group"), world.topic())
        self.orders = world.topic(3, "orders")
        times = [self.begun + at for at in (0, 10, 20, 30, 40)]
        values = [b"v%d" % at for at in range(5)]
        assert world.produce(self.orders, batches.batch(values[:3], times[0], times=times[:3]))["ErrorCode"] == 0
        assert world.produce(self.orders, batches.batch(values[3:], times[3], times=times[3:]))["ErrorCode"] == 0
        world.close()


def free_ports(count):
    """Ports that nobody listens at, below those that the kernel gives to clients."""
    found = []
    for port in range(11000, 12000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise OSError("no free port")


class World:
    """What one case sees: names of its own, and connections that end with it."""

    def __init__(self, server, api, version):
        self.server, self.api, self.version = server, api, version
        self.lines = []
        self.orders = getattr(server, "orders", None)
        self.begun = server.begun
        # What answers call producers by: those that the case has made come first.
        self.producers = {}

    # Connections and requests.

    def line(self, port=None):
        line = Line(port or self.server.port)
        self.lines.append(line)
        return line

    def close(self):
        for line in self.lines:
            line.close()

    def send(self, line, api, version, fields, client="wire"):
        body, has_tags = self.server.schemas.request(api, version, fields)
        self.send_body(line, self.server.schemas.keys[api], version, body, has_tags, client)

    def send_body(self, line, key, version, body, has_tags, client="wire"):
        line.sent += 1
        head = struct.pack(">hhih", key, version, line.sent, len(client)) + client.encode()
        line.send_frame(head + (b"\0" if has_tags else b"") + body)

    def receive(self, line, api, version):
        return self.server.schemas.response(api, version, line.receive_frame()[4:])

    def call(self, api, version, *, _line=None, **fields):
        """Asks in a given version: for what comes before and behind the request that a case is about."""
        line = _line or (self.lines[0] if self.lines else self.line())
        self.send(line, api, version, fields)
        return self.receive(line, api, version)

    def ask(self, *, _line=None, **fields):
        """Asks what the case is about, in the version that it is asked with."""
        try:
            return self.call(self.api, self.version, _line=_line, **fields)
        except Closed:
            return {"Connection": "closed"}
        except TimeoutError:
            return {"Connection": "silent"}

    def until(self, look, field, value):
        """Looks again until a field has a value: some of Kafka's answers come before what they say is so everywhere."""
        deadline = time.monotonic() + SETTLED
        while (answer := look())[field] != value:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{field} is not {value}: {answer}")
            time.sleep(0.05)
        return answer

    # What cases need to be there.

    def name(self, stem):
        """A name that nobody else has; answers show it as its stem."""
        self.server.counter += 1
        name = f"{stem}-{self.server.counter:05}"
        self.server.names[name] = stem
        return name

    def topic(self, partitions=1, stem="topic", **configs):
        name = self.name(stem)
        configs = [{"Name": key.replace("_", "."), "Value": value} for key, value in configs.items()]
        topic = {"Name": name, "NumPartitions": partitions, "ReplicationFactor": 1, "Configs": configs}
        made = self.call("CreateTopics", 7, Topics=[topic], TimeoutMs=10000)["Topics"][0]
        if made["ErrorCode"]:
            raise RuntimeError(f"topic not made: {made}")

        def known():
            (found,) = self.call("Metadata", 12, Topics=[{"Name": name}])["Topics"]
            return {"led": sum(one["LeaderId"] >= 0 for one in found["Partitions"])}

        self.until(known, "led", partitions)
        self.server.topics[made["TopicId"]] = stem
        return Topic(name, made["TopicId"])

    def nowhere(self, stem="nowhere"):
        """A topic that is not there."""
        topic = Topic(self.name(stem), os.urandom(16))
        self.server.topics[topic.id] = stem
        return topic

    def produce(self, topic, records, partition=0, transaction=None, version=11, acks=-1):
        data = [{"topic": topic, "PartitionData": [{"Index": partition, "Records": records}]}]
        answer = self.call("Produce", version, TransactionalId=transaction, Acks=acks, TimeoutMs=10000, TopicData=data)
        return answer["Responses"][0]["PartitionResponses"][0]

    def batch(self, *values, time=None, **more):
        """A batch with times that answers do not show."""
        return batches.batch(list(values or (b"value",)), self.begun if time is None else time, **more)

    def written(self, count=3, partitions=1, **configs):
        """A topic with records in its partition 0."""
        topic = self.topic(partitions, **configs)
        if count:
            records = self.batch(*[b"v%d" % at for at in range(count)])
            self.until(lambda: self.produce(topic, records), "ErrorCode", 0)
        return topic

    def member(
        self, group=None, instance=None, protocols=(("range", SUBSCRIPTION),), kind="consumer", assignment=b"share", sync=True
    ):
        """The only member of a classic group, which is stable."""
        group, line = group or self.name("group"), self.line()
        request = dict(
            GroupId=group, SessionTimeoutMs=30000, RebalanceTimeoutMs=30000, ProtocolType=kind, GroupInstanceId=instance
        )
        request["Protocols"] = [{"Name": name, "Metadata": metadata} for name, metadata in protocols]
        answer = self.call("JoinGroup", 7, _line=line, MemberId="", **request)
        if answer["ErrorCode"] == 79:
            answer = self.call("JoinGroup", 7, _line=line, MemberId=answer["MemberId"], **request)
        member = Member(answer["MemberId"], answer["GenerationId"], line)
        if sync:
            given = [{"MemberId": member.id, "Assignment": assignment}]
            who = dict(
                GroupId=group, GenerationId=member.generation, MemberId=member.id, ProtocolType=kind, ProtocolName=protocols[0][0]
            )
            self.call("SyncGroup", 5, _line=line, Assignments=given, **who)
        return group, member

    def consumer(self, group=None, topics=(), member="m1", **more):
        """A member of a group of the consumer protocol."""
        group = group or self.name("group")
        request = dict(GroupId=group, MemberId=member, MemberEpoch=0, RebalanceTimeoutMs=30000, TopicPartitions=[])
        request["SubscribedTopicNames"] = [topic.name for topic in topics] or [self.orders.name]
        answer = self.call("ConsumerGroupHeartbeat", 1, **{**request, **more})
        return group, answer["MemberEpoch"]

    def share_member(self, group, *topics, member="AAAAAAAAAAAAAAAAAAAAAQ"):
        """A member of a share group that has partitions of the topics."""
        names = [topic.name for topic in topics]
        request = dict(GroupId=group, MemberId=member, SubscribedTopicNames=names)
        answer = self.call("ShareGroupHeartbeat", 1, MemberEpoch=0, **request)
        deadline = time.monotonic() + SETTLED
        while not (answer["Assignment"] and answer["Assignment"]["TopicPartitions"]):
            if time.monotonic() > deadline or answer["ErrorCode"]:
                raise TimeoutError(f"nothing assigned: {answer}")
            time.sleep(0.02)
            answer = self.call("ShareGroupHeartbeat", 1, MemberEpoch=answer["MemberEpoch"], **request)
        return member, answer["MemberEpoch"]

    def committed(self, group, topic, offset=1, partition=0):
        partitions = [
            {"PartitionIndex": partition, "CommittedOffset": offset, "CommittedLeaderEpoch": 0, "CommittedMetadata": "note"}
        ]
        return self.call("OffsetCommit", 9, GroupId=group, Topics=[{"topic": topic, "Partitions": partitions}])

    def transactional(self, stem="transaction", timeout=60000):
        name = self.name(stem)
        answer = self.until(
            lambda: self.call("InitProducerId", 4, TransactionalId=name, TransactionTimeoutMs=timeout), "ErrorCode", 0
        )
        producer = Producer(name, answer["ProducerId"], answer["ProducerEpoch"])
        self.producers[producer.id] = f"producer {len(self.producers) + 1}"
        return producer

    def open_transaction(self, topic, partitions=(0,)):
        """A producer with a transaction of the first generation in which partitions are."""
        producer = self.transactional()
        named = dict(
            V3AndBelowTransactionalId=producer.transaction,
            V3AndBelowProducerId=producer.id,
            V3AndBelowProducerEpoch=producer.epoch,
        )
        topics = [{"topic": topic, "Partitions": list(partitions)}]
        self.until(
            lambda: self.call("AddPartitionsToTxn", 3, **named, V3AndBelowTopics=topics)["ResultsByTopicV3AndBelow"][0][
                "ResultsByPartition"
            ][0],
            "PartitionErrorCode",
            0,
        )
        return producer

    def write(self, producer, topic, sequence=0, version=11, **batch):
        """A record in a transaction. Kafka asks its coordinator about the first one, and may want to be asked again."""
        records = self.batch(producer=(producer.id, producer.epoch, sequence), attributes=batches.TRANSACTIONAL, **batch)
        self.until(lambda: self.produce(topic, records, transaction=producer.transaction, version=version), "ErrorCode", 0)

    def end(self, producer, committed=True):
        who = dict(TransactionalId=producer.transaction, ProducerId=producer.id, ProducerEpoch=producer.epoch)
        self.until(lambda: self.call("EndTxn", 3, Committed=committed, **who), "ErrorCode", 0)

    def login(self, user="alice", password="alice-secret", line=None):
        """A connection with somebody at its end."""
        line = line or self.line(self.server.login_port)
        self.call("SaslHandshake", 1, _line=line, Mechanism="PLAIN")
        answer = self.call("SaslAuthenticate", 2, _line=line, AuthBytes=f"\0{user}\0{password}".encode())
        if answer["ErrorCode"]:
            raise RuntimeError(f"no login: {answer}")
        return line

    # What cases look at.

    def see(self, value, *path, **names):
        """Of a list in an answer only the elements whose fields have these values: others' are there too."""
        *outer, last = path
        within = value
        for step in outer:
            within = within[step]
        if within.get(last) is not None:
            within[last] = [one for one in within[last] if all(one[field] in wanted for field, wanted in names.items())]
        return value
