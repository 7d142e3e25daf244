"""DescribeConfigs, AlterConfigs, IncrementalAlterConfigs, ListConfigResources."""

from case import ask, case

BROKER, BROKER_LOGGER, TOPIC, CLIENT_METRICS, GROUP = 4, 8, 2, 16, 32

# DescribeConfigs.


def describe(title, *resources, versions="", **fields):
    """Resources are a kind, a name and which configs."""

    def request(world):
        wanted = [
            {"ResourceType": kind, "ResourceName": name(world) if callable(name) else name, "ConfigurationKeys": keys}
            for kind, name, keys in resources
        ]
        return dict(Resources=wanted, **fields)

    ask("DescribeConfigs", title, versions, _request=request)


def orders(world):
    return world.orders.name


def nowhere(world):
    return world.name("nowhere")


describe("a topic's cleanup.policy", (TOPIC, orders, ["cleanup.policy"]))
describe("a topic's retention.bytes", (TOPIC, orders, ["retention.bytes"]))
describe("a topic's retention.ms", (TOPIC, orders, ["retention.ms"]))
describe("a topic's compression.type", (TOPIC, orders, ["compression.type"]))
describe("a topic's max.message.bytes", (TOPIC, orders, ["max.message.bytes"]))
describe("a topic's message.timestamp.type", (TOPIC, orders, ["message.timestamp.type"]))
describe("a topic's segment.bytes", (TOPIC, orders, ["segment.bytes"]))
describe("a topic's config with synonyms", (TOPIC, orders, ["cleanup.policy"]), IncludeSynonyms=True)
describe("a topic's config with documentation", (TOPIC, orders, ["cleanup.policy"]), versions="3-", IncludeDocumentation=True)
describe("a topic's config that there is not", (TOPIC, orders, ["retention.meters"]))
describe("no config of a topic", (TOPIC, orders, []))
describe("a topic that is not there", (TOPIC, nowhere, None))
describe("a name that no topic may have", (TOPIC, "bad name", None))
describe("no topic", (TOPIC, "", None))
describe("a topic twice", (TOPIC, orders, ["retention.bytes"]), (TOPIC, orders, ["cleanup.policy"]))
describe("the broker's node.id", (BROKER, "1", ["node.id"]))
describe("the broker's num.partitions", (BROKER, "1", ["num.partitions"]))
describe("the broker's auto.create.topics.enable", (BROKER, "1", ["auto.create.topics.enable"]))
for kind in ("", "consumer.", "share.", "streams."):
    describe(f"the broker's group.{kind}max.size", (BROKER, "1", [f"group.{kind}max.size"]), versions="4-")
describe("the broker's config that there is not", (BROKER, "1", ["num.planets"]))
describe("all brokers' defaults", (BROKER, "", ["num.partitions"]))
describe("a broker that is not there", (BROKER, "9", None))
describe("a broker whose id is no number", (BROKER, "one", None))
describe("loggers of a broker that is not there", (BROKER_LOGGER, "9", None))
describe("loggers of no broker", (BROKER_LOGGER, "", None))
describe("clients' metrics that are not there", (CLIENT_METRICS, nowhere, None))
describe("clients' metrics without a name", (CLIENT_METRICS, "", None))
describe("a group's share.auto.offset.reset", (GROUP, "group", ["share.auto.offset.reset"]))
describe("a group's share.isolation.level", (GROUP, "group", ["share.isolation.level"]))
for name in (
    *("consumer.assignment.interval.ms", "consumer.heartbeat.interval.ms", "consumer.session.timeout.ms"),
    *("errors.deadletterqueue.copy.record.enable", "errors.deadletterqueue.topic.name"),
    *("share.assignment.interval.ms", "share.auto.offset.reset", "share.delivery.count.limit", "share.heartbeat.interval.ms"),
    *("share.isolation.level", "share.partition.max.record.locks", "share.record.lock.duration.ms"),
    *("share.renew.acknowledge.enable", "share.session.timeout.ms", "streams.assignment.interval.ms", "streams.assignor.name"),
    *("streams.heartbeat.interval.ms", "streams.initial.rebalance.delay.ms", "streams.num.standby.replicas"),
    *("streams.rack.aware.assignment.tags", "streams.session.timeout.ms"),
):
    describe(f"a group's {name} with synonyms", (GROUP, "group", [name]), versions="4-", IncludeSynonyms=True)
