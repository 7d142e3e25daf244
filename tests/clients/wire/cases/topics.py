"""Metadata, CreateTopics, DeleteTopics, CreatePartitions, DescribeTopicPartitions."""

from case import ask, case

# Metadata.

ask("Metadata", "no topics", "1-", Topics=[])


def known(world, answer, *topics):
    names = [topic.name for topic in topics]
    return world.see(answer, "Topics", Name=names)


@case("Metadata", "all topics", "1-")
def _(world):
    return known(world, world.ask(Topics=None), world.orders)


@case("Metadata", "all topics, as the oldest clients ask", "0-0")
def _(world):
    return known(world, world.ask(Topics=[]), world.orders)


def metadata(title, make, versions="", **fields):
    ask("Metadata", title, versions, _request=lambda world: dict(Topics=[make(world)], **fields))


metadata("a topic", lambda world: {"Name": world.orders.name})
metadata(
    "a topic that is not there and is not to be",
    lambda world: {"Name": world.name("nowhere")},
    "4-",
    AllowAutoTopicCreation=False,
)
metadata("a name that no topic may have", lambda world: {"Name": "bad name"})
metadata("no name", lambda world: {"Name": ""})
metadata("a point", lambda world: {"Name": "."})
metadata("two points", lambda world: {"Name": ".."})
metadata("249 characters that are not there", lambda world: {"Name": "x" * 249}, "4-", AllowAutoTopicCreation=False)
metadata("250 characters", lambda world: {"Name": "x" * 250})
metadata("a topic by its id", lambda world: {"Name": None, "TopicId": world.orders.id}, "12-")
metadata("an id that is not there", lambda world: {"Name": None, "TopicId": world.nowhere().id}, "12-")
metadata("an id of zeros and no name", lambda world: {"Name": None}, "12-")
metadata("no name and an id, before that was possible", lambda world: {"Name": None, "TopicId": world.orders.id}, "10-11")
metadata("what may be done with a topic", lambda world: {"Name": world.orders.name}, "8-", IncludeTopicAuthorizedOperations=True)
metadata(
    "what may be done with the cluster",
    lambda world: {"Name": world.orders.name},
    "8-10",
    IncludeClusterAuthorizedOperations=True,
)


@case("Metadata", "a topic that is not there and may be made")
def _(world):
    topic = world.name("made")
    return world.ask(Topics=[{"Name": topic}])


@case("Metadata", "a topic that asking has made")
def _(world):
    topic = world.name("made")
    world.ask(Topics=[{"Name": topic}])
    world.until(
        lambda: world.call("Metadata", 5, Topics=[{"Name": topic}], AllowAutoTopicCreation=False)["Topics"][0], "ErrorCode", 0
    )
    return world.ask(Topics=[{"Name": topic}])


@case("Metadata", "a topic twice")
def _(world):
    return world.ask(Topics=[{"Name": world.orders.name}] * 2)


@case("Metadata", "good and bad ones")
def _(world):
    names = [world.orders.name, "bad name", world.topic(2).name, world.name("nowhere")]
    return (
        world.ask(Topics=[{"Name": name} for name in names], AllowAutoTopicCreation=False)
        if world.version >= 4
        else world.ask(Topics=[{"Name": name} for name in names[:3]])
    )


# CreateTopics.


def create(title, versions="", dry=False, stem="new", **fields):
    @case("CreateTopics", title, versions)
    def _(world):
        topic = {"Name": world.name(stem), "NumPartitions": 1, "ReplicationFactor": 1, **fields}
        answer = world.ask(Topics=[topic], TimeoutMs=10000, ValidateOnly=dry)
        # Which configs there are and what they default to is DescribeConfigs' matter.
        for one in answer.get("Topics", []):
            if one.get("Configs"):
                one["Configs"] = [config for config in one["Configs"] if config["Name"] in ("cleanup.policy", "retention.ms")]
        remember(world, answer)
        return answer


def remember(world, answer):
    for one in answer.get("Topics", []):
        if one.get("TopicId", bytes(16)) != bytes(16):
            world.server.topics[one["TopicId"]] = world.server.names.get(one["Name"], one["Name"])


