"""FindCoordinator and classic groups: members, offsets, and what operators ask of them."""

from case import ask, case
from world import SUBSCRIPTION

# FindCoordinator.


def coordinator(title, *keys, versions="", **fields):
    one = "0-3" if len(keys) == 1 else "4-"
    ask(
        "FindCoordinator",
        title,
        versions or (one if len(keys) != 1 else ""),
        Key=keys[0] if keys else "",
        CoordinatorKeys=list(keys),
        **fields,
    )


coordinator("of a group", "group")
coordinator("of no name", "")
coordinator("of a transactional id", "transaction", versions="1-", KeyType=1)
coordinator("of a transactional id without a name", "", versions="1-", KeyType=1)
coordinator("of a share partition", "group:AAAAAAAAAAAAAAAAAAAAAQ:0", versions="1-", KeyType=2)
coordinator("of a share partition that is misspelt", "group", versions="1-", KeyType=2)
coordinator("of a share partition whose topic is no id", "group:topic:0", versions="1-", KeyType=2)
coordinator("of a share partition of a group with colons", "a:b:AAAAAAAAAAAAAAAAAAAAAQ:0", versions="6-", KeyType=2)
coordinator("of a kind that is not known", "group", versions="1-", KeyType=3)
coordinator("of a negative kind", "group", versions="1-", KeyType=-1)
coordinator("of several groups", "one", "two", "three")
coordinator("of the same group twice", "one", "one")
coordinator("of nothing", versions="4-")

# JoinGroup.

RANGE = [{"Name": "range", "Metadata": SUBSCRIPTION}]


def join(world, group, member="", _line=None, **fields):
    request = dict(
        GroupId=group, SessionTimeoutMs=30000, RebalanceTimeoutMs=30000, MemberId=member, ProtocolType="consumer", Protocols=RANGE
    )
    return world.ask(_line=_line, **{**request, **fields})


def join_case(title, versions="", **fields):
    @case("JoinGroup", title, versions)
    def _(world):
        return join(world, **{"group": world.name("group"), **fields})


join_case("the first member")
join_case("a member that nobody knows", member="nobody")
join_case("no group", group="")
join_case("no protocols", Protocols=[])
join_case("no type of protocol", ProtocolType="")
join_case("no type of protocol and no protocols", ProtocolType="", Protocols=[])
join_case("a session that is too short", SessionTimeoutMs=1)
join_case("a session that is too long", SessionTimeoutMs=4_000_000)
join_case("a negative session", SessionTimeoutMs=-1)
join_case("a negative time for rebalances", "1-", RebalanceTimeoutMs=-1)
join_case("another type of protocol", ProtocolType="connect")
# Before, Kafka leaves it without an answer.
join_case("the same protocol twice", "4-", Protocols=RANGE * 2)
join_case("metadata of no bytes", Protocols=[{"Name": "range", "Metadata": b""}])
join_case("a static member", "5-", GroupInstanceId="instance")
join_case("a static member without a name", "5-", GroupInstanceId="")
join_case("a static member whose name is not allowed", "5-", GroupInstanceId="a b")
join_case("a static member that nobody knows", "5-", GroupInstanceId="instance", member="nobody")
join_case("a reason", "8-", Reason="why not")


@case("JoinGroup", "the id that it was given", "4-")
def _(world):
    group = world.name("group")
    return join(world, group, join(world, group)["MemberId"])


@case("JoinGroup", "the leader again")
def _(world):
    group, member = world.member()
    return join(world, group, member.id)


@case("JoinGroup", "another type of protocol than the group's")
def _(world):
    group, _ = world.member()
    return join(world, group, ProtocolType="connect")


@case("JoinGroup", "no protocol that the group has")
def _(world):
    group, _ = world.member()
    return join(world, group, Protocols=[{"Name": "other", "Metadata": b""}])


@case("JoinGroup", "a stranger to a group with members")
def _(world):
    group, _ = world.member()
    return join(world, group, "stranger")


@case("JoinGroup", "a static member comes back", "5-")
def _(world):
    group, _ = world.member(instance="instance")
    return join(world, group, GroupInstanceId="instance")


@case("JoinGroup", "a static member comes back with another's id", "5-")
def _(world):
    group, _ = world.member(instance="instance")
    return join(world, group, "another", GroupInstanceId="instance")


