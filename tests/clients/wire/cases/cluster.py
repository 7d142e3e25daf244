"""What is asked of the cluster, its brokers, their directories and replicas."""

from case import ask, case

ask("ApiVersions", "what is served", ClientSoftwareName="wire", ClientSoftwareVersion="1.0")


def offered(answer):
    """Which APIs and features there are is the matter of one case."""
    for name in ("ApiKeys", "SupportedFeatures", "FinalizedFeatures"):
        if name in answer:
            answer[name] = len(answer[name]) > 0
    return answer


def versions_of(title, versions="3-", **fields):
    @case("ApiVersions", title, versions)
    def _(world):
        wanted = {"ClientSoftwareName": "wire", "ClientSoftwareVersion": "1.0", **fields}
        if wanted.get("ClusterId") == "ours":
            wanted["ClusterId"] = world.server.cluster
        answer = world.ask(**wanted)
        return offered(answer)


versions_of("a name of nothing", ClientSoftwareName="")
versions_of("a version of nothing", ClientSoftwareVersion="")
versions_of("a name with a blank", ClientSoftwareName="my client")
versions_of("a name that begins with a dash", ClientSoftwareName="-wire")
versions_of("a version with a plus", ClientSoftwareVersion="1.0+2")
versions_of("this cluster and this node", "5-", ClusterId="ours", NodeId=1)
versions_of("another cluster", "5-", ClusterId="elsewhere", NodeId=1)
versions_of("another node", "5-", ClusterId="ours", NodeId=7)
versions_of("another node and no cluster", "5-", NodeId=7)
versions_of("another cluster and no node", "5-", ClusterId="elsewhere")


@case("ApiVersions", "twice")
def _(world):
    wanted = dict(ClientSoftwareName="wire", ClientSoftwareVersion="1.0")
    return {"ErrorCodes": [world.ask(**wanted)["ErrorCode"] for _ in range(2)]}


# DescribeCluster.

ask("DescribeCluster", "the cluster")
ask("DescribeCluster", "what may be done with it", IncludeClusterAuthorizedOperations=True)
ask("DescribeCluster", "its controllers, asked of a broker", "1-", EndpointType=2)
ask("DescribeCluster", "a kind of endpoint that is not known", "1-", EndpointType=9)
ask("DescribeCluster", "fenced brokers too", "2-", IncludeFencedBrokers=True)

# DescribeLogDirs, AlterReplicaLogDirs.


def directories(title, make, versions=""):
    @case("DescribeLogDirs", title, versions)
    def _(world):
        topics = make(world)
        answer = world.ask(Topics=topics)
        for one in answer["Results"]:
            world.see(one, "Topics", Name=[world.orders.name, *[topic["Topic"] for topic in topics or []]])
        return answer


directories("all", lambda world: None)
directories("a topic", lambda world: [{"Topic": world.orders.name, "Partitions": [0, 1]}])
directories("a partition that is not there", lambda world: [{"Topic": world.orders.name, "Partitions": [7, -1]}])
directories("a topic that is not there", lambda world: [{"Topic": world.name("nowhere"), "Partitions": [0]}])
directories("a topic without partitions", lambda world: [{"Topic": world.orders.name, "Partitions": []}])
directories("no topics", lambda world: [])
directories("a topic twice", lambda world: [{"Topic": world.orders.name, "Partitions": [0]}] * 2)


def move(title, directory, *topics):
    """Topics are a name and partitions."""

    @case("AlterReplicaLogDirs", title)
    def _(world):
        there = str(world.server.directory / "data") if directory is None else directory
        wanted = [{"Name": name(world), "Partitions": list(partitions)} for name, partitions in topics]
        return world.ask(Dirs=[{"Path": there, "Topics": wanted}])


def orders(world):
    return world.orders.name


def nowhere(world):
    return world.name("nowhere")


