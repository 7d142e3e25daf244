"""Logins, access rules, credentials, tokens; and what those may see who are not allowed to."""

from case import ask, case
from cases.cluster import offered
from world import SUBSCRIPTION, Closed

ALICE = "User:alice"
ANY, TOPIC, GROUP, CLUSTER, TRANSACTION, TOKEN, USER = 1, 2, 3, 4, 5, 6, 7
MATCH, LITERAL, PREFIXED = 2, 3, 4
ALL, READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE = 2, 3, 4, 5, 6, 7, 8
DENY, ALLOW = 2, 3

# Logins.

ask("SaslHandshake", "where nobody logs in", Mechanism="PLAIN")


def handshake(title, *mechanisms):
    @case("SaslHandshake", title, is_secured=True)
    def _(world):
        line = world.line(world.server.login_port)
        return [world.ask(_line=line, Mechanism=name) for name in mechanisms]


handshake("a mechanism", "PLAIN")
handshake("another mechanism", "SCRAM-SHA-256")
handshake("a mechanism that is not offered", "GSSAPI")
handshake("a mechanism in small letters", "plain")
handshake("no mechanism", "")


@case("SaslHandshake", "twice", is_secured=True)
def _(world):
    line = world.line(world.server.login_port)
    world.call("SaslHandshake", 1, _line=line, Mechanism="PLAIN")
    return world.ask(_line=line, Mechanism="PLAIN")


@case("SaslHandshake", "behind a login", is_secured=True)
def _(world):
    return world.ask(_line=world.login(), Mechanism="PLAIN")


ask("SaslAuthenticate", "where nobody logs in", AuthBytes=b"\0alice\0alice-secret")


def login(title, data, mechanism="PLAIN"):
    @case("SaslAuthenticate", title, is_secured=True)
    def _(world):
        line = world.line(world.server.login_port)
        world.call("SaslHandshake", 1, _line=line, Mechanism=mechanism)
        answer = world.ask(_line=line, AuthBytes=data)
        if mechanism != "PLAIN" and answer.get("AuthBytes"):
            # A nonce and a salt are new each time.
            answer["AuthBytes"] = [part[:2].decode() for part in answer["AuthBytes"].split(b",")]
        return answer


login("the right password", b"\0alice\0alice-secret")
login("a wrong password", b"\0alice\0wrong")
login("somebody who is not there", b"\0mallory\0alice-secret")
login("no name", b"\0\0alice-secret")
login("no password", b"\0alice\0")
login("the same one on whose behalf", b"alice\0alice\0alice-secret")
login("another one on whose behalf", b"bob\0alice\0alice-secret")
login("too many parts", b"\0alice\0alice-secret\0more")
login("too few parts", b"alice")
login("nothing", b"")
login("noise", b"\xff\xfe\0\xff\0\xff")
login("the other mechanism, somebody who is not there", b"n,,n=mallory,r=nonce", "SCRAM-SHA-256")
login("the other mechanism, nothing", b"", "SCRAM-SHA-256")
login("the other mechanism, noise", b"\xff\xff", "SCRAM-SHA-256")


@case("SaslAuthenticate", "without a handshake", is_secured=True)
def _(world):
    return world.ask(_line=world.line(world.server.login_port), AuthBytes=b"\0alice\0alice-secret")


@case("SaslAuthenticate", "behind a login", is_secured=True)
def _(world):
    return world.ask(_line=world.login(), AuthBytes=b"\0alice\0alice-secret")


@case("SaslAuthenticate", "a mechanism that is not offered, and then", is_secured=True)
def _(world):
    line = world.line(world.server.login_port)
    world.call("SaslHandshake", 1, _line=line, Mechanism="GSSAPI")
    return world.ask(_line=line, AuthBytes=b"")


@case("ApiVersions", "before a login", is_secured=True)
def _(world):
    return offered(world.ask(_line=world.line(world.server.login_port), ClientSoftwareName="wire", ClientSoftwareVersion="1.0"))


@case("Metadata", "before a login", is_secured=True)
def _(world):
    return world.ask(_line=world.line(world.server.login_port), Topics=[])


@case("Metadata", "between handshake and login", is_secured=True)
def _(world):
    line = world.line(world.server.login_port)
    world.call("SaslHandshake", 1, _line=line, Mechanism="PLAIN")
    return world.ask(_line=line, Topics=[])


