"""Answers as lines of text: what changes from run to run is taken out, and what versions have in common is written once."""

import json
import re

import batches
from messages import NO_ID

# The first of them that an element of a list has tells it from the others; a list of others is in its own order.
LABELS = (
    *("Name", "TopicName", "Topic", "TopicId", "ResourceName", "GroupId", "MemberId", "TransactionalId", "Key", "User"),
    *(
        "Feature",
        "EntityType",
        "Mechanism",
        "PartitionIndex",
        "PartitionId",
        "Partition",
        "Index",
        "NodeId",
        "BrokerId",
        "ApiKey",
        "LogDir",
        "BaseOffset",
        "FirstOffset",
        "ProducerId",
    ),
    "Principal",
)
# As World.name makes them.
NAME = re.compile(r"[A-Za-z_.]+-\d{5}")
TOPICS = {"Name", "Topic", "TopicName", "TopicId"}
WORDS = re.compile(r"(Message|Documentation)$")
BYTES_SEEN = {"TotalBytes", "UsableBytes", "PartitionSize"}
# They count changes, and how many a change takes is the server's business.
EPOCHS = {"MemberEpoch", "GroupEpoch", "AssignmentEpoch", "TargetAssignmentEpoch", "FinalizedFeaturesEpoch"}
TIME_AHEAD = 400 * 24 * 3_600_000


class Answer:
    """Turns one answer into lines, for one case with one version."""

    def __init__(self, world):
        self.world, self.server = world, world.server
        self.members, self.producers = {}, world.producers

    def lines(self, value):
        found = {}
        self._walk("", value, found)
        return found

    def _walk(self, path, value, found):
        field = path.rpartition(".")[2].partition("[")[0]
        if isinstance(value, dict):
            for name, content in value.items():
                self._walk(f"{path}.{name}" if path else name, content, found)
        elif isinstance(value, (list, tuple)):
            self._list(path, field, value, found)
        elif isinstance(value, bytes) and field == "Records":
            self._list(path, "Batches", batches.read(value), found)
        else:
            found[path] = self._show(field, value)

    def _list(self, path, field, value, found):
        if not value:
            found[path] = "[]"
            return
        if isinstance(value[0], list):
            for at, one in enumerate(value):
                self._walk(f"{path}[{at}]", one, found)
            return
        if not isinstance(value[0], dict):
            shown = [self._show(field, one) for one in value]
            found[path] = f"[{', '.join(sorted(shown, key=lambda text: (len(text), text)))}]"
            return
        label = next((name for name in LABELS if name in value[0]), None)
        if label in TOPICS:
            value = merged(value)
        seen = {}
        for at, one in enumerate(
            sorted(value, key=lambda one: json.dumps(one, sort_keys=True, default=bytes.hex)) if label else value
        ):
            name = str(at)
            if label:
                name = self._show(label, one[label]).strip('"').removeprefix("id of ")
                seen[name] = seen.get(name, 0) + 1
                name += f"#{seen[name]}" if seen[name] > 1 else ""
            self._walk(f"{path}[{name}]", one, found)

    def _show(self, field, value):
        server = self.server
        if value is None or isinstance(value, bool):
            return json.dumps(value)
        if field == "Connection":
            return value
        if isinstance(value, bytes):
            return self._bytes(field, value)
        if isinstance(value, str):
            return self._text(field, value)
        if "ProducerId" in field and value > 0:
            return self.producers.setdefault(value, f"producer {len(self.producers) + 1}")
        if field == "ApiKey" and value in server.schemas.names:
            return server.schemas.names[value]
        if field == "Port" and value in (server.port, server.login_port):
            return "port"
        if field == "SessionId" and value:
            return "session"
        if field in EPOCHS and value > 0 or field == "FinalizedFeaturesEpoch" and value == 0:
            return "epoch"
        if field in BYTES_SEEN and value > 0:
            return "bytes"
        if 0 <= value - server.begun < 1000:
            return f"begin + {value - server.begun}"
        if 0 < value - server.begun < TIME_AHEAD:
            return "time"
        return str(value)

    def _bytes(self, field, value):
        if len(value) == 16 and ("Id" in field or field in self.server.topics):
            if value == NO_ID:
                return "no id"
            return f"id of {self.server.topics[value]}" if value in self.server.topics else "some id"
        return f"0x{value.hex()}"

    def _text(self, field, value):
        if WORDS.search(field) and value:
            return "words"
        if value == self.server.cluster:
            return "cluster"
        if field == "LogDir" and value == str(self.server.directory / "data"):
            return "directory"
        if field in ("MemberId", "Leader") and value and value not in self.server.names:
            return self.members.setdefault(value, f"member {len(self.members) + 1}")
        names = self.server.names
        value = names.get(value) or NAME.sub(lambda found: names.get(found.group(), found.group()), value)
        return json.dumps(value, ensure_ascii=False)