@case("JoinGroup", "a static member was replaced", "5-")
def _(world):
    group, member = world.member(instance="instance")
    world.member(group, instance="instance", sync=False)
    return join(world, group, member.id, GroupInstanceId="instance")


@case("JoinGroup", "two members, the second one's answer")
def _(world):
    group, member = world.member()
    line = world.line()
    fields = dict(GroupId=group, SessionTimeoutMs=30000, RebalanceTimeoutMs=30000, ProtocolType="consumer", Protocols=RANGE)
    known = ""
    if world.version >= 4:
        known = join(world, group)["MemberId"]
    world.send(line, "JoinGroup", world.version, dict(fields, MemberId=known))
    # The first member hears of it when it looks, and joins again.
    world.until(
        lambda: world.call("Heartbeat", 3, GroupId=group, GenerationId=member.generation, MemberId=member.id), "ErrorCode", 27
    )
    world.send(member.line, "JoinGroup", 7, dict(fields, MemberId=member.id))
    return world.receive(line, "JoinGroup", world.version)


@case("JoinGroup", "a group of the consumer protocol, whose topics are not told")
def _(world):
    group, _ = world.consumer()
    return join(world, group)


# SyncGroup.


def sync(world, group, member, **fields):
    request = dict(
        GroupId=group, GenerationId=member.generation, MemberId=member.id, ProtocolType="consumer", ProtocolName="range"
    )
    return world.ask(_line=member.line, **{**request, **fields})


def sync_case(title, versions="", instance=None, is_synced=False, **fields):
    @case("SyncGroup", title, versions)
    def _(world):
        group, member = world.member(instance=instance, sync=is_synced)
        wanted = {"Assignments": [{"MemberId": member.id, "Assignment": b"share"}], **fields}
        return sync(world, group, member, **wanted)


sync_case("the leader")
sync_case("the leader again", is_synced=True)
sync_case("the leader again, without assignments", is_synced=True, Assignments=[])
sync_case("no assignments", Assignments=[])
sync_case("an assignment for a stranger", Assignments=[{"MemberId": "stranger", "Assignment": b"x"}])
sync_case("a stranger", MemberId="stranger")
sync_case("no member", MemberId="")
sync_case("an earlier generation", GenerationId=0)
sync_case("a generation to come", GenerationId=9)
sync_case("another protocol", "5-", ProtocolName="other")
sync_case("another type of protocol", "5-", ProtocolType="connect")
sync_case("no protocol", "5-", ProtocolName=None)
sync_case("no type of protocol", "5-", ProtocolType=None)
sync_case("a static member", "3-", instance="instance", GroupInstanceId="instance")
sync_case("a static member that is not known", "3-", GroupInstanceId="unknown")
sync_case("a static member of another id", "3-", instance="instance", GroupInstanceId="instance", MemberId="another")
ask(
    "SyncGroup",
    "a group that is not there",
    GroupId="nowhere",
    GenerationId=1,
    MemberId="m",
    ProtocolType="consumer",
    ProtocolName="range",
)
ask("SyncGroup", "no group", GroupId="", GenerationId=1, MemberId="m", ProtocolType="consumer", ProtocolName="range")

# Heartbeat.


def heartbeat(title, versions="", instance=None, **fields):
    @case("Heartbeat", title, versions)
    def _(world):
        group, member = world.member(instance=instance)
        return world.ask(**{"GroupId": group, "GenerationId": member.generation, "MemberId": member.id, **fields})


heartbeat("a member")
heartbeat("a stranger", MemberId="stranger")
heartbeat("no member", MemberId="")
heartbeat("an earlier generation", GenerationId=0)
heartbeat("a generation to come", GenerationId=2)
heartbeat("no generation", GenerationId=-1)
heartbeat("a group that is not there", GroupId="nowhere")
heartbeat("no group", GroupId="")
heartbeat("a static member", "3-", instance="instance", GroupInstanceId="instance")
heartbeat("a static member of another id", "3-", instance="instance", GroupInstanceId="instance", MemberId="another")
heartbeat("a static member that is not known", "3-", GroupInstanceId="unknown")


@case("Heartbeat", "while the group is not assigned")
def _(world):
    group, member = world.member(sync=False)
    return world.ask(GroupId=group, GenerationId=member.generation, MemberId=member.id)


