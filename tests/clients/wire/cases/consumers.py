"""Groups of the consumer protocol (KIP-848)."""

import time

from case import case
from world import SETTLED

# ConsumerGroupHeartbeat.


def heartbeat(world, group, member="m1", epoch=0, **fields):
    request = dict(GroupId=group, MemberId=member, MemberEpoch=epoch)
    if epoch == 0:
        request |= dict(RebalanceTimeoutMs=30000, SubscribedTopicNames=[world.orders.name], TopicPartitions=[])
    return world.ask(**{**request, **fields})


def join(title, versions="", **fields):
    """Somebody who joins a group of nobody."""

    @case("ConsumerGroupHeartbeat", title, versions)
    def _(world):
        known = {key: value(world) if callable(value) else value for key, value in fields.items()}
        return heartbeat(
            world, known.pop("group", None) or world.name("group"), known.pop("member", "m1"), known.pop("epoch", 0), **known
        )


join("the first member")
join("a member without an id", member="")
join("no group", GroupId="")
join("no time for rebalances", RebalanceTimeoutMs=-1)
join("no topics", SubscribedTopicNames=None)
join("an empty list of topics", SubscribedTopicNames=[])
join("topics that are not there", SubscribedTopicNames=["nowhere"])
join("a topic without a name", SubscribedTopicNames=[""])
join("a topic twice", SubscribedTopicNames=lambda world: [world.orders.name] * 2)
join("partitions that nobody gave", TopicPartitions=lambda world: [{"TopicId": world.orders.id, "Partitions": [0]}])
join("no list of partitions", TopicPartitions=None)
join("the assignor range", ServerAssignor="range")
join("the assignor uniform", ServerAssignor="uniform")
join("an assignor that there is not", ServerAssignor="random")
join("an assignor without a name", ServerAssignor="")
join("a static member", InstanceId="instance")
join("a static member without a name", InstanceId="")
join("a rack", RackId="there")
join("a rack without a name", RackId="")
join("an epoch of somebody who never joined", epoch=4)
join("leaves what was never there", epoch=-1)
join("a static member goes for a while and was never there", epoch=-2, InstanceId="instance")
join("goes for a while and is not static", epoch=-2)
join("an epoch that means nothing", epoch=-3)
join("a pattern that nothing matches", "1-", SubscribedTopicNames=[], SubscribedTopicRegex="nothing-.*")
join("a pattern that is none", "1-", SubscribedTopicNames=[], SubscribedTopicRegex="(")
join("an empty pattern", "1-", SubscribedTopicNames=[], SubscribedTopicRegex="")
join("a pattern and topics", "1-", SubscribedTopicRegex="nothing-.*")
join("neither a pattern nor topics", "1-", SubscribedTopicNames=None, SubscribedTopicRegex=None)


def stay(title, versions="", instance=None, more=0, member="m1", **fields):
    """A member of one, in its epoch or in another."""

    @case("ConsumerGroupHeartbeat", title, versions)
    def _(world):
        group, epoch = world.consumer(InstanceId=instance)
        known = {key: value(world) if callable(value) else value for key, value in fields.items()}
        return heartbeat(world, group, member, known.pop("epoch", epoch + more), **known)


stay("a member stays")
stay("a member says what it has", TopicPartitions=lambda world: [{"TopicId": world.orders.id, "Partitions": [0, 1, 2]}])
stay("a member says that it has less", TopicPartitions=lambda world: [{"TopicId": world.orders.id, "Partitions": [0]}])
stay("a member is an epoch ahead", more=1)
stay("a stranger in a group", member="stranger")
stay("a member leaves", epoch=-1)
stay("a member goes for a while and is not static", epoch=-2)
stay("a static member stays", instance="instance", InstanceId="instance")
stay("a static member goes for a while", instance="instance", InstanceId="instance", epoch=-2)
stay("a static member leaves", instance="instance", InstanceId="instance", epoch=-1)
stay(
    "a static member is there already",
    instance="instance",
    InstanceId="instance",
    epoch=0,
    member="m2",
    SubscribedTopicNames=["x"],
    TopicPartitions=[],
    RebalanceTimeoutMs=30000,
)
stay("a member joins again", epoch=0)
stay("a member turns to other topics", SubscribedTopicNames=["nowhere"])
stay("a member wants another assignor", ServerAssignor="range")


