"""What a case is, and where all of them are."""

import re
from collections.abc import Callable
from dataclasses import dataclass

CASES = {}


@dataclass(frozen=True)
class Case:
    api: str
    title: str
    ask: Callable
    # Of the versions that are served.
    first: int = 0
    last: int = 32767
    # Asked of a server with access rules and a listener with a login.
    is_secured: bool = False

    def __str__(self):
        return f"{self.api}: {self.title}"


def case(api, title, versions="", is_secured=False):
    """Makes a case of a function: it is called with each version, and returns the answer, or None if there is nothing to ask."""
    first, last = re.fullmatch(r"(?:(\d+)-(\d*))?", versions).groups()

    def add(function):
        found = Case(api, title, function, int(first or 0), int(last or 32767), is_secured)
        assert (api, title) not in CASES, f"{found} is there twice"
        CASES[api, title] = found
        return function

    return add


def ask(api, title, versions="", is_secured=False, _request=None, **fields):
    """A case of one request: its fields, or a function that makes them. A field that a version does not have is left out."""

    def one(world):
        return world.ask(**(_request(world) if _request else fields))

    case(api, title, versions, is_secured)(one)