@case("SaslHandshake", "version 0, and bare messages behind it", "0-0", is_secured=True)
def _(world):
    line = world.line(world.server.login_port)
    world.ask(_line=line, Mechanism="PLAIN")
    answers = []
    line.send_frame(b"\0alice\0alice-secret")
    answers.append({"Bare": line.receive_frame()})
    return answers + [{"Controller": world.call("Metadata", 1, _line=line, Topics=[{"Name": ""}])["ControllerId"]}]


@case("SaslHandshake", "version 0, and a wrong password behind it", "0-0", is_secured=True)
def _(world):
    line = world.line(world.server.login_port)
    world.ask(_line=line, Mechanism="PLAIN")
    line.send_frame(b"\0alice\0wrong")
    try:
        return {"Bare": line.receive_frame()}
    except Closed:
        return {"Connection": "closed"}


# Access rules.

FILTER = dict(
    ResourceTypeFilter=ANY,
    ResourceNameFilter=None,
    PatternTypeFilter=1,
    PrincipalFilter=None,
    HostFilter=None,
    Operation=1,
    PermissionType=1,
)
ask("DescribeAcls", "where there are none", **FILTER)
ask("CreateAcls", "where there are none", Creations=[])
ask(
    "CreateAcls",
    "one where there are none",
    Creations=[
        {"ResourceType": TOPIC, "ResourceName": "x", "Principal": ALICE, "Host": "*", "Operation": READ, "PermissionType": ALLOW}
    ],
)
ask("DeleteAcls", "where there are none", Filters=[FILTER])


def rule(name, kind=TOPIC, operation=READ, permission=ALLOW, pattern=LITERAL, principal=ALICE, host="*"):
    return {
        "ResourceType": kind,
        "ResourceName": name,
        "ResourcePatternType": pattern,
        "Principal": principal,
        "Host": host,
        "Operation": operation,
        "PermissionType": permission,
    }


def allow(world, *rules):
    results = world.call("CreateAcls", 3, Creations=list(rules))["Results"]
    assert not any(one["ErrorCode"] for one in results), results
    # Kafka's authorizer hears of them some time later.
    for one in rules:
        found = dict(
            ResourceTypeFilter=one["ResourceType"],
            ResourceNameFilter=one["ResourceName"],
            PatternTypeFilter=one["ResourcePatternType"],
            PrincipalFilter=one["Principal"],
            HostFilter=None,
            Operation=one["Operation"],
            PermissionType=one["PermissionType"],
        )
        world.until(lambda found=found: {"there": bool(world.call("DescribeAcls", 3, **found)["Resources"])}, "there", True)


def forget(world):
    """Takes all rules back, so that the next case begins without any."""
    world.call("DeleteAcls", 3, Filters=[FILTER])
    world.until(lambda: {"there": bool(world.call("DescribeAcls", 3, **FILTER)["Resources"])}, "there", False)


def create(title, *make, versions=""):
    @case("CreateAcls", title, versions, is_secured=True)
    def _(world):
        rules = [one(world) for one in make]
        answer = world.ask(Creations=rules)
        forget(world)
        return answer


create("a rule", lambda world: rule(world.name("topic")))
create("a rule of names that begin alike", lambda world: rule(world.name("topic"), pattern=PREFIXED))
create("a rule twice", *[lambda world: rule("twice")] * 2)
create("the same name with a pattern that matches", lambda world: rule(world.name("topic"), pattern=MATCH))
create("any pattern", lambda world: rule(world.name("topic"), pattern=1))
create("a pattern that is not known", lambda world: rule(world.name("topic"), pattern=9))
create("any kind of resource", lambda world: rule(world.name("topic"), kind=ANY))
create("a kind that is not known", lambda world: rule(world.name("topic"), kind=99))
create("any operation", lambda world: rule(world.name("topic"), operation=1))
create("an operation that is not known", lambda world: rule(world.name("topic"), operation=99))
create("an operation that a topic does not have", lambda world: rule(world.name("topic"), operation=12))
create("any permission", lambda world: rule(world.name("topic"), permission=1))
create("a permission that is not known", lambda world: rule(world.name("topic"), permission=9))
create("the cluster", lambda world: rule("kafka-cluster", kind=CLUSTER, operation=DESCRIBE))
create("a cluster of another name", lambda world: rule("my-cluster", kind=CLUSTER, operation=DESCRIBE))
create("no name", lambda world: rule(""))
create("every name", lambda world: rule("*", principal="User:nobody"))
create("no principal", lambda world: rule(world.name("topic"), principal=""))
create("a principal without a kind", lambda world: rule(world.name("topic"), principal="alice"))
create("a principal of another kind", lambda world: rule(world.name("topic"), principal="Group:staff"))
create("a principal without a name", lambda world: rule(world.name("topic"), principal="User:"))
create("no host", lambda world: rule(world.name("topic"), host=""))
create("a host", lambda world: rule(world.name("topic"), host="127.0.0.9"))
create("users", lambda world: rule(world.name("user"), kind=USER, operation=DESCRIBE), versions="3-")
create("a good one and a bad one", lambda world: rule(world.name("good")), lambda world: rule(world.name("bad"), operation=1))
create("none")


