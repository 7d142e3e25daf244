"""Share groups (KIP-932)."""

from case import ask, case
from cases.consumers import interval

MEMBER = "AAAAAAAAAAAAAAAAAAAAAQ"
OTHER = "AAAAAAAAAAAAAAAAAAAAAg"
ACCEPT, RELEASE, REJECT, RENEW = 1, 2, 3, 4
RECORD_LIMIT = 1

# ShareGroupHeartbeat.


def join(title, **fields):
    @case("ShareGroupHeartbeat", title)
    def _(world):
        return world.ask(
            **{
                "GroupId": world.name("group"),
                "MemberId": MEMBER,
                "MemberEpoch": 0,
                "SubscribedTopicNames": [world.orders.name],
                **fields,
            }
        )


join("no group", GroupId="")
join("no member", MemberId="")
join("a member's id that is too long", MemberId="x" * 40)
join("no topics", SubscribedTopicNames=None)
join("an empty list of topics", SubscribedTopicNames=[])
join("topics that are not there", SubscribedTopicNames=["nowhere"])
join("a rack without a name", RackId="")
join("an epoch of somebody who never joined", MemberEpoch=4)
join("leaves what was never there", MemberEpoch=-1)
join("an epoch that means nothing", MemberEpoch=-2)


@case("ShareGroupHeartbeat", "the first member")
def _(world):
    answer = world.ask(GroupId=world.name("group"), MemberId=MEMBER, MemberEpoch=0, SubscribedTopicNames=[world.orders.name])
    # Whether the first answer or a later one brings partitions is a matter of time.
    answer["Assignment"] = answer["Assignment"] is not None
    return answer


def stay(title, more=0, member=MEMBER, **fields):
    @case("ShareGroupHeartbeat", title)
    def _(world):
        group = world.name("group")
        _, epoch = world.share_member(group, world.orders)
        return world.ask(**{"GroupId": group, "MemberId": member, "MemberEpoch": epoch + more, **fields})


stay("a member stays")
stay("a member is ahead", more=5)
stay("a stranger in a group", member=OTHER)
stay("a member leaves", MemberEpoch=-1)


@case("ShareGroupHeartbeat", "a classic group is none")
def _(world):
    return world.ask(GroupId=world.member()[0], MemberId=MEMBER, MemberEpoch=0, SubscribedTopicNames=[world.orders.name])


# ShareGroupDescribe.


def shared(world, *topics):
    group = world.name("group")
    world.share_member(group, *(topics or [world.orders]))
    return group


ask("ShareGroupDescribe", "a group", _request=lambda world: dict(GroupIds=[shared(world)]))
ask(
    "ShareGroupDescribe",
    "a group and what may be done with it",
    _request=lambda world: dict(GroupIds=[shared(world)], IncludeAuthorizedOperations=True),
)


def newcomer(title, millis):
    """A group of one that has its partitions, and a second member that comes at once."""

    @case("ShareGroupDescribe", title)
    def _(world):
        group = shared(world)
        interval(world, group, millis, "share")
        request = dict(GroupId=group, MemberEpoch=0, SubscribedTopicNames=[world.orders.name])
        # Whatever is there to be assigned, it is assigned now.
        world.call("ShareGroupHeartbeat", 1, MemberId=MEMBER, **request)
        world.call("ShareGroupHeartbeat", 1, MemberId=OTHER, **request)
        return world.ask(GroupIds=[group])


newcomer("a second member, and an assignment not so soon", "15000")
newcomer("a second member, and an assignment at once", "0")
ask("ShareGroupDescribe", "a classic group", _request=lambda world: dict(GroupIds=[world.member()[0]]))
ask("ShareGroupDescribe", "a group that is not there", _request=lambda world: dict(GroupIds=[world.name("nowhere")]))
ask("ShareGroupDescribe", "no name", GroupIds=[""])
ask("ShareGroupDescribe", "none", GroupIds=[])

# ShareFetch and ShareAcknowledge.


