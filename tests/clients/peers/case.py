"""What a case is, and what all of them need."""

import re

from wire import Refused

CASES = []

# Where an expectation is known from; README.md says what they are.
KINESALITE, MODEL, LOCALSTACK = "kinesalite", "API model", "LocalStack"


class OtherWords(Exception):
    """The right error, said otherwise."""


class Case:
    def __init__(self, group, name, answer, source, check, why):
        self.group, self.name, self.answer, self.source, self.check, self.why = group, name, answer, source, check, why


def group(title):
    """Makes the decorator that adds cases of one kind: `@case(name, what AWS answers, source)`."""

    def case(name, answer, source, why=None):
        def add(check):
            CASES.append(Case(title, name, answer, source, check, why))
            return check

        return add

    return case


def refused(client, operation, name, message=None, content=None, **inputs):
    """The operation has to be refused so, as a fault of the client; the message may be a pattern."""
    options = {"content": content} if content else {}
    answer = client.ask(operation, inputs, **options)
    check_refusal(answer, name, message)
    return answer


def check_refusal(answer, name, message=None, status=400):
    names = (name,) if isinstance(name, str) else name
    if answer.status == 200:
        raise AssertionError("accepted")
    found = Refused(answer)
    if found.name not in names:
        raise AssertionError(str(found)[:200])
    if answer.status != status:
        raise OtherWords(f"status {answer.status}: {found.message}")
    same = message is None or (
        message.fullmatch(found.message or "") if isinstance(message, re.Pattern) else found.message == message
    )
    if not same:
        raise OtherWords(f"{found.message!r:.300}")


def check_bare(answer, name):
    """The refusal says no more than its name."""
    check_refusal(answer, name)
    if answer.value() != {"__type": name}:
        raise OtherWords(str(answer.value())[:200])


def invalid(*constraints):
    """AWS's words for inputs that break constraints, each (value or None, member, what it must be)."""
    words = [
        f"Value {'null' if value is None else repr_of(value)} at '{member}' failed to satisfy constraint: {must}"
        for value, member, must in constraints
    ]
    count = len(words)
    return f"{count} validation error{'s' if count > 1 else ''} detected: " + "; ".join(words)


def repr_of(value):
    return f"'{value}'"


NOT_NULL = "Member must not be null"
NAME_PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"


def at_least(length):
    return f"Member must have length greater than or equal to {length}"


def at_most(length):
    return f"Member must have length less than or equal to {length}"