create("one partition")
create("three partitions", NumPartitions=3)
create("the broker's number of partitions", "4-", NumPartitions=-1)
create("the broker's number of replicas", "4-", ReplicationFactor=-1)
create("no partitions", NumPartitions=0)
create("negative partitions", NumPartitions=-2)
create("no replicas", ReplicationFactor=0)
create("more replicas than brokers", ReplicationFactor=3)
create("negative replicas", ReplicationFactor=-2)
create("nothing but a look", dry=True)
create("nothing but a look at what is wrong", dry=True, NumPartitions=0)
create("a name with a blank", Name="bad name")
create("no name", Name="")
create("a point", Name=".")
create("250 characters", Name="y" * 250)
create("an internal topic's name", Name="__consumer_offsets")
create("replicas by hand", NumPartitions=-1, ReplicationFactor=-1, Assignments=[{"PartitionIndex": 0, "BrokerIds": [1]}])
create(
    "replicas by hand on a broker that is not there",
    NumPartitions=-1,
    ReplicationFactor=-1,
    Assignments=[{"PartitionIndex": 0, "BrokerIds": [9]}],
)
create("replicas by hand and numbers", Assignments=[{"PartitionIndex": 0, "BrokerIds": [1]}])
create(
    "replicas by hand from partition 1 on",
    NumPartitions=-1,
    ReplicationFactor=-1,
    Assignments=[{"PartitionIndex": 1, "BrokerIds": [1]}],
)
create(
    "replicas by hand for no broker", NumPartitions=-1, ReplicationFactor=-1, Assignments=[{"PartitionIndex": 0, "BrokerIds": []}]
)
create(
    "replicas by hand twice on one broker",
    NumPartitions=-1,
    ReplicationFactor=-1,
    Assignments=[{"PartitionIndex": 0, "BrokerIds": [1, 1]}],
)
create(
    "replicas of one partition twice by hand",
    NumPartitions=-1,
    ReplicationFactor=-1,
    Assignments=[{"PartitionIndex": 0, "BrokerIds": [1]}] * 2,
)
create("a config", Configs=[{"Name": "retention.ms", "Value": "172800000"}])
create("a config that there is not", Configs=[{"Name": "retention.meters", "Value": "1"}])
create("a config that is no number", Configs=[{"Name": "retention.ms", "Value": "soon"}])
create("a config out of its range", Configs=[{"Name": "max.message.bytes", "Value": "-1"}])
create("a config of null", Configs=[{"Name": "retention.ms", "Value": None}])
create("a policy that there is not", Configs=[{"Name": "cleanup.policy", "Value": "keep"}])
create("old values go", Configs=[{"Name": "cleanup.policy", "Value": "compact"}])
create("a retention of an hour", Configs=[{"Name": "retention.ms", "Value": "3600000"}])
create("a limit of bytes", Configs=[{"Name": "retention.bytes", "Value": "1000000"}])
ask("CreateTopics", "none", Topics=[], TimeoutMs=1000)


@case("CreateTopics", "one that there is")
def _(world):
    return world.ask(Topics=[{"Name": world.orders.name, "NumPartitions": 1, "ReplicationFactor": 1}], TimeoutMs=1000)


@case("CreateTopics", "one twice")
def _(world):
    topic = {"Name": world.name("twice"), "NumPartitions": 1, "ReplicationFactor": 1}
    return world.ask(Topics=[topic, topic], TimeoutMs=1000)


@case("CreateTopics", "one whose name differs by a point")
def _(world):
    # Metrics do not tell points from underscores.
    name = world.name("a.b")
    world.call("CreateTopics", 7, Topics=[{"Name": name, "NumPartitions": 1, "ReplicationFactor": 1}], TimeoutMs=5000)
    other = name.replace(".", "_")
    world.server.names[other] = "a_b"
    return world.ask(Topics=[{"Name": other, "NumPartitions": 1, "ReplicationFactor": 1}], TimeoutMs=5000, ValidateOnly=True)


@case("CreateTopics", "a good one and a bad one")
def _(world):
    topics = [
        {"Name": world.name("good"), "NumPartitions": 1, "ReplicationFactor": 1},
        {"Name": "bad name", "NumPartitions": 1, "ReplicationFactor": 1},
    ]
    answer = world.ask(Topics=topics, TimeoutMs=5000)
    for one in answer["Topics"]:
        one.pop("Configs", None)
    remember(world, answer)
    return answer


@case("CreateTopics", "no time at all")
def _(world):
    answer = world.ask(
        Topics=[{"Name": world.name("late"), "NumPartitions": 1, "ReplicationFactor": 1}], TimeoutMs=-1, ValidateOnly=True
    )
    for one in answer["Topics"]:
        one.pop("Configs", None)
    return answer


# DeleteTopics.


@case("DeleteTopics", "one by its name")
def _(world):
    topic = world.topic()
    return world.ask(TopicNames=[topic.name], Topics=[{"Name": topic.name}], TimeoutMs=5000)


@case("DeleteTopics", "one by its id", "6-")
def _(world):
    return world.ask(Topics=[{"Name": None, "TopicId": world.topic().id}], TimeoutMs=5000)


@case("DeleteTopics", "one by its name and its id", "6-")
def _(world):
    topic = world.topic()
    return world.ask(Topics=[{"Name": topic.name, "TopicId": topic.id}], TimeoutMs=5000)


@case("DeleteTopics", "one by its id and one by its name, which are the same", "6-")
def _(world):
    topic = world.topic()
    return world.ask(Topics=[{"Name": topic.name}, {"Name": None, "TopicId": topic.id}], TimeoutMs=5000)