def match(name, **other):
    return {**FILTER, "ResourceNameFilter": name, **other}


def describes(title, pattern=1, versions="", **other):
    """Rules of a topic: one of its own, one of names that begin alike, and somebody else's."""

    @case("DescribeAcls", title, versions, is_secured=True)
    def _(world):
        name = world.name("topic")
        prefix = name[:-2]
        world.server.names[prefix] = "top"
        allow(
            world,
            rule(name),
            rule(name, operation=WRITE, permission=DENY),
            rule(prefix, pattern=PREFIXED),
            rule(name, principal="User:bob", host="10.0.0.1"),
        )
        wanted = {key: {"NAME": name, "PREFIX": prefix}.get(value, value) for key, value in other.items()}
        answer = world.ask(**{**match(name, PatternTypeFilter=pattern), **wanted})
        forget(world)
        return answer


describes("any rule of a topic's name")
describes("all rules that a topic's name matches", pattern=MATCH)
describes("rules of the whole name", pattern=LITERAL)
describes("rules of names that begin so", pattern=PREFIXED, ResourceNameFilter="PREFIX")
describes("a principal's", PrincipalFilter="User:bob")
describes("a host's", HostFilter="10.0.0.1")
describes("an operation's", Operation=WRITE)
describes("what is denied", PermissionType=DENY)
describes("another kind of resource", ResourceTypeFilter=GROUP)
describes("everything", ResourceNameFilter=None)
describes("a kind that is not known", ResourceTypeFilter=99)
describes("a pattern that is not known", pattern=9)
describes("an operation that is not known", Operation=99)
describes("a permission that is not known", PermissionType=9)
describes("no name", ResourceNameFilter="")
describes("a principal that is none", PrincipalFilter="bob")


def deletes(title, *filters):
    @case("DeleteAcls", title, is_secured=True)
    def _(world):
        name = world.name("topic")
        allow(world, rule(name), rule(name, operation=WRITE, permission=DENY))
        answer = world.ask(Filters=[match(name, **one) for one in filters])
        forget(world)
        return answer


deletes("all of a topic", {})
deletes("one of them", {"Operation": READ})
deletes("what is not there", {"Operation": ALTER})
deletes("two filters", {"Operation": READ}, {"Operation": WRITE})
deletes("two filters that match the same", {"Operation": READ}, {})
deletes("a kind that is not known", {"ResourceTypeFilter": 99})
deletes("an operation that is not known", {"Operation": 99})
deletes("a good filter and a bad one", {"Operation": READ}, {"PatternTypeFilter": 9})
deletes("none")

# Those who are not allowed to. Every API is asked by somebody who may do nothing.


def denied(api, title="by somebody who may do nothing", versions="", **fields):
    """Fields are values, or functions that make them."""

    @case(api, title, versions, is_secured=True)
    def _(world):
        known = {key: value(world) if callable(value) else value for key, value in fields.items()}
        return world.ask(_line=world.login(), **known)


def topics(**fields):
    """A topic that is there and one that is not."""
    return lambda world: [
        {"topic": topic, **{key: value(world) if callable(value) else value for key, value in fields.items()}}
        for topic in (world.orders, world.nowhere())
    ]


ONE = [{"PartitionIndex": 0, "Timestamp": -1, "CommittedOffset": 1, "CommittedMetadata": "", "Offset": 0, "Replicas": [1]}]


def only(*names):
    return [{key: ONE[0][key] for key in ("PartitionIndex", *names)}]