@case("Heartbeat", "a group of the consumer protocol")
def _(world):
    group, epoch = world.consumer()
    return world.ask(GroupId=group, GenerationId=epoch, MemberId="m1")


# LeaveGroup.


def leave(title, *members, versions="", instance=None, group=None):
    """Members are ids and instance ids; `ME` is the one that is there."""

    @case("LeaveGroup", title, versions)
    def _(world):
        there, member = world.member(instance=instance)
        who = [{"MemberId": member.id if one == ME else one, "GroupInstanceId": name, "Reason": "done"} for one, name in members]
        return world.ask(GroupId=there if group is None else group, MemberId=who[0]["MemberId"] if who else "", Members=who)


ME = object()
leave("a member", (ME, None))
leave("a stranger", ("stranger", None))
leave("no member", ("", None))
leave("a group that is not there", ("stranger", None), group="nowhere")
leave("no group", ("stranger", None), group="")
leave("nobody", versions="3-")
leave("a member and a stranger", (ME, None), ("stranger", None), versions="3-")
leave("a member twice", (ME, None), (ME, None), versions="3-")
leave("a static member by its name", ("", "instance"), versions="3-", instance="instance")
leave("a static member by its name and id", (ME, "instance"), versions="3-", instance="instance")
leave("a static member by its name and another's id", ("another", "instance"), versions="3-", instance="instance")
leave("a static member that is not known", ("", "unknown"), versions="3-")


@case("LeaveGroup", "and comes again")
def _(world):
    group, member = world.member()
    world.ask(GroupId=group, MemberId=member.id, Members=[{"MemberId": member.id}])
    return world.ask(GroupId=group, MemberId=member.id, Members=[{"MemberId": member.id}])


# DescribeGroups, ListGroups, DeleteGroups.


def describe(title, versions="", operations=False):
    def add(make):
        @case("DescribeGroups", title, versions)
        def _(world):
            return world.ask(Groups=make(world), IncludeAuthorizedOperations=operations)

    return add


describe("a stable group")(lambda world: [world.member()[0]])
describe("a stable group and what may be done with it", "3-", operations=True)(lambda world: [world.member()[0]])
describe("a group that is not assigned")(lambda world: [world.member(sync=False)[0]])
describe("a static member", "4-")(lambda world: [world.member(instance="instance")[0]])
describe("a group that is not there")(lambda world: [world.name("nowhere")])
describe("a group that is not there, and what may be done with it", "3-", operations=True)(lambda world: [world.name("nowhere")])
describe("no name")(lambda world: [""])
describe("no groups")(lambda world: [])
describe("a group twice")(lambda world: [world.member()[0]] * 2)
describe("a group of another kind, and one that is not there")(lambda world: [world.consumer()[0], world.name("nowhere")])
describe("a group of another type of protocol")(lambda world: [world.member(kind="connect")[0]])


@case("DescribeGroups", "a group that has only offsets")
def _(world):
    group = world.name("group")
    world.committed(group, world.orders)
    return world.ask(Groups=[group])


@case("DescribeGroups", "a group whose member has gone")
def _(world):
    group, member = world.member()
    world.call("LeaveGroup", 3, GroupId=group, Members=[{"MemberId": member.id}])
    return world.ask(Groups=[group])


def list_groups(title, versions="", **fields):
    """Of all groups those that the case has made."""

    @case("ListGroups", title, versions)
    def _(world):
        stable, _ = world.member(world.name("stable"))
        waiting, _ = world.member(world.name("waiting"), sync=False)
        empty = world.name("empty")
        world.committed(empty, world.orders)
        modern, _ = world.consumer(world.name("modern"))
        shared = world.name("shared")
        world.share_member(shared, world.orders)
        return world.see(world.ask(**fields), "Groups", GroupId=(stable, waiting, empty, modern, shared))


list_groups("all")
list_groups("those that are stable", "4-", StatesFilter=["Stable"])
list_groups("those that are empty or waiting", "4-", StatesFilter=["Empty", "CompletingRebalance"])
list_groups("a state in small letters", "4-", StatesFilter=["stable"])
list_groups("a state that there is not", "4-", StatesFilter=["Happy"])
list_groups("no state", "4-", StatesFilter=[""])
list_groups("those of the consumer protocol", "5-", TypesFilter=["consumer"])
list_groups("classic ones and share groups", "5-", TypesFilter=["Classic", "SHARE"])
list_groups("a type that there is not", "5-", TypesFilter=["modern"])
list_groups("by state and type", "5-", TypesFilter=["classic"], StatesFilter=["Stable"])