move("to where it is", None, (orders, (0, 1)))
move("to a directory that is not there", "/elsewhere", (orders, (0,)))
move("to a path from here", "elsewhere", (orders, (0,)))
move("to no directory", "", (orders, (0,)))
move("a partition that is not there", None, (orders, (0, 7, -1)))
move("a topic that is not there", None, (nowhere, (0,)))
move("a topic that is not there to a directory that is not", "/elsewhere", (nowhere, (0,)))
move("nothing", None)
ask("AlterReplicaLogDirs", "no directories", Dirs=[])

# ElectLeaders.


def elect(title, *topics, versions="", **fields):
    def request(world):
        return dict(
            TopicPartitions=[{"Topic": name(world), "Partitions": list(partitions)} for name, partitions in topics],
            TimeoutMs=1000,
            **fields,
        )

    ask("ElectLeaders", title, versions, _request=request)


elect("the preferred one", (orders, (0, 1)))
elect("one out of sync", (orders, (0,)), versions="1-", ElectionType=1)
elect("a kind that is not known", (orders, (0,)), versions="1-", ElectionType=7)
elect("a partition that is not there", (orders, (0, 9, -1)))
elect("a topic that is not there", (nowhere, (0,)))
elect("no partitions", (orders, ()))
elect("nothing")


@case("ElectLeaders", "everywhere")
def _(world):
    return [
        world.see(
            world.ask(ElectionType=kind, TopicPartitions=None, TimeoutMs=1000), "ReplicaElectionResults", Topic=[orders(world)]
        )
        for kind in (0, 1)
    ]


# AlterPartitionReassignments, ListPartitionReassignments.


def reassign(title, *partitions, versions="", topic=orders, **fields):
    """Partitions are an index and brokers."""

    def request(world):
        wanted = [{"PartitionIndex": at, "Replicas": replicas} for at, replicas in partitions]
        return dict(TimeoutMs=1000, Topics=[{"Name": topic(world), "Partitions": wanted}], **fields)

    ask("AlterPartitionReassignments", title, versions, _request=request)


reassign("to the broker that has it", (0, [1]))
reassign("to a broker that is not there", (0, [9]))
reassign("to one that is there and one that is not", (0, [1, 9]))
reassign("twice to one broker", (0, [1, 1]))
reassign("to nobody", (0, []))
reassign("to a negative broker", (0, [-1]))
reassign("a change that is not under way is taken back", (0, None))
reassign("a partition that is not there", (9, [1]), (-1, [1]))
reassign("a partition twice", (0, [1]), (0, [1]))
reassign("a topic that is not there", (0, [1]), topic=nowhere)
reassign("a topic without a name", (0, [1]), topic=lambda world: "")
reassign("no partitions")
reassign("no other number of replicas", (0, [1]), versions="1-", AllowReplicationFactorChange=False)
reassign("another number of replicas, which is not allowed", (0, [1, 9]), versions="1-", AllowReplicationFactorChange=False)
ask("AlterPartitionReassignments", "nothing", TimeoutMs=1000, Topics=[])
ask("ListPartitionReassignments", "all", TimeoutMs=1000, Topics=None)
ask("ListPartitionReassignments", "none", TimeoutMs=1000, Topics=[])
ask(
    "ListPartitionReassignments",
    "some",
    TimeoutMs=1000,
    _request=lambda world: dict(
        Topics=[{"Name": orders(world), "PartitionIndexes": [0, 9]}, {"Name": nowhere(world), "PartitionIndexes": [0]}]
    ),
)

# Quotas.