denied("Produce", Acks=-1, TimeoutMs=1000, TopicData=topics(PartitionData=lambda world: [{"Index": 0, "Records": world.batch()}]))
denied(
    "Fetch", MaxWaitMs=0, MinBytes=0, Topics=topics(Partitions=[{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000}])
)
denied("ListOffsets", ReplicaId=-1, Topics=topics(Partitions=only("Timestamp")))
denied("Metadata", Topics=lambda world: [{"Name": world.orders.name}, {"Name": world.name("nowhere")}])
denied(
    "Metadata",
    "by id, by somebody who may do nothing",
    "12-",
    Topics=lambda world: [{"Name": None, "TopicId": topic.id} for topic in (world.orders, world.nowhere())],
)
denied("Metadata", "of everything, by somebody who may do nothing", "1-", Topics=None)
denied("OffsetCommit", GroupId="group", Topics=topics(Partitions=only("CommittedOffset", "CommittedMetadata")))
denied("OffsetFetch", GroupId="group", Topics=None, Groups=[{"GroupId": "group", "Topics": None}], versions="2-")
denied("FindCoordinator", Key="group", CoordinatorKeys=["group"])
denied(
    "FindCoordinator",
    "of a transaction, by somebody who may do nothing",
    "1-",
    Key="transaction",
    CoordinatorKeys=["transaction"],
    KeyType=1,
)
denied(
    "FindCoordinator",
    "of a share partition, by somebody who may do nothing",
    "6-",
    CoordinatorKeys=["group:AAAAAAAAAAAAAAAAAAAAAQ:0"],
    KeyType=2,
)
denied(
    "JoinGroup",
    GroupId="group",
    SessionTimeoutMs=30000,
    RebalanceTimeoutMs=30000,
    MemberId="",
    ProtocolType="consumer",
    Protocols=[{"Name": "range", "Metadata": SUBSCRIPTION}],
)
denied("Heartbeat", GroupId="group", GenerationId=1, MemberId="m")
denied("LeaveGroup", GroupId="group", MemberId="m", Members=[{"MemberId": "m"}])
denied("SyncGroup", GroupId="group", GenerationId=1, MemberId="m", ProtocolType="consumer", ProtocolName="range")
denied("DescribeGroups", Groups=["group"])
denied("ListGroups")
denied(
    "CreateTopics",
    Topics=lambda world: [
        {"Name": name, "NumPartitions": 1, "ReplicationFactor": 1} for name in (world.orders.name, world.name("nowhere"))
    ],
    TimeoutMs=1000,
)
denied(
    "DeleteTopics",
    Topics=lambda world: [{"Name": world.orders.name}, {"Name": world.name("nowhere")}],
    TopicNames=lambda world: [world.orders.name, world.name("nowhere")],
    TimeoutMs=1000,
)
denied(
    "DeleteTopics",
    "by id, by somebody who may do nothing",
    "6-",
    Topics=lambda world: [{"Name": None, "TopicId": topic.id} for topic in (world.orders, world.nowhere())],
    TimeoutMs=1000,
)
denied("DeleteRecords", Topics=topics(Partitions=only("Offset")), TimeoutMs=1000)
denied("InitProducerId", TransactionalId="transaction", TransactionTimeoutMs=60000)
denied("InitProducerId", "idempotent, by somebody who may do nothing", TransactionalId=None, TransactionTimeoutMs=60000)
denied(
    "OffsetForLeaderEpoch", ReplicaId=-1, Topics=topics(Partitions=[{"Partition": 0, "LeaderEpoch": 0, "CurrentLeaderEpoch": -1}])
)
denied(
    "AddPartitionsToTxn",
    versions="0-3",
    V3AndBelowTransactionalId="transaction",
    V3AndBelowProducerId=1,
    V3AndBelowProducerEpoch=0,
    V3AndBelowTopics=topics(Partitions=[0]),
)
denied(
    "AddPartitionsToTxn",
    "of brokers, by somebody who may do nothing",
    "4-",
    Transactions=lambda world: [
        {
            "TransactionalId": "transaction",
            "ProducerId": 1,
            "ProducerEpoch": 0,
            "VerifyOnly": True,
            "Topics": [{"topic": world.orders, "Partitions": [0]}],
        }
    ],
)
denied("AddOffsetsToTxn", TransactionalId="transaction", ProducerId=1, ProducerEpoch=0, GroupId="group")
denied("EndTxn", TransactionalId="transaction", ProducerId=1, ProducerEpoch=0, Committed=True)
denied(
    "WriteTxnMarkers",
    Markers=lambda world: [
        {
            "ProducerId": 1,
            "ProducerEpoch": 0,
            "TransactionResult": False,
            "Topics": [{"topic": world.orders, "PartitionIndexes": [0]}],
            "CoordinatorEpoch": 0,
        }
    ],
)
denied(
    "TxnOffsetCommit",
    TransactionalId="transaction",
    GroupId="group",
    ProducerId=1,
    ProducerEpoch=0,
    Topics=topics(Partitions=only("CommittedOffset", "CommittedMetadata")),
)
denied("DescribeAcls", **FILTER)
denied("CreateAcls", Creations=[rule("x")])
denied("DeleteAcls", Filters=[FILTER])
denied(
    "DescribeConfigs",
    Resources=lambda world: [
        {"ResourceType": kind, "ResourceName": name, "ConfigurationKeys": []}
        for kind, name in ((2, world.orders.name), (2, world.name("nowhere")), (4, "1"), (32, "group"))
    ],
)
denied(
    "AlterConfigs",
    Resources=lambda world: [
        {"ResourceType": kind, "ResourceName": name, "Configs": []}
        for kind, name in ((2, world.orders.name), (2, world.name("nowhere")), (4, "1"))
    ],
)
denied(
    "IncrementalAlterConfigs",
    Resources=lambda world: [
        {"ResourceType": kind, "ResourceName": name, "Configs": []}
        for kind, name in ((2, world.orders.name), (2, world.name("nowhere")), (4, "1"), (32, "group"))
    ],
)
denied("AlterReplicaLogDirs", Dirs=lambda world: [{"Path": "/elsewhere", "Topics": [{"topic": world.orders, "Partitions": [0]}]}])
denied("DescribeLogDirs", Topics=None)
denied("CreatePartitions", Topics=topics(Count=9, Assignments=None), TimeoutMs=1000)
denied("DeleteGroups", GroupsNames=["group"])
denied("ElectLeaders", TopicPartitions=topics(Partitions=[0]), TimeoutMs=1000)
denied("AlterPartitionReassignments", TimeoutMs=1000, Topics=topics(Partitions=only("Replicas")))
denied("ListPartitionReassignments", TimeoutMs=1000, Topics=None)
denied("OffsetDelete", GroupId="group", Topics=topics(Partitions=only()))
denied("DescribeClientQuotas", Components=[])
denied(
    "AlterClientQuotas",
    Entries=[{"Entity": [{"EntityType": "user", "EntityName": "x"}], "Ops": [{"Key": "producer_byte_rate", "Value": 1.0}]}],
)
denied("DescribeUserScramCredentials", Users=None)
denied("AlterUserScramCredentials", Deletions=[{"Name": "bob", "Mechanism": 1}])
denied("DescribeQuorum", Topics=[{"TopicName": "__cluster_metadata", "Partitions": [{"PartitionIndex": 0}]}])
denied("UpdateFeatures", TimeoutMs=1000, FeatureUpdates=[{"Feature": "planets", "MaxVersionLevel": 1}])
denied("DescribeCluster", IncludeClusterAuthorizedOperations=True)
denied("DescribeProducers", Topics=topics(PartitionIndexes=[0]))
denied("UnregisterBroker", BrokerId=9)
denied("UnregisterController", ControllerId=9)
denied("DescribeTransactions", TransactionalIds=["transaction"])
denied("ListTransactions")
denied(
    "ConsumerGroupHeartbeat",
    GroupId="group",
    MemberId="m",
    MemberEpoch=0,
    RebalanceTimeoutMs=30000,
    SubscribedTopicNames=["x"],
    TopicPartitions=[],
)
denied("ConsumerGroupDescribe", GroupIds=["group"])
denied("ListConfigResources")
denied("DescribeTopicPartitions", Topics=lambda world: [{"Name": world.orders.name}, {"Name": world.name("nowhere")}])
denied("ShareGroupHeartbeat", GroupId="group", MemberId="AAAAAAAAAAAAAAAAAAAAAQ", MemberEpoch=0, SubscribedTopicNames=["x"])
denied("ShareGroupDescribe", GroupIds=["group"])
denied(
    "ShareFetch",
    GroupId="group",
    MemberId="AAAAAAAAAAAAAAAAAAAAAQ",
    ShareSessionEpoch=0,
    MaxWaitMs=0,
    MinBytes=0,
    MaxRecords=5,
    BatchSize=5,
)
denied("ShareAcknowledge", GroupId="group", MemberId="AAAAAAAAAAAAAAAAAAAAAQ", ShareSessionEpoch=1)
denied("AddRaftVoter", ClusterId=lambda world: world.server.cluster, VoterId=9, VoterDirectoryId=bytes([0x22]) * 16)
denied("RemoveRaftVoter", ClusterId=lambda world: world.server.cluster, VoterId=9, VoterDirectoryId=bytes([0x22]) * 16)
denied("StreamsGroupHeartbeat", GroupId="group", MemberId="m", MemberEpoch=0)
denied("StreamsGroupDescribe", GroupIds=["group"])
denied("DescribeShareGroupOffsets", Groups=[{"GroupId": "group", "Topics": None}])
denied("AlterShareGroupOffsets", GroupId="group", Topics=[])
denied("DeleteShareGroupOffsets", GroupId="group", Topics=[])