# Patterns. A member's next words follow when it has something of what it asked for with those before.


def turn(title, *beats):
    """What the last heartbeat of a member hears, and what it hears when it stays until it has something."""

    def member(world):
        group, answer = world.name("group"), None
        for beat in beats:
            if answer:
                answer = settled(world, group, answer)
            answer = heartbeat(world, group, epoch=answer["MemberEpoch"] if answer else 0, **beat(world))
        return group, answer

    @case("ConsumerGroupHeartbeat", title, "1-")
    def _(world):
        return member(world)[1]

    @case("ConsumerGroupHeartbeat", f"{title}, and stays", "1-")
    def _(world):
        return settled(world, *member(world))


def settled(world, group, answer, member="m1", meanwhile=lambda: None):
    """The answer that gives a member something: at once, or when it says what it has."""
    deadline = time.monotonic() + SETTLED
    owned = None
    while not (answer["Assignment"] and answer["Assignment"]["TopicPartitions"]):
        if time.monotonic() > deadline or answer["ErrorCode"]:
            raise TimeoutError(f"nothing assigned: {answer}")
        time.sleep(0.02)
        meanwhile()
        if answer["Assignment"]:
            owned = answer["Assignment"]["TopicPartitions"]
        answer = heartbeat(world, group, member, answer["MemberEpoch"], TopicPartitions=owned)
    return answer


def wants(topics=lambda world: [], pattern=lambda world: ""):
    return lambda world: dict(SubscribedTopicNames=topics(world), SubscribedTopicRegex=pattern(world))


def orders(world):
    return world.orders.name


def another(world):
    return world.topic(2, "another").name


turn("a pattern", wants(pattern=orders))
join("a topic and a pattern that matches another", "1-", SubscribedTopicRegex=another)
turn("a member turns to a pattern", wants(lambda world: [orders(world)]), wants(pattern=another))
turn("a member turns to another pattern", wants(pattern=orders), wants(pattern=another))
turn("a member turns from a pattern to a topic", wants(pattern=orders), wants(lambda world: [another(world)]))
turn("a member adds a pattern", wants(lambda world: [orders(world)]), wants(lambda world: [orders(world)], another))
turn("a member adds a topic to its pattern", wants(pattern=orders), wants(lambda world: [another(world)], orders))


@case("ConsumerGroupHeartbeat", "a member gives its pattern up", "1-")
def _(world):
    group, pattern = world.name("group"), orders(world)
    answer = settled(world, group, heartbeat(world, group, SubscribedTopicNames=[], SubscribedTopicRegex=pattern))
    return heartbeat(world, group, epoch=answer["MemberEpoch"], SubscribedTopicRegex="")


@case("ConsumerGroupHeartbeat", "a second member with a pattern that is known", "1-")
def _(world):
    group, pattern = world.name("group"), orders(world)
    settled(world, group, heartbeat(world, group, SubscribedTopicNames=[], SubscribedTopicRegex=pattern))
    return heartbeat(world, group, "m2", SubscribedTopicNames=[], SubscribedTopicRegex=pattern)


@case("ConsumerGroupHeartbeat", "a second member with a pattern of what the first has by name", "1-")
def _(world):
    group = world.name("group")
    first = heartbeat(world, group)
    owned = first["Assignment"]["TopicPartitions"]

    def first_stays():
        nonlocal first, owned
        first = heartbeat(world, group, epoch=first["MemberEpoch"], TopicPartitions=owned)
        owned = first["Assignment"]["TopicPartitions"] if first["Assignment"] else owned

    second = heartbeat(world, group, "m2", SubscribedTopicNames=[], SubscribedTopicRegex=orders(world))
    return settled(world, group, second, "m2", first_stays)