def quotas(title, *components, versions="", strict=False):
    """Components are a kind of entity, how to match and what. Of what is there only what the case has made."""

    @case("DescribeClientQuotas", title, versions)
    def _(world):
        user = world.name("user")
        entity = [{"EntityType": "user", "EntityName": user}]
        world.call("AlterClientQuotas", 1, Entries=[{"Entity": entity, "Ops": [{"Key": "producer_byte_rate", "Value": 1024.0}]}])
        wanted = [
            {"EntityType": kind, "MatchType": how, "Match": user if name == "USER" else name} for kind, how, name in components
        ]
        world.until(
            lambda: {
                "there": bool(
                    world.call("DescribeClientQuotas", 1, Components=[{"EntityType": "user", "MatchType": 0, "Match": user}])[
                        "Entries"
                    ]
                )
            },
            "there",
            True,
        )
        answer = world.ask(Components=wanted, Strict=strict)
        if answer.get("Entries"):
            answer["Entries"] = [one for one in answer["Entries"] if one["Entity"][0]["EntityName"] == user]
        return answer


quotas("a user's", ("user", 0, "USER"))
quotas("all users'", ("user", 2, None))
quotas("the default user's", ("user", 1, None))
quotas("a user who has none", ("user", 0, "nobody"))
quotas("only a user's", ("user", 0, "USER"), strict=True)
quotas("a kind that is not known", ("planet", 0, "earth"))
quotas("no kind", ("", 0, "x"))
quotas("a way to match that is not known", ("user", 7, "x"))
quotas("a name where there should be none", ("user", 1, "x"))
quotas("no name where there should be one", ("user", 0, None))
quotas("a kind twice", ("user", 0, "USER"), ("user", 2, None))
quotas("an address and a user", ("ip", 2, None), ("user", 2, None))
quotas("all")


def set_quota(title, entity, *changes, versions="", dry=False):
    @case("AlterClientQuotas", title, versions)
    def _(world):
        name = world.name("user")
        who = [{"EntityType": kind, "EntityName": name if one == "USER" else one} for kind, one in entity]
        ops = [
            {"Key": key, "Value": value, "Remove": value is None} if value is not None else {"Key": key, "Remove": True}
            for key, value in changes
        ]
        return world.ask(Entries=[{"Entity": who, "Ops": ops}], ValidateOnly=dry)


set_quota("set", [("user", "USER")], ("producer_byte_rate", 1000.0))
set_quota("nothing but a look", [("user", "USER")], ("producer_byte_rate", 1000.0), dry=True)
set_quota("remove", [("user", "USER")], ("producer_byte_rate", None))
set_quota(
    "a user and a client", [("user", "USER"), ("client-id", "client")], ("consumer_byte_rate", 5.0), ("request_percentage", 50.0)
)
set_quota("an address's connections", [("ip", "127.0.0.1")], ("connection_creation_rate", None))
set_quota("an address that is none", [("ip", "not an address")], ("connection_creation_rate", 10.0))
set_quota("a key that is not known", [("user", "USER")], ("planets", 1.0))
set_quota("a key of an address for a user", [("user", "USER")], ("connection_creation_rate", 1.0))
set_quota("a part of a byte", [("user", "USER")], ("producer_byte_rate", 0.5))
set_quota("nothing", [("user", "USER")], ("producer_byte_rate", 0.0))
set_quota("less than nothing", [("user", "USER")], ("producer_byte_rate", -1.0))
set_quota("a key twice", [("user", "USER")], ("producer_byte_rate", 1000.0), ("producer_byte_rate", 2000.0))
set_quota("a kind that is not known", [("planet", "earth")], ("producer_byte_rate", 1000.0))
set_quota("no entity", [], ("producer_byte_rate", 1000.0))
set_quota("a user without a name", [("user", "")], ("producer_byte_rate", 1000.0))
set_quota("a user and an address", [("user", "USER"), ("ip", "127.0.0.1")], ("producer_byte_rate", 1000.0))
set_quota("no changes", [("user", "USER")])
ask("AlterClientQuotas", "nobody", Entries=[])

# The quorum of controllers, features, brokers.

CLUSTER_METADATA = "__cluster_metadata"