def take(world, line, group, epoch, topic, partitions=(0,), verdicts=None, member=MEMBER, api=None, forgotten=(), **fields):
    """A ShareFetch, of which the case may be about another API."""
    wanted = [
        {
            "PartitionIndex": at,
            "AcknowledgementBatches": [
                {"FirstOffset": first, "LastOffset": last, "AcknowledgeTypes": list(types)}
                for first, last, types in verdicts or ()
            ],
        }
        for at in partitions
    ]
    request = dict(
        GroupId=group,
        MemberId=member,
        ShareSessionEpoch=epoch,
        MaxWaitMs=0,
        MinBytes=0,
        MaxBytes=1 << 20,
        MaxRecords=500,
        BatchSize=500,
    )
    request |= dict(Topics=[{"TopicId": topic.id, "Partitions": wanted}] if partitions else [])
    if forgotten:
        request["ForgottenTopicsData"] = [{"TopicId": topic.id, "Partitions": list(forgotten)}]
    request |= fields
    if api:
        return world.call(api, 1, _line=line, **request)
    return world.ask(_line=line, **request)


class Sharer:
    """A member that reads from the start of a topic with three records, and has them."""

    def __init__(self, world, takes=True, records=3, member=MEMBER):
        self.world, self.line, self.topic, self.group = world, world.line(), world.written(records), world.name("group")
        change = [{"Name": "share.auto.offset.reset", "ConfigOperation": 0, "Value": "earliest"}]
        world.call("IncrementalAlterConfigs", 1, Resources=[{"ResourceType": 32, "ResourceName": self.group, "Configs": change}])
        world.share_member(self.group, self.topic, member=member)
        self.epoch = 0
        if takes:
            self.take_all()

    def take_all(self):
        def acquired():
            # Waits, because Kafka reads the partition's state before it gives anything.
            answer = take(self.world, self.line, self.group, self.epoch, self.topic, api="ShareFetch", MaxWaitMs=500, MinBytes=1)
            self.epoch += 1
            partition = answer["Responses"][0]["Partitions"][0] if answer["Responses"] else {}
            return {"taken": bool(partition.get("AcquiredRecords"))}

        self.world.until(acquired, "taken", True)


def fetched(title, versions="", **fields):
    """The first fetch of a session."""

    @case("ShareFetch", title, versions)
    def _(world):
        one = Sharer(world, takes=False)
        known = {key: value(world) if callable(value) else value for key, value in fields.items()}
        request = dict(group=one.group, epoch=0, topic=one.topic, MaxWaitMs=500, MinBytes=1)
        return take(world, one.line, **{**request, **known})


fetched("a new session")
fetched("a session that is not there", epoch=3)
fetched("ends a session that is not there", epoch=-1)
fetched("a partition that is not there", partitions=(7,))
fetched("a topic that is not there", topic=lambda world: world.nowhere())
fetched("no group", group="")
fetched("a group without a name", GroupId=None)
fetched("a member without a name", MemberId=None)
fetched("no member", member="")
fetched("a member's id that is none", member="m1")
fetched("a verdict in the first request", verdicts=[(0, 0, [ACCEPT])])
fetched("no records wanted", MaxRecords=0)
fetched("a negative number of records", MaxRecords=-1)
fetched("negative bytes", MaxBytes=-1)
fetched("no bytes", MaxBytes=0)
fetched("no partitions", partitions=())
fetched("a new session of a group that is not there", group=lambda world: world.name("nowhere"))
fetched("a member's id that is too long", member="x" * 40)
fetched("no more records than are wanted", "2-", MaxRecords=2, ShareAcquireMode=RECORD_LIMIT)
fetched("fewer records than a batch has", MaxRecords=2)
fetched("a mode that is not known", "2-", ShareAcquireMode=7)
fetched("renews, and fetches", "2-", IsRenewAck=True)
fetched("renews nothing", "2-", IsRenewAck=True, MaxWaitMs=0, MinBytes=0, MaxBytes=0, MaxRecords=0)


