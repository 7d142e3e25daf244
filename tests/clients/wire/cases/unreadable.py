"""What cannot be read: the same for every API."""

from case import CASES, case
from world import Closed


def body(world, **fields):
    return world.server.schemas.request(world.api, world.version, fields)


def send(world, version, data, has_tags):
    """Whether there is an answer; what is in it is the matter of other cases."""
    line = world.line()
    world.send_body(line, world.server.schemas.keys[world.api], version, data, has_tags)
    try:
        line.receive_frame()
        return {"Connection": "answered"}
    except Closed:
        return {"Connection": "closed"}


def add(api):
    @case(api, "cut by a byte")
    def _(world):
        data, has_tags = body(world)
        return send(world, world.version, data[:-1], has_tags) if data else None

    @case(api, "a version that is too new")
    def _(world):
        newest = world.server.schemas.range(api)[1]
        return send(world, newest + 1, *world.server.schemas.request(api, newest, {}))

    @case(api, "a negative version")
    def _(world):
        data, has_tags = body(world)
        return send(world, -1, data, has_tags)

    @case(api, "noise instead of a request")
    def _(world):
        return send(world, world.version, b"\x7f" * 40, body(world)[1])

    @case(api, "null where a list has to be")
    def _(world):
        for field in world.server.schemas.fields(api, world.version):
            if field["type"].startswith("[]") and not field.get("nullableVersions"):
                data, has_tags = body(world, **{field["name"]: None})
                return send(world, world.version, data, has_tags)
        return None

    @case(api, "null where a text has to be")
    def _(world):
        for field in world.server.schemas.fields(api, world.version):
            if field["type"] == "string" and not field.get("nullableVersions"):
                data, has_tags = body(world, **{field["name"]: None})
                return send(world, world.version, data, has_tags)
        return None


def add_all():
    for api in sorted({found for found, _ in CASES}):
        add(api)