def merged(value):
    """Puts together what is said of a topic in several elements: Kafka has one for failed partitions and one for the others."""
    found = {}
    for one in value:
        lists = {name for name, content in one.items() if isinstance(content, list) and content and isinstance(content[0], dict)}
        rest = json.dumps(
            {name: content for name, content in one.items() if name not in lists}, sort_keys=True, default=bytes.hex
        )
        if len(lists) == 1 and rest in found:
            (name,) = lists
            found[rest] = {**found[rest], name: found[rest][name] + one[name]}
        else:
            found[rest if len(lists) == 1 else len(found)] = one
    return list(found.values())


class Answers:
    """The lines of the answers to one case: field → value → the versions in which it has it."""

    def __init__(self):
        self.fields = {}

    def add(self, version, lines):
        for field, value in lines.items():
            self.fields.setdefault(field, {}).setdefault(value, set()).add(version)

    def value(self, field, version):
        for value, versions in self.fields.get(field, {}).items():
            if version in versions:
                return value
        return ABSENT

    def versions(self):
        return {version for values in self.fields.values() for versions in values.values() for version in versions}


ABSENT = "–"


def ranges(versions):
    """`0-3,5` for a set of versions."""
    runs = []
    for version in sorted(versions):
        if runs and version == runs[-1][1] + 1:
            runs[-1][1] = version
        else:
            runs.append([version, version])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def parse_ranges(text):
    runs = [run.partition("-") for run in text.split(",")]
    return {version for first, _, last in runs for version in range(int(first), int(last or first) + 1)}


def write(directory, version, answers, apis):
    """One file for each of the APIs. `answers` has those of each case."""
    directory.mkdir(exist_ok=True)
    for api in apis:
        text = f"# What Apache Kafka {version} answers. Made by `tests/clients/wire/run.sh --record`; do not edit.\n"
        for case, found in answers.items():
            if case.api == api:
                text += f"\n## {case.title}\n"
                for field, values in sorted(found.fields.items()):
                    for value, versions in sorted(values.items(), key=lambda item: min(item[1])):
                        text += f"{ranges(versions)}: {field} = {value}\n"
        (directory / f"{api}.txt").write_text(text)


def read(directory, cases, is_strict=True):
    """What `write` has written; a title that no case has is an error, so that nothing is kept of cases that are gone."""
    answers = {}
    for path in sorted(directory.glob("*.txt")):
        found = None
        for line in path.read_text().splitlines():
            if line.startswith("## "):
                case = cases.get((path.stem, line[3:]))
                if not case and is_strict:
                    raise SystemExit(f"{path}: there is no case {line[3:]!r}; record the answers anew")
                found = answers[case] = Answers()
            elif line and not line.startswith("#"):
                versions, _, rest = line.partition(": ")
                field, _, value = rest.partition(" = ")
                found.fields.setdefault(field, {})[value] = parse_ranges(versions)
    return answers