# Those who may do one thing.


def allowed(api, title, rules, versions="", **fields):
    @case(api, title, versions, is_secured=True)
    def _(world):
        topic = world.topic(2)
        allow(world, *rules(topic.name))
        world.orders = topic
        known = {key: value(world) if callable(value) else value for key, value in fields.items()}
        answer = world.ask(_line=world.login(), **known)
        forget(world)
        return answer


def one(**fields):
    return lambda world: [
        {"topic": world.orders, **{key: value(world) if callable(value) else value for key, value in fields.items()}}
    ]


def may(*operations, kind=TOPIC, name=None, permission=ALLOW):
    return lambda topic: [rule(name or topic, kind=kind, operation=operation, permission=permission) for operation in operations]


RECORDS = one(PartitionData=lambda world: [{"Index": 0, "Records": world.batch()}])
allowed("Produce", "by somebody who may write", may(WRITE), Acks=-1, TimeoutMs=1000, TopicData=RECORDS)
allowed("Produce", "by somebody who may read", may(READ), Acks=-1, TimeoutMs=1000, TopicData=RECORDS)
allowed(
    "Produce",
    "by somebody who may write and may not",
    lambda name: may(WRITE)(name) + may(WRITE, permission=DENY)(name),
    Acks=-1,
    TimeoutMs=1000,
    TopicData=RECORDS,
)
allowed("Produce", "by somebody who may do all", may(ALL), Acks=-1, TimeoutMs=1000, TopicData=RECORDS)
allowed(
    "Produce",
    "by somebody who may write names that begin so",
    lambda name: [rule(name[:-1], operation=WRITE, pattern=PREFIXED)],
    Acks=-1,
    TimeoutMs=1000,
    TopicData=RECORDS,
)
allowed(
    "Produce",
    "by somebody who may write from elsewhere",
    lambda name: [rule(name, operation=WRITE, host="10.9.9.9")],
    Acks=-1,
    TimeoutMs=1000,
    TopicData=RECORDS,
)
allowed(
    "Fetch",
    "by somebody who may read",
    may(READ),
    MaxWaitMs=0,
    MinBytes=0,
    Topics=one(Partitions=[{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000}]),
)
allowed(
    "Fetch",
    "by somebody who may describe",
    may(DESCRIBE),
    MaxWaitMs=0,
    MinBytes=0,
    Topics=one(Partitions=[{"Partition": 0, "FetchOffset": 0, "PartitionMaxBytes": 1000}]),
)
allowed("ListOffsets", "by somebody who may describe", may(DESCRIBE), ReplicaId=-1, Topics=one(Partitions=only("Timestamp")))
allowed("ListOffsets", "by somebody who may write", may(WRITE), ReplicaId=-1, Topics=one(Partitions=only("Timestamp")))
allowed(
    "Metadata",
    "by somebody who may read, and what else",
    may(READ),
    versions="8-",
    Topics=lambda world: [{"Name": world.orders.name}],
    IncludeTopicAuthorizedOperations=True,
)
allowed(
    "Metadata",
    "by somebody who may alter, and what else",
    may(ALTER, DELETE),
    versions="8-",
    Topics=lambda world: [{"Name": world.orders.name}],
    IncludeTopicAuthorizedOperations=True,
)
allowed(
    "Metadata",
    "by somebody who may make topics",
    may(CREATE, kind=CLUSTER, name="kafka-cluster"),
    Topics=lambda world: [{"Name": world.name("made")}],
)
allowed(
    "CreateTopics",
    "by somebody who may make that one",
    lambda name: [rule("made-", operation=CREATE, pattern=PREFIXED)],
    Topics=lambda world: [{"Name": world.name("made"), "NumPartitions": 1, "ReplicationFactor": 1}],
    TimeoutMs=1000,
    ValidateOnly=True,
)
allowed("CreatePartitions", "by somebody who may alter", may(ALTER), Topics=one(Count=3, Assignments=None), TimeoutMs=1000)
allowed(
    "DeleteTopics",
    "by somebody who may describe",
    may(DESCRIBE),
    TopicNames=lambda world: [world.orders.name],
    Topics=lambda world: [{"Name": world.orders.name}],
    TimeoutMs=1000,
)
allowed(
    "DeleteTopics",
    "by somebody who may delete",
    may(DELETE),
    TopicNames=lambda world: [world.orders.name],
    Topics=lambda world: [{"Name": world.orders.name}],
    TimeoutMs=1000,
)
allowed(
    "DeleteTopics",
    "by id, by somebody who may describe",
    may(DESCRIBE),
    versions="6-",
    Topics=lambda world: [{"Name": None, "TopicId": world.orders.id}],
    TimeoutMs=1000,
)
allowed(
    "OffsetCommit",
    "by somebody who may read the group",
    may(READ, kind=GROUP, name="group"),
    GroupId="group",
    Topics=one(Partitions=only("CommittedOffset", "CommittedMetadata")),
)
allowed(
    "OffsetCommit",
    "by somebody who may read group and topic",
    lambda name: may(READ)(name) + may(READ, kind=GROUP, name="group")(name),
    GroupId="group",
    Topics=one(Partitions=only("CommittedOffset", "CommittedMetadata")),
)
allowed(
    "OffsetFetch",
    "by somebody who may describe the group",
    may(DESCRIBE, kind=GROUP, name="nobodys"),
    GroupId="nobodys",
    Topics=one(PartitionIndexes=[0]),
    Groups=lambda world: [{"GroupId": "nobodys", "Topics": [{"topic": world.orders, "PartitionIndexes": [0]}]}],
)
allowed(
    "DescribeGroups",
    "by somebody who may describe, and what else",
    may(DESCRIBE, kind=GROUP, name="nobodys"),
    versions="3-",
    Groups=["nobodys"],
    IncludeAuthorizedOperations=True,
)
allowed(
    "InitProducerId",
    "idempotent, by somebody who may write some topic",
    may(WRITE),
    TransactionalId=None,
    TransactionTimeoutMs=60000,
)
allowed(
    "InitProducerId",
    "by somebody who may write the transaction",
    may(WRITE, kind=TRANSACTION, name="alices"),
    TransactionalId="alices",
    TransactionTimeoutMs=60000,
)
allowed(
    "FindCoordinator",
    "by somebody who may describe the group",
    may(DESCRIBE, kind=GROUP, name="group"),
    Key="group",
    CoordinatorKeys=["group"],
)
allowed(
    "DescribeConfigs",
    "by somebody who may describe the topic's configs",
    may(10),
    Resources=lambda world: [{"ResourceType": 2, "ResourceName": world.orders.name, "ConfigurationKeys": ["cleanup.policy"]}],
)
allowed(
    "DescribeCluster",
    "by somebody who may describe it, and what else",
    may(DESCRIBE, kind=CLUSTER, name="kafka-cluster"),
    IncludeClusterAuthorizedOperations=True,
)
allowed(
    "DescribeAcls",
    "by somebody who may describe the cluster",
    may(DESCRIBE, kind=CLUSTER, name="kafka-cluster"),
    **{**FILTER, "ResourceNameFilter": "nothing"},
)