@case("ConsumerGroupHeartbeat", "a static member comes back")
def _(world):
    group, epoch = world.consumer(InstanceId="instance")
    world.call("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId="m1", InstanceId="instance", MemberEpoch=-2)
    return heartbeat(world, group, "m2", InstanceId="instance")


@case("ConsumerGroupHeartbeat", "a member that has left stays")
def _(world):
    group, epoch = world.consumer()
    world.call("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId="m1", MemberEpoch=-1)
    return heartbeat(world, group, "m1", epoch)


@case("ConsumerGroupHeartbeat", "a second member")
def _(world):
    group, _ = world.consumer()
    return heartbeat(world, group, "m2")


@case("ConsumerGroupHeartbeat", "a classic group with offsets becomes one")
def _(world):
    group = world.name("group")
    world.committed(group, world.orders)
    return heartbeat(world, group)


@case("ConsumerGroupHeartbeat", "a share group is none")
def _(world):
    group = world.name("group")
    world.share_member(group, world.orders)
    return heartbeat(world, group)


# ConsumerGroupDescribe.


def describe(title, make, **fields):
    @case("ConsumerGroupDescribe", title)
    def _(world):
        return world.ask(GroupIds=make(world), **fields)


describe("a group", lambda world: [world.consumer()[0]])
describe("a group and what may be done with it", lambda world: [world.consumer()[0]], IncludeAuthorizedOperations=True)
describe("a static member", lambda world: [world.consumer(InstanceId="instance", RackId="rack")[0]])
describe("a member of topics that are not there", lambda world: [world.consumer(SubscribedTopicNames=["nowhere"])[0]])
describe("a member with a pattern", lambda world: [world.consumer(SubscribedTopicNames=[], SubscribedTopicRegex="nothing-.*")[0]])
describe("a classic group", lambda world: [world.member()[0]])
describe("a group that is not there", lambda world: [world.name("nowhere")])
describe("no name", lambda world: [""])
describe("none", lambda world: [])
describe("one twice", lambda world: [world.consumer()[0]] * 2)


@case("ConsumerGroupDescribe", "a group whose member has gone")
def _(world):
    group, _ = world.consumer()
    world.call("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId="m1", MemberEpoch=-1)
    return world.ask(GroupIds=[group])


def interval(world, group, millis, kind="consumer"):
    """Sets the least time between two assignments of a group."""
    change = [{"Name": f"{kind}.assignment.interval.ms", "ConfigOperation": 0, "Value": millis}]
    world.call("IncrementalAlterConfigs", 1, Resources=[{"ResourceType": 32, "ResourceName": group, "Configs": change}])
    if world.server.kind == "kafka":
        # Its broker hears of it some time later, but not behind what comes later.
        world.topic(stem="later")


def newcomer(title, millis):
    """A group of one, and a second member that comes at once."""

    @case("ConsumerGroupDescribe", title)
    def _(world):
        group = world.name("group")
        interval(world, group, millis)
        world.consumer(group)
        world.consumer(group, member="m2")
        return world.ask(GroupIds=[group])


newcomer("a second member, and an assignment not so soon", "15000")
newcomer("a second member, and an assignment at once", "0")


@case("ConsumerGroupDescribe", "whoever comes when all have gone, and an assignment not so soon")
def _(world):
    group = world.name("group")
    interval(world, group, "15000")
    world.consumer(group)
    world.call("ConsumerGroupHeartbeat", 1, GroupId=group, MemberId="m1", MemberEpoch=-1)
    world.consumer(group, member="m2")
    return world.ask(GroupIds=[group])


# What others say of such groups.


@case("OffsetCommit", "a member of the consumer protocol, with its epoch, another and none", "2-")
def _(world):
    group, epoch = world.consumer()
    topics = [{"topic": world.orders, "Partitions": [{"PartitionIndex": 0, "CommittedOffset": 2, "CommittedMetadata": ""}]}]
    return [
        world.ask(GroupId=group, MemberId=member, GenerationIdOrMemberEpoch=number, Topics=topics)
        for member, number in (("m1", epoch), ("m1", epoch + 1), ("m1", epoch - 1), ("m2", epoch), ("", -1))
    ]