@case("DescribeQuorum", "the quorum")
def _(world):
    answer = world.ask(Topics=[{"TopicName": CLUSTER_METADATA, "Partitions": [{"PartitionIndex": 0}]}])
    for topic in answer["Topics"]:
        for partition in topic["Partitions"]:
            # How much the controllers have written is their business.
            partition["HighWatermark"] = partition["HighWatermark"] > 0
            for one in partition["CurrentVoters"] + partition["Observers"]:
                one["LogEndOffset"] = one["LogEndOffset"] > 0
                for name in ("LastFetchTimestamp", "LastCaughtUpTimestamp"):
                    if name in one:
                        one[name] = one[name] > 0
    for node in answer.get("Nodes", []):
        for listener in node["Listeners"]:
            listener["Port"] = listener["Port"] > 0
    return answer


ask("DescribeQuorum", "nothing", Topics=[])
ask(
    "DescribeQuorum",
    "another topic",
    _request=lambda world: dict(Topics=[{"TopicName": orders(world), "Partitions": [{"PartitionIndex": 0}]}]),
)
ask("DescribeQuorum", "another partition", Topics=[{"TopicName": CLUSTER_METADATA, "Partitions": [{"PartitionIndex": 1}]}])
ask(
    "DescribeQuorum",
    "two partitions",
    Topics=[{"TopicName": CLUSTER_METADATA, "Partitions": [{"PartitionIndex": 0}, {"PartitionIndex": 1}]}],
)


def features(title, *updates, versions="", dry=True):
    """Updates are a feature, its level and, if one is meant, how far down one may go."""

    def request(world):
        wanted = [
            {"Feature": name, "MaxVersionLevel": level, "UpgradeType": how, "AllowDowngrade": how > 1}
            for name, level, how in updates
        ]
        return dict(TimeoutMs=1000, FeatureUpdates=wanted, ValidateOnly=dry)

    ask("UpdateFeatures", title, versions, _request=request)


features("none", versions="1-")
features("one that there is not", ("planets", 1, 1), versions="1-")
features("one without a name", ("", 1, 1), versions="1-")
features("a level that is too high", ("transaction.version", 99, 1), versions="1-")
features("a negative level", ("transaction.version", -1, 1), versions="1-")
features("the level that it has", ("transaction.version", 2, 1), versions="1-")
features("a lower level without leave", ("group.version", 0, 1), versions="1-")
features("one twice", ("group.version", 1, 1), ("group.version", 1, 1), versions="1-")
features("a kind of change that is not known", ("group.version", 1, 9), versions="1-")
features("one that there is not, for real", ("planets", 1, 1), dry=False)

ask("UnregisterBroker", "one that is not there", BrokerId=9)
ask("UnregisterBroker", "a negative one", BrokerId=-1)
ask("UnregisterController", "one that is not there", ControllerId=9)
ask("UnregisterController", "a negative one", ControllerId=-1)
ask("UnregisterController", "the only one", ControllerId=1)

VOTER = bytes([0x22]) * 16
LISTENER = [{"Name": "CONTROLLER", "Host": "127.0.0.1", "Port": 1}]


def voter(api, title, cluster, node=9, versions="", **fields):
    ask(
        api,
        title,
        versions,
        _request=lambda world: dict(
            ClusterId=world.server.cluster if cluster == "ours" else cluster, VoterId=node, VoterDirectoryId=VOTER, **fields
        ),
    )


voter("AddRaftVoter", "one more", "ours", TimeoutMs=500, Listeners=LISTENER)
voter("AddRaftVoter", "to another cluster", "elsewhere", TimeoutMs=500, Listeners=LISTENER)
voter("AddRaftVoter", "to no cluster", None, TimeoutMs=500, Listeners=LISTENER)
voter("AddRaftVoter", "one without an address", "ours", TimeoutMs=500, Listeners=[])
voter("RemoveRaftVoter", "one that is not there", "ours")
voter("RemoveRaftVoter", "the only one", "ours", node=1)
voter("RemoveRaftVoter", "of another cluster", "elsewhere")
voter("RemoveRaftVoter", "of no cluster", None)