# Credentials for SCRAM.

SHA_256, SHA_512 = 1, 2


def upsert(name, mechanism=SHA_256, iterations=4096, salt=b"salt", password=b"p" * 32):
    return {"Name": name, "Mechanism": mechanism, "Iterations": iterations, "Salt": salt, "SaltedPassword": password}


def scram(title, *upserts, deletions=(), is_there=False):
    @case("AlterUserScramCredentials", title)
    def _(world):
        name = world.name("user")
        if is_there:
            world.call("AlterUserScramCredentials", 0, Upsertions=[upsert(name)])
            world.until(
                lambda: world.call("DescribeUserScramCredentials", 0, Users=[{"Name": name}])["Results"][0], "ErrorCode", 0
            )
        made = [upsert(**{"name": name, **one}) for one in upserts]
        return world.ask(
            Upsertions=made,
            Deletions=[
                {"Name": name, "Mechanism": one} if isinstance(one, int) else {"Name": one[0], "Mechanism": one[1]}
                for one in deletions
            ],
        )


LONGER = {"mechanism": SHA_512, "password": b"p" * 64}
scram("make", {})
scram("make the longer one", LONGER)
scram("make both", {}, LONGER)
scram("change", {"iterations": 8192}, is_there=True)
scram("too few iterations", {"iterations": 4095})
scram("as many iterations as there may be", {"iterations": 16384})
scram("too many iterations", {"iterations": 16385})
scram("negative iterations", {"iterations": -1})
scram("a mechanism that is not known", {"mechanism": 9})
scram("mechanism 0", {"mechanism": 0})
scram("no name", {"name": ""})
scram("one twice", {}, {})
scram("delete", deletions=(SHA_256,), is_there=True)
scram("delete what is not there", deletions=(SHA_256,))
scram("delete a mechanism that is not known", deletions=(9,))
scram("delete without a name", deletions=(("", SHA_256),))
scram("make and delete at once", {}, deletions=(SHA_256,), is_there=True)
scram("delete one twice", deletions=(SHA_256, SHA_256), is_there=True)
scram("delete both", deletions=(SHA_256, SHA_512), is_there=True)
scram("make one and delete the other", LONGER, deletions=(SHA_256,), is_there=True)
scram("one that is wrong, and another", {"iterations": 1}, LONGER)
scram("one, and another that is wrong", {}, {**LONGER, "iterations": 1})
scram("delete what is not there, and what is", deletions=(SHA_512, SHA_256), is_there=True)
scram("one three times", {}, LONGER, {})
scram("a good one and a bad one", {}, {"name": "other", "iterations": 1})
scram("nothing")