@case("DeleteTopics", "one that is not there")
def _(world):
    name = world.name("nowhere")
    return world.ask(TopicNames=[name], Topics=[{"Name": name}], TimeoutMs=5000)


@case("DeleteTopics", "one twice")
def _(world):
    topic = world.topic()
    return world.ask(TopicNames=[topic.name] * 2, Topics=[{"Name": topic.name}] * 2, TimeoutMs=5000)


@case("DeleteTopics", "a good one and a bad one")
def _(world):
    names = [world.topic().name, world.name("nowhere")]
    return world.ask(TopicNames=names, Topics=[{"Name": name} for name in names], TimeoutMs=5000)


@case("DeleteTopics", "one that was deleted")
def _(world):
    topic = world.topic()
    world.call("DeleteTopics", 5, TopicNames=[topic.name], TimeoutMs=5000)
    return world.ask(TopicNames=[topic.name], Topics=[{"Name": topic.name}], TimeoutMs=5000)


ask(
    "DeleteTopics",
    "an id that is not there",
    "6-",
    _request=lambda world: dict(Topics=[{"Name": None, "TopicId": world.nowhere().id}], TimeoutMs=5000),
)
ask("DeleteTopics", "neither name nor id", "6-", Topics=[{"Name": None}], TimeoutMs=5000)
ask("DeleteTopics", "no name", TopicNames=[""], Topics=[{"Name": ""}], TimeoutMs=5000)
ask("DeleteTopics", "a name that no topic may have", TopicNames=["bad name"], Topics=[{"Name": "bad name"}], TimeoutMs=5000)
ask("DeleteTopics", "none", TimeoutMs=5000)

# CreatePartitions.


def partitions(title, topic=None, dry=False, **fields):
    """Of a topic with two partitions."""

    @case("CreatePartitions", title)
    def _(world):
        found = topic(world) if topic else world.topic(2)
        return world.ask(Topics=[{"topic": found, "Assignments": None, **fields}], TimeoutMs=5000, ValidateOnly=dry)


partitions("one more", Count=3)
partitions("many more", Count=8)
partitions("nothing but a look", dry=True, Count=3)
partitions("as many as there are", Count=2)
partitions("fewer", Count=1)
partitions("none", Count=0)
partitions("a negative number", Count=-1)
partitions("by hand", Count=3, Assignments=[{"BrokerIds": [1]}])
partitions("by hand on a broker that is not there", Count=3, Assignments=[{"BrokerIds": [9]}])
partitions("by hand for too few", Count=4, Assignments=[{"BrokerIds": [1]}])
partitions("by hand for too many", Count=3, Assignments=[{"BrokerIds": [1]}] * 2)
partitions("by hand for no broker", Count=3, Assignments=[{"BrokerIds": []}])
partitions("by hand with too many replicas", Count=3, Assignments=[{"BrokerIds": [1, 2]}])
partitions("by hand and none given", Count=3, Assignments=[])
partitions("a topic that is not there", topic=lambda world: world.nowhere(), Count=3)
ask("CreatePartitions", "no name", Topics=[{"Name": "", "Count": 3, "Assignments": None}], TimeoutMs=5000)
ask("CreatePartitions", "no topics", Topics=[], TimeoutMs=5000)


@case("CreatePartitions", "a topic twice")
def _(world):
    topic = world.topic(1)
    return world.ask(Topics=[{"topic": topic, "Count": count, "Assignments": None} for count in (2, 3)], TimeoutMs=5000)


# DescribeTopicPartitions.


def pages(title, *make, limit=2000, cursor=None):
    def request(world):
        topics = [{"Name": name if isinstance(name, str) else name(world)} for name in make]
        at = {"TopicName": cursor[0](world), "PartitionIndex": cursor[1]} if cursor else None
        return dict(Topics=topics, ResponsePartitionLimit=limit, Cursor=at)

    ask("DescribeTopicPartitions", title, _request=request)


def orders(world):
    return world.orders.name


pages("a topic", orders)
pages("a topic that is not there", lambda world: world.name("nowhere"))
pages("a name that no topic may have", "bad name")
pages("good and bad ones", orders, "bad name", lambda world: world.name("nowhere"), lambda world: world.topic(2).name)
pages("a topic twice", orders, orders)
pages("a page of two partitions", orders, limit=2)
pages("a page of no partitions", orders, limit=0)
pages("a page of a negative number of partitions", orders, limit=-1)
pages("more on a page than one may ask for", orders, limit=100_000)
pages("a page that begins in the middle", orders, cursor=(orders, 1))
pages("a page that begins behind the end", orders, cursor=(orders, 9))
pages("a page that begins before the start", orders, cursor=(orders, -1))
pages("a page that begins at a later topic", orders, cursor=(lambda world: "zzz", 0))
pages("a page that begins at an earlier topic", orders, cursor=(lambda world: "aaa", 0))