def goes_on(api, title, verdicts=(), more=0, partitions=(0,), versions="", forgotten=(), **fields):
    """A member that has three records (offsets 0 to 2) says what became of them."""

    @case(api, title, versions)
    def _(world):
        one = Sharer(world)
        epoch = fields.get("epoch", one.epoch + more)
        rest = {key: value(world) if callable(value) else value for key, value in fields.items() if key != "epoch"}
        if api == "ShareFetch":
            return take(
                world, one.line, one.group, epoch, rest.pop("topic", one.topic), partitions, verdicts, forgotten=forgotten, **rest
            )
        topic = rest.pop("topic", one.topic)
        wanted = [
            {
                "PartitionIndex": at,
                "AcknowledgementBatches": [
                    {"FirstOffset": first, "LastOffset": last, "AcknowledgeTypes": list(types)} for first, last, types in verdicts
                ],
            }
            for at in partitions
        ]
        request = dict(
            GroupId=one.group,
            MemberId=MEMBER,
            ShareSessionEpoch=epoch,
            Topics=[{"TopicId": topic.id, "Partitions": wanted}] if partitions else [],
        )
        return world.ask(_line=one.line, **{**request, **rest})


RENEWAL = dict(IsRenewAck=True, MaxWaitMs=0, MinBytes=0, MaxBytes=0, MaxRecords=0)

for name in ("ShareFetch", "ShareAcknowledge"):
    goes_on(name, "accepts all", [(0, 2, [ACCEPT])])
    goes_on(name, "a verdict for each", [(0, 2, [ACCEPT, RELEASE, REJECT])])
    goes_on(name, "accepts one", [(1, 1, [ACCEPT])])
    goes_on(name, "in two parts", [(0, 0, [ACCEPT]), (1, 2, [REJECT])])
    goes_on(name, "what it does not have", [(0, 9, [ACCEPT])])
    goes_on(name, "what is behind the end", [(50, 50, [ACCEPT])])
    goes_on(name, "a verdict that is not known", [(0, 2, [9])])
    goes_on(name, "a negative verdict", [(0, 2, [-1])])
    goes_on(name, "a gap, which has no records", [(0, 2, [0])])
    goes_on(name, "too many verdicts", [(0, 2, [ACCEPT] * 5)])
    goes_on(name, "no verdicts", [(0, 2, [])])
    goes_on(name, "the last before the first", [(2, 0, [ACCEPT])])
    goes_on(name, "parts that overlap", [(0, 1, [ACCEPT]), (1, 2, [ACCEPT])])
    goes_on(name, "parts in the wrong order", [(2, 2, [ACCEPT]), (0, 1, [ACCEPT])])
    goes_on(name, "an epoch that was", [(0, 2, [ACCEPT])], more=-1)
    goes_on(name, "an epoch to come", [(0, 2, [ACCEPT])], more=3)
    goes_on(name, "the end of the session", [(0, 2, [ACCEPT])], epoch=-1)
    goes_on(name, "another partition", [(0, 2, [ACCEPT])], partitions=(5,))
    goes_on(name, "another topic", [(0, 2, [ACCEPT])], topic=lambda world: world.nowhere())
    goes_on(name, "another member", [(0, 2, [ACCEPT])], MemberId=OTHER)
    goes_on(name, "a group that is not there", [(0, 2, [ACCEPT])], GroupId="nowhere")
    goes_on(name, "renews, and does not say so", [(0, 2, [RENEW])], versions="2-")
goes_on("ShareFetch", "renews all", [(0, 2, [RENEW])], versions="2-", **RENEWAL)
goes_on("ShareFetch", "renews one and accepts the others", [(0, 2, [ACCEPT, RENEW, ACCEPT])], versions="2-", **RENEWAL)
goes_on("ShareFetch", "renews what it does not have", [(7, 7, [RENEW])], versions="2-", **RENEWAL)
goes_on("ShareFetch", "renews, and wants records", [(0, 2, [RENEW])], versions="2-", IsRenewAck=True)
goes_on("ShareFetch", "renews, and waits", [(0, 2, [RENEW])], versions="2-", **{**RENEWAL, "MaxWaitMs": 100})
goes_on("ShareFetch", "accepts all and says that it renews", [(0, 2, [ACCEPT])], versions="2-", **RENEWAL)
goes_on("ShareAcknowledge", "renews all", [(0, 2, [RENEW])], versions="2-", IsRenewAck=True)
goes_on("ShareAcknowledge", "renews one and accepts the others", [(0, 2, [ACCEPT, RENEW, ACCEPT])], versions="2-", IsRenewAck=True)
goes_on("ShareAcknowledge", "renews what it does not have", [(7, 7, [RENEW])], versions="2-", IsRenewAck=True)
goes_on("ShareFetch", "nothing new")
goes_on("ShareFetch", "forgets the partition", partitions=(), forgotten=(0,))
goes_on("ShareAcknowledge", "nothing", partitions=())
goes_on("ShareAcknowledge", "a first epoch", [(0, 2, [ACCEPT])], epoch=0)