@case("DeleteGroups", "a group that has only offsets")
def _(world):
    group = world.name("group")
    world.committed(group, world.orders)
    return [world.ask(GroupsNames=[group]), world.ask(GroupsNames=[group])]


ask("DeleteGroups", "a group with a member", _request=lambda world: dict(GroupsNames=[world.member()[0]]))
ask(
    "DeleteGroups",
    "a group of the consumer protocol with a member",
    _request=lambda world: dict(GroupsNames=[world.consumer()[0]]),
)
ask("DeleteGroups", "a group that is not there", _request=lambda world: dict(GroupsNames=[world.name("nowhere")]))
ask("DeleteGroups", "no name", GroupsNames=[""])
ask("DeleteGroups", "none", GroupsNames=[])
ask("DeleteGroups", "one twice", GroupsNames=["same", "same"])

# OffsetCommit.


def commit(title, *partitions, versions="", topic=None, group=None, with_member=False, **fields):
    """Partitions are an index and an offset."""

    @case("OffsetCommit", title, versions)
    def _(world):
        wanted = [{"PartitionIndex": at, "CommittedOffset": offset, "CommittedMetadata": "note"} for at, offset in partitions]
        there, who = world.name("group") if group is None else group, {}
        if with_member:
            there, member = world.member(instance=fields.get("GroupInstanceId"))
            who = dict(GenerationIdOrMemberEpoch=member.generation, MemberId=member.id)
        topics = [{"topic": topic(world) if topic else world.orders, "Partitions": wanted}]
        return world.ask(**{"GroupId": there, "Topics": topics, **who, **fields})


commit("without members", (0, 3))
commit("a member", (0, 3), (1, 4), with_member=True)
commit("an offset beyond the end", (0, 300))
commit("a negative offset", (0, -1))
commit("the lowest offset", (0, -(1 << 63)))
commit("a partition that is not there", (0, 3), (7, 3), (-1, 3))
commit("a topic that is not there", (0, 3), topic=lambda world: world.nowhere())
commit("the same partition twice", (0, 3), (0, 4))
commit("no partitions")
commit("no group", (0, 3), group="")
commit("a member of a group that is not there", (0, 3), MemberId="m", GenerationIdOrMemberEpoch=4)
commit("a generation and no member", (0, 3), GenerationIdOrMemberEpoch=4)
commit("a member and no generation", (0, 3), MemberId="m")
commit("an earlier generation", (0, 3), with_member=True, GenerationIdOrMemberEpoch=0)
commit("a generation to come", (0, 3), with_member=True, GenerationIdOrMemberEpoch=7)
commit("a stranger", (0, 3), with_member=True, MemberId="stranger")
commit("nobody, to a group with a member", (0, 3), with_member=True, MemberId="", GenerationIdOrMemberEpoch=-1)
commit("a static member", (0, 3), versions="7-", with_member=True, GroupInstanceId="instance")
commit("a static member of another id", (0, 3), versions="7-", with_member=True, GroupInstanceId="instance", MemberId="another")
commit("kept for a time", (0, 3), versions="2-4", RetentionTimeMs=60000)
ask("OffsetCommit", "no topics", _request=lambda world: dict(GroupId=world.name("group"), Topics=[]))
ask(
    "OffsetCommit",
    "no id",
    "10-",
    _request=lambda world: dict(GroupId=world.name("group"), Topics=[{"Partitions": [{"PartitionIndex": 0}]}]),
)


def commit_note(title, note, epoch=-1, versions=""):
    @case("OffsetCommit", title, versions)
    def _(world):
        partition = {"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": note, "CommittedLeaderEpoch": epoch}
        return world.ask(GroupId=world.name("group"), Topics=[{"topic": world.orders, "Partitions": [partition]}])


commit_note("no note", None)
commit_note("a note of 4096 bytes", "x" * 4096)
commit_note("a note that is too long", "x" * 4097)
commit_note("an epoch of the leader", "", 0, "6-")
commit_note("an epoch to come", "", 9, "6-")