@case("DescribeUserScramCredentials", "a user who has some, one who has none, one twice")
def _(world):
    name = world.name("user")
    for one in (upsert(name), upsert(name, SHA_512, password=b"p" * 64)):
        world.call("AlterUserScramCredentials", 0, Upsertions=[one])
    world.until(lambda: world.call("DescribeUserScramCredentials", 0, Users=[{"Name": name}])["Results"][0], "ErrorCode", 0)
    return world.ask(Users=[{"Name": one} for one in (name, "nobody", "twice", "twice")])


@case("DescribeUserScramCredentials", "all")
def _(world):
    name = world.name("user")
    world.call("AlterUserScramCredentials", 0, Upsertions=[upsert(name)])
    world.until(lambda: world.call("DescribeUserScramCredentials", 0, Users=[{"Name": name}])["Results"][0], "ErrorCode", 0)
    return world.see(world.ask(Users=None), "Results", User=[name])


ask("DescribeUserScramCredentials", "no name", Users=[{"Name": ""}])

# Tokens.

RENEWER = [{"PrincipalType": "User", "PrincipalName": "bob"}]


def token(api, title, versions="", **fields):
    """Asked by somebody who has not logged in, and by somebody who has."""
    ask(api, title, versions, **fields)

    @case(api, f"{title}, by somebody who has logged in", versions, is_secured=True)
    def _(world):
        return world.ask(_line=world.login(), **fields)


FOR_BOB = dict(OwnerPrincipalType="User", OwnerPrincipalName="bob")
token("CreateDelegationToken", "one", Renewers=[], MaxLifetimeMs=-1)
token("CreateDelegationToken", "one that another may renew", Renewers=RENEWER, MaxLifetimeMs=1000)
token("CreateDelegationToken", "for another", "3-", Renewers=[], MaxLifetimeMs=-1, **FOR_BOB)
token("RenewDelegationToken", "one that is not there", Hmac=b"hmac", RenewPeriodMs=-1)
token("ExpireDelegationToken", "one that is not there", Hmac=b"hmac", ExpiryTimePeriodMs=-1)
token("DescribeDelegationToken", "all", Owners=None)
token("DescribeDelegationToken", "somebody's", Owners=RENEWER)
token("DescribeDelegationToken", "nobody's", Owners=[])