@case("ShareFetch", "what was released comes again")
def _(world):
    one = Sharer(world)
    taken = take(world, one.line, one.group, one.epoch, one.topic, verdicts=[(0, 2, [RELEASE])])
    if any(partition["AcquiredRecords"] for topic in taken["Responses"] for partition in topic["Partitions"]):
        return taken
    return take(world, one.line, one.group, one.epoch + 1, one.topic, MaxWaitMs=500, MinBytes=1)


def batched(title, size, records_max=500):
    """The first fetch of a topic with batches of two, one and three records."""

    @case("ShareFetch", title)
    def _(world):
        one = Sharer(world, takes=False, records=2)
        for count in (1, 3):
            world.produce(one.topic, world.batch(*[b"v"] * count))
        return take(
            world, one.line, one.group, 0, one.topic, MaxWaitMs=500, MinBytes=1, BatchSize=size, MaxRecords=records_max
        )


batched("ranges of a batch at least", 1)
batched("ranges of two records at least", 2)
batched("ranges of three records at least", 3)
batched("ranges as large as can be", 500)
batched("ranges of no size", 0)
batched("ranges of a negative size", -1)
batched("ranges of a batch at least, and few records", 1, records_max=3)


def often(title, limit, rounds):
    """Ten records of one batch that are given back whenever they come: which come each time, and how often they have."""

    @case("ShareFetch", title, "2-")
    def _(world):
        one = Sharer(world, takes=False, records=10)
        change = [{"Name": "share.delivery.count.limit", "ConfigOperation": 0, "Value": limit}]
        world.call("IncrementalAlterConfigs", 1, Resources=[{"ResourceType": 32, "ResourceName": one.group, "Configs": change}])
        if world.server.kind == "kafka":
            world.topic(stem="later")
        seen = {}
        for number in range(1, rounds + 1):
            came, tries = [], 0
            while not came and tries < 10:
                answer = take(world, one.line, one.group, one.epoch, one.topic, MaxWaitMs=500, MinBytes=1)
                one.epoch, tries = one.epoch + 1, tries + 1
                for topic in answer["Responses"]:
                    for spans in (partition["AcquiredRecords"] for partition in topic["Partitions"]):
                        for span in spans:
                            offsets = range(span["FirstOffset"], span["LastOffset"] + 1)
                            came += [(offset, span["DeliveryCount"]) for offset in offsets]
            seen[f"Round{number:02}"] = [f"{offset} for time {count}" for offset, count in came]
            given = [(came[0][0], came[-1][0], [RELEASE])] if came else []
            if given:
                verdicts = [{"FirstOffset": first, "LastOffset": last, "AcknowledgeTypes": types} for first, last, types in given]
                partition = {"PartitionIndex": 0, "AcknowledgementBatches": verdicts}
                topics = [{"TopicId": one.topic.id, "Partitions": [partition]}]
                who = dict(GroupId=one.group, MemberId=MEMBER, ShareSessionEpoch=one.epoch)
                world.call("ShareAcknowledge", 1, _line=one.line, Topics=topics, **who)
                one.epoch += 1
        return seen


often("what is given back again and again", "5", 16)
often("what is given back and may come twice", "2", 2)
often("what is given back and may come three times", "3", 8)
often("what is given back and may come eight times", "8", 10)


@case("ShareAcknowledge", "twice")
def _(world):
    one = Sharer(world)
    wanted = [
        {"PartitionIndex": 0, "AcknowledgementBatches": [{"FirstOffset": 0, "LastOffset": 2, "AcknowledgeTypes": [ACCEPT]}]}
    ]
    request = dict(GroupId=one.group, MemberId=MEMBER, Topics=[{"TopicId": one.topic.id, "Partitions": wanted}])
    return [world.ask(_line=one.line, ShareSessionEpoch=one.epoch + at, **request) for at in (0, 1)]


# Where share groups are.