@case("OffsetCommit", "before the group is assigned")
def _(world):
    group, member = world.member(sync=False)
    partitions = [{"PartitionIndex": 0, "CommittedOffset": 1, "CommittedMetadata": ""}]
    who = dict(GenerationIdOrMemberEpoch=member.generation, MemberId=member.id)
    return world.ask(GroupId=group, **who, Topics=[{"topic": world.orders, "Partitions": partitions}])


# OffsetFetch.


def fetch(title, *partitions, versions="", topic=None, everything=False, group=None, **fields):
    """What a group has committed: 7 of partition 0."""

    @case("OffsetFetch", title, versions)
    def _(world):
        there = world.name("group")
        world.committed(there, world.orders, 7)
        there = there if group is None else group
        topics = (
            None if everything else [{"topic": topic(world) if topic else world.orders, "PartitionIndexes": list(partitions)}]
        )
        who = {name: fields[name] for name in fields if name in ("MemberId", "MemberEpoch")}
        rest = {name: fields[name] for name in fields if name not in who}
        return world.ask(GroupId=there, Topics=topics, Groups=[{"GroupId": there, "Topics": topics, **who}], **rest)


fetch("a partition", 0)
fetch("what was never committed", 0, 1)
fetch("a partition that is not there", 0, 9, -1)
fetch("a topic that is not there", 0, topic=lambda world: world.nowhere())
fetch("everything", versions="2-", everything=True)
fetch("everything of a group that is not there", versions="2-", everything=True, group="nowhere")
fetch("a group that is not there", 0, group="nowhere")
fetch("no group", 0, group="")
fetch("no partitions")
fetch("the same partition twice", 0, 0)
fetch("only what is stable", 0, versions="7-", RequireStable=True)
fetch("a member that is not known", 0, versions="9-", MemberId="stranger", MemberEpoch=1)
fetch("a member without an epoch", 0, versions="9-", MemberId="stranger", MemberEpoch=-1)


@case("OffsetFetch", "several groups", "8-")
def _(world):
    first, second = world.name("first"), world.name("second")
    world.committed(first, world.orders, 3)
    world.committed(second, world.orders, 4, 1)
    topics = [{"topic": world.orders, "PartitionIndexes": [0, 1]}]
    return world.ask(
        Groups=[{"GroupId": name, "Topics": which} for name, which in ((first, topics), (second, None), ("nowhere", topics))]
    )


ask("OffsetFetch", "no groups", "8-", Groups=[])
ask("OffsetFetch", "the same group twice", "8-", Groups=[{"GroupId": "nowhere", "Topics": None}] * 2)


@case("OffsetFetch", "a member of the consumer protocol, with its epoch and with another", "9-")
def _(world):
    group, epoch = world.consumer()
    topics = [{"topic": world.orders, "PartitionIndexes": [0]}]
    return [
        world.ask(Groups=[{"GroupId": group, "MemberId": "m1", "MemberEpoch": epoch + more, "Topics": topics}]) for more in (0, 1)
    ]


# OffsetDelete.


def delete(title, *partitions, topic=None, group=None, reads=False):
    @case("OffsetDelete", title)
    def _(world):
        there = world.name("group")
        world.committed(there, world.orders)
        if reads:
            name = world.orders.name.encode()
            subscription = b"\0\1" + (1).to_bytes(4, "big") + len(name).to_bytes(2, "big") + name + b"\xff\xff\xff\xff" + bytes(4)
            world.member(there, protocols=(("range", subscription),))
        wanted = [{"PartitionIndex": at} for at in partitions]
        return world.ask(
            GroupId=there if group is None else group,
            Topics=[{"topic": topic(world) if topic else world.orders, "Partitions": wanted}],
        )


delete("what was committed", 0)
delete("what was never committed", 1)
delete("a partition that is not there", 9, -1)
delete("a topic that is not there", 0, topic=lambda world: world.nowhere())
delete("a topic that a member reads", 0, 1, reads=True)
delete("a topic that no member reads", 0, topic=lambda world: world.topic(), reads=True)
delete("a group that is not there", 0, group="nowhere")
delete("no group", 0, group="")
delete("no partitions")
ask("OffsetDelete", "no topics", _request=lambda world: dict(GroupId="nowhere", Topics=[]))