describe("no group", (GROUP, "", ["share.auto.offset.reset"]))
describe("a kind that is not known", (99, "x", None))
describe("kind 0", (0, "x", None))
describe("a negative kind", (-1, "x", None))
describe("good and bad ones", (TOPIC, orders, ["cleanup.policy"]), (TOPIC, nowhere, ["cleanup.policy"]), (BROKER, "9", None))
describe("none")


@case("DescribeConfigs", "a topic's config that was set")
def _(world):
    topic = world.topic(retention_ms="172800000")
    return world.ask(
        Resources=[{"ResourceType": TOPIC, "ResourceName": topic.name, "ConfigurationKeys": ["retention.ms"]}],
        IncludeSynonyms=True,
    )


@case("DescribeConfigs", "which configs a topic has")
def _(world):
    answer = world.ask(Resources=[{"ResourceType": TOPIC, "ResourceName": world.orders.name, "ConfigurationKeys": None}])
    return {"Configs": [{"Name": one["Name"]} for one in answer["Results"][0]["Configs"]]}


@case("DescribeConfigs", "which configs a group has")
def _(world):
    answer = world.ask(Resources=[{"ResourceType": GROUP, "ResourceName": "group", "ConfigurationKeys": None}])
    return {"Configs": [{"Name": one["Name"]} for one in answer["Results"][0]["Configs"]]}


@case("DescribeConfigs", "a group's configs that were set")
def _(world):
    group = world.name("group")
    configs = {"consumer.session.timeout.ms": "50000", "share.auto.offset.reset": "earliest"}
    change = [{"Name": name, "ConfigOperation": 0, "Value": value} for name, value in configs.items()]
    world.call("IncrementalAlterConfigs", 1, Resources=[{"ResourceType": GROUP, "ResourceName": group, "Configs": change}])
    if world.server.kind == "kafka":
        # Its broker hears of a change some time later, but of none before it hears of an earlier one.
        world.topic(stem="later")
    resource = {"ResourceType": GROUP, "ResourceName": group, "ConfigurationKeys": list(configs)}
    return world.ask(Resources=[resource], IncludeSynonyms=True)


# AlterConfigs.


def seen(world, topic, *names):
    """What a topic's configs are afterwards."""
    if world.server.kind == "kafka":
        # Its broker hears of a change some time later, but of none before it hears of an earlier one.
        world.topic(stem="later")
    resource = {"ResourceType": TOPIC, "ResourceName": topic.name, "ConfigurationKeys": list(names)}
    found = world.call("DescribeConfigs", 4, Resources=[resource])["Results"][0]["Configs"]
    return {"After": [{key: one[key] for key in ("Name", "Value", "ConfigSource")} for one in found]}


def alter(title, *configs, dry=False, kind=TOPIC, name=None):
    """Configs of a topic that has a retention of two days."""

    @case("AlterConfigs", title)
    def _(world):
        topic = world.topic(retention_ms="172800000")
        there = topic.name if name is None else name(world) if callable(name) else name
        wanted = [{"Name": key, "Value": value} for key, value in configs]
        answer = world.ask(Resources=[{"ResourceType": kind, "ResourceName": there, "Configs": wanted}], ValidateOnly=dry)
        return [answer, seen(world, topic, "retention.ms", "cleanup.policy")]