def sharer_gone(world):
    """A group that has read and has nobody."""
    one = Sharer(world)
    wanted = [
        {"PartitionIndex": 0, "AcknowledgementBatches": [{"FirstOffset": 0, "LastOffset": 1, "AcknowledgeTypes": [ACCEPT]}]}
    ]
    request = dict(GroupId=one.group, MemberId=MEMBER, Topics=[{"TopicId": one.topic.id, "Partitions": wanted}])
    world.call("ShareAcknowledge", 1, _line=one.line, ShareSessionEpoch=-1, **request)
    world.call("ShareGroupHeartbeat", 1, GroupId=one.group, MemberId=MEMBER, MemberEpoch=-1)
    return one


def offsets(title, make):
    @case("DescribeShareGroupOffsets", title)
    def _(world):
        return world.ask(Groups=make(world))


def wanted(world, partitions=(0,), topic=None):
    one = sharer_gone(world)
    return [
        {
            "GroupId": one.group,
            "Topics": [{"TopicName": (topic(world) if topic else one.topic).name, "Partitions": list(partitions)}],
        }
    ]


offsets("a group that has read", wanted)
offsets("a partition that is not there", lambda world: wanted(world, (0, 5)))
offsets("a topic that it has not read", lambda world: wanted(world, topic=lambda world: world.orders))
offsets("a topic that is not there", lambda world: wanted(world, topic=lambda world: world.nowhere()))
offsets("everything of a group", lambda world: [{"GroupId": sharer_gone(world).group, "Topics": None}])
offsets("everything of a group that has read nothing", lambda world: [{"GroupId": shared(world), "Topics": None}])
offsets(
    "a group that is not there",
    lambda world: [{"GroupId": world.name("nowhere"), "Topics": [{"TopicName": world.orders.name, "Partitions": [0]}]}],
)
offsets("everything of a group that is not there", lambda world: [{"GroupId": world.name("nowhere"), "Topics": None}])
offsets("everything of a classic group", lambda world: [{"GroupId": world.member()[0], "Topics": None}])
offsets("no name", lambda world: [{"GroupId": "", "Topics": None}])
offsets("none", lambda world: [])


def set_offsets(title, *partitions, group=None, topic=None, is_busy=False):
    @case("AlterShareGroupOffsets", title)
    def _(world):
        one = Sharer(world) if is_busy else sharer_gone(world)
        there = (topic(world) if topic else one.topic).name
        topics = [
            {"TopicName": there, "Partitions": [{"PartitionIndex": at, "StartOffset": offset} for at, offset in partitions]}
        ]
        return world.ask(GroupId=group(world) if group else one.group, Topics=topics)


set_offsets("to the start", (0, 0))
set_offsets("beyond the end", (0, 70))
set_offsets("a negative one", (0, -5))
set_offsets("of a partition that is not there", (5, 0))
set_offsets("of a topic that is not there", (0, 0), topic=lambda world: world.nowhere())
set_offsets("of a topic that it has not read", (0, 0), topic=lambda world: world.orders)
set_offsets("of a group with a member", (0, 0), is_busy=True)
set_offsets("of a group that is not there", (0, 0), group=lambda world: world.name("nowhere"))
set_offsets("of a classic group", (0, 0), group=lambda world: world.member()[0])
set_offsets("of no group", (0, 0), group=lambda world: "")
set_offsets("of no partitions")


def forget_offsets(title, topic=None, group=None, is_busy=False):
    @case("DeleteShareGroupOffsets", title)
    def _(world):
        one = Sharer(world) if is_busy else sharer_gone(world)
        topics = [{"TopicName": (topic(world) if topic else one.topic).name}]
        return world.ask(GroupId=group(world) if group else one.group, Topics=topics)


forget_offsets("of a topic that it has read")
forget_offsets("of a topic that it has not read", topic=lambda world: world.orders)
forget_offsets("of a topic that is not there", topic=lambda world: world.nowhere())
forget_offsets("of a group with a member", is_busy=True)
forget_offsets("of a group that is not there", group=lambda world: world.name("nowhere"))
forget_offsets("of a classic group", group=lambda world: world.member()[0])
forget_offsets("of no group", group=lambda world: "")
ask("DeleteShareGroupOffsets", "of no topics", _request=lambda world: dict(GroupId=sharer_gone(world).group, Topics=[]))
