"""DIFFERENCES.md: every difference from Kafka, and why there is one."""

import re
from dataclasses import dataclass, field

from answers import ABSENT, ranges

ANSWERED = "answered"
THERE = "there"
COLUMNS = ("API", "versions", "case", "field", "Kafka", "shardgate", "why")


@dataclass(frozen=True)
class Difference:
    """One field of the answer to one case, with the versions in which both servers' values are the same ones."""

    api: str
    case: str
    field: str
    kafka: str
    ours: str
    versions: frozenset

    def row(self):
        cells = (self.api, ranges(self.versions), self.case, self.field, self.kafka, self.ours)
        return "| " + " | ".join(cell(text) for text in cells) + " |  |"


@dataclass
class Row:
    """A line of the table. Stars in it stand for anything; `versions` are then those of all that it explains."""

    line: int
    cells: tuple
    found: list = field(default_factory=list)

    def explains(self, difference):
        api, _, case, name, kafka, ours, _ = self.cells
        seen = (difference.api, difference.case, difference.field, difference.kafka, difference.ours)
        return all(is_like(text, pattern) for text, pattern in zip(seen, (api, case, name, kafka, ours), strict=True))


def cell(text):
    return text.replace("|", "\\|").replace("*", "\\*")


def is_like(text, pattern):
    # A star that is escaped is itself.
    parts = re.split(r"(?<!\\)\*", pattern)
    return re.fullmatch(".*".join(re.escape(part.replace("\\*", "*").replace("\\|", "|")) for part in parts), text) is not None


def differences(kafka, ours):
    """All of them, in the order of the cases."""
    found = []
    for case, answers in ours.items():
        theirs = kafka.get(case)
        pairs = {}
        for version in sorted(answers.versions() & theirs.versions()) if theirs else ():
            sides = [{name: one.value(name, version) for name in one.fields} for one in (theirs, answers)]
            for difference in differing(*({name: value for name, value in side.items() if value != ABSENT} for side in sides)):
                pairs.setdefault(difference, set()).add(version)
        found += [Difference(case.api, case.title, *key, frozenset(versions)) for key, versions in pairs.items()]
    return found


def differing(theirs, ours):
    """Fields with two values. What one side lacks as a whole is one difference: an answer, or an element of a list."""
    if "Connection" in theirs or "Connection" in ours:
        pair = theirs.get("Connection", ANSWERED), ours.get("Connection", ANSWERED)
        return [("Connection", *pair)] if pair[0] != pair[1] else []
    elements = [{prefix for name in side for prefix in prefixes(name)} for side in (theirs, ours)]
    found = {}
    for name in sorted(theirs.keys() | ours.keys()):
        pair = theirs.get(name, ABSENT), ours.get(name, ABSENT)
        if pair[0] == pair[1] or has_more_words(name, theirs, ours):
            continue
        # An empty list beside one with elements: those tell.
        if any(
            value == "[]" and any(prefix.startswith(name + "[") for prefix in elements[1 - side])
            for side, value in enumerate(pair)
        ):
            continue
        alone = next((prefix for prefix in prefixes(name) if (prefix in elements[0]) != (prefix in elements[1])), None)
        if alone:
            name, pair = alone, (THERE, ABSENT) if alone in elements[0] else (ABSENT, THERE)
        found[name, *pair] = None
    return list(found)


def has_more_words(name, theirs, ours):
    """Whether we have words for an error of which Kafka gives the code alone: the same error, and one that has a code beside it."""
    path, _, field = name.rpartition(".")
    code = f"{path}.ErrorCode" if path else "ErrorCode"
    return (
        field == "ErrorMessage"
        and theirs.get(name) in ("null", '""')
        and ours.get(name) == "words"
        and theirs.get(code) == ours.get(code)
        and ours.get(code) not in (None, "0")
    )


def prefixes(name):
    """The elements of lists that a field is in, outermost first."""
    depth = 0
    for at, letter in enumerate(name):
        depth += (letter == "[") - (letter == "]")
        if letter == "]" and not depth:
            yield name[: at + 1]


def rows(path):
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        cells = tuple(text.strip() for text in re.split(r"(?<!\\)\|", line)[1:-1])
        if len(cells) == len(COLUMNS) and cells != COLUMNS and not set(cells[0]) <= {"-", ":"}:
            found.append(Row(number, cells))
    return found


def faults(path, found):
    """What is wrong with the table, each with the mend."""
    table, wrong = rows(path), []
    for difference in found:
        match = next((row for row in table if row.explains(difference)), None)
        if match:
            match.found.append(difference)
        else:
            wrong.append(f"not in the table: {difference.row()}")
    for row in table:
        where = f"{path.name}:{row.line}"
        if not row.cells[-1]:
            wrong.append(f"{where}: say why")
        if not row.found:
            wrong.append(f"{where}: does not occur any more (or a row above explains it); remove it")
            continue
        versions = ranges(set().union(*(difference.versions for difference in row.found)))
        if versions != row.cells[1]:
            wrong.append(f"{where}: the versions are {versions}")
    return wrong, len(table)