alter("one, and the others are taken back", ("cleanup.policy", "compact"))
alter("none, and all are taken back")
alter("nothing but a look", ("cleanup.policy", "compact"), dry=True)
alter("one that there is not", ("retention.meters", "1"))
alter("one that is no number", ("retention.ms", "soon"))
alter("one out of its range", ("max.message.bytes", "-1"))
alter("one of null", ("retention.ms", None))
alter("one twice", ("retention.ms", "259200000"), ("retention.ms", "345600000"))
alter("one without a name", ("", "1"))
alter("a topic that is not there", ("retention.ms", "172800000"), name=nowhere)
alter("no topic", ("retention.ms", "172800000"), name="")
alter("a broker that is not there", ("log.retention.ms", "172800000"), kind=BROKER, name="9")
alter("a broker whose id is no number", ("log.retention.ms", "172800000"), kind=BROKER, name="one")
alter("a broker's that cannot be changed", ("node.id", "7"), kind=BROKER, name="1")
alter("a broker's loggers", ("kafka.server", "INFO"), kind=BROKER_LOGGER, name="1")
alter("a kind that is not known", ("x", "1"), kind=99, name="x")
ask("AlterConfigs", "none", Resources=[])


# Kafka leaves it without an answer, which takes its time; one version is enough.
@case("AlterConfigs", "a topic twice", "2-")
def _(world):
    resource = {"ResourceType": TOPIC, "ResourceName": world.topic().name, "Configs": []}
    return world.ask(Resources=[resource, resource])


# IncrementalAlterConfigs.

SET, DELETE, APPEND, SUBTRACT = range(4)


def change(title, *configs, dry=False, kind=TOPIC, name=None):
    @case("IncrementalAlterConfigs", title)
    def _(world):
        topic = world.topic(retention_ms="172800000")
        there = topic.name if name is None else name(world) if callable(name) else name
        wanted = [{"Name": key, "ConfigOperation": operation, "Value": value} for key, operation, value in configs]
        answer = world.ask(Resources=[{"ResourceType": kind, "ResourceName": there, "Configs": wanted}], ValidateOnly=dry)
        return [answer, seen(world, topic, "retention.ms", "cleanup.policy")]


change("set", ("cleanup.policy", SET, "compact"))
change("delete", ("retention.ms", DELETE, None))
change("delete, with a value", ("retention.ms", DELETE, "9"))
change("delete what was not set", ("cleanup.policy", DELETE, None))
change("delete one that there is not", ("retention.meters", DELETE, None))
change("append", ("cleanup.policy", APPEND, "compact"))
change("append what is there", ("cleanup.policy", APPEND, "delete"))
change("subtract what is not there", ("cleanup.policy", SUBTRACT, "compact"))
change("append to what is no list", ("retention.ms", APPEND, "1"))
change("append null", ("cleanup.policy", APPEND, None))
change("set null", ("retention.ms", SET, None))
change("an operation that is not known", ("retention.ms", 9, "1"))
change("nothing but a look", ("cleanup.policy", SET, "compact"), dry=True)
change("one that there is not", ("retention.meters", SET, "1"))
change("one that is no number", ("retention.ms", SET, "soon"))
change("one twice", ("retention.ms", SET, "259200000"), ("retention.ms", DELETE, None))
change("none")
change("a good one and a bad one", ("cleanup.policy", SET, "compact"), ("retention.ms", SET, "soon"))
change("a topic that is not there", ("retention.ms", SET, "172800000"), name=nowhere)
change("no topic", ("retention.ms", SET, "172800000"), name="")
change("a broker that is not there", ("log.retention.ms", SET, "172800000"), kind=BROKER, name="9")
change("a broker's that cannot be changed", ("node.id", SET, "7"), kind=BROKER, name="1")
change("a group's that there is not", ("group.planets", SET, "7"), kind=GROUP, name="configured")
change("a group's", ("share.auto.offset.reset", SET, "earliest"), kind=GROUP, name=lambda world: world.name("group"))
change(
    "a group's out of its range", ("share.record.lock.duration.ms", SET, "1"), kind=GROUP, name=lambda world: world.name("group")
)
change("no group", ("share.auto.offset.reset", SET, "earliest"), kind=GROUP, name="")


def change_group(title, *configs):
    """Configs of a group that has two tags, and how they are afterwards."""

    @case("IncrementalAlterConfigs", title, "1-")
    def _(world):
        group = world.name("group")

        def resource(*configs):
            wanted = [{"Name": key, "ConfigOperation": operation, "Value": value} for key, operation, value in configs]
            return {"ResourceType": GROUP, "ResourceName": group, "Configs": wanted}

        world.call("IncrementalAlterConfigs", 1, Resources=[resource(("streams.rack.aware.assignment.tags", SET, "zone,rack"))])
        answer = world.ask(Resources=[resource(*configs)])
        if world.server.kind == "kafka":
            world.topic(stem="later")
        keys = ["streams.rack.aware.assignment.tags", *(key for key, _, _ in configs)]
        shown = {"ResourceType": GROUP, "ResourceName": group, "ConfigurationKeys": keys}
        found = world.call("DescribeConfigs", 4, Resources=[shown])["Results"][0]["Configs"]
        return [answer, {"After": [{key: one[key] for key in ("Name", "Value", "ConfigSource")} for one in found]}]


for name, worst in (
    ("consumer.assignment.interval.ms", "15001"),
    ("share.assignment.interval.ms", "15001"),
    ("streams.assignment.interval.ms", "15001"),
    ("share.partition.max.record.locks", "4001"),
    ("errors.deadletterqueue.topic.name", "__letters"),
    ("errors.deadletterqueue.copy.record.enable", "perhaps"),
):
    change_group(f"a group's {name} out of its range", (name, SET, worst))
for name, best in (
    ("consumer.assignment.interval.ms", "15000"),
    ("share.assignment.interval.ms", "0"),
    ("streams.assignment.interval.ms", "0"),
    ("share.partition.max.record.locks", "4000"),
    ("errors.deadletterqueue.topic.name", "letters"),
    ("errors.deadletterqueue.copy.record.enable", "true"),
):
    change_group(f"a group's {name}", (name, SET, best))
change_group("append to a group's list", ("streams.rack.aware.assignment.tags", APPEND, "row,zone"))
change_group("subtract from a group's list", ("streams.rack.aware.assignment.tags", SUBTRACT, "row,zone"))
change_group("append to a group's config that is no list", ("share.session.timeout.ms", APPEND, "1"))
change_group("a group's config and one that there is not", ("share.session.timeout.ms", SET, "50000"), ("planets", SET, "1"))
change("a kind that is not known", ("x", SET, "1"), kind=99, name="x")
ask("IncrementalAlterConfigs", "no resources", Resources=[])


@case("IncrementalAlterConfigs", "a topic twice")
def _(world):
    resource = {"ResourceType": TOPIC, "ResourceName": world.topic().name, "Configs": []}
    return world.ask(Resources=[resource, resource])


# ListConfigResources.


def resources(title, *kinds, versions=""):
    """Of the topics and groups only the first one, which has no configs of its own."""

    @case("ListConfigResources", title, versions)
    def _(world):
        answer = world.ask(ResourceTypes=list(kinds))
        answer["ConfigResources"] = [
            one
            for one in answer["ConfigResources"]
            if one.get("ResourceType", CLIENT_METRICS) not in (TOPIC, GROUP) or one["ResourceName"] == world.orders.name
        ]
        return answer


resources("of all kinds")
resources("topics", TOPIC, versions="1-")
resources("brokers", BROKER, versions="1-")
resources("loggers", BROKER_LOGGER, versions="1-")
resources("clients' metrics", CLIENT_METRICS, versions="1-")
resources("groups", GROUP, versions="1-")
resources("a kind twice", BROKER, BROKER, versions="1-")
resources("a kind that is not known", 99, versions="1-")
resources("a kind that is known and one that is not", BROKER, 99, versions="1-")
resources("kind 0", 0, versions="1-")
