"""Asks every case of the servers, and compares with the table or writes it anew. README.md has the rules."""

import argparse
import datetime
import importlib
import re
import tempfile
import time
import traceback
from pathlib import Path

import case
import subjects
from wire import Refused

# In the order of the table.
for module in ("transport_cases", "stream_cases", "record_cases", "consumer_cases"):
    importlib.import_module(module)

TABLE = Path(__file__).parent / "TABLE.md"
SAME, OTHER_WORDS, OTHER = "✓", "≈", "✗"
HEAD = """# Who gives AWS's answer

Made by `tests/clients/peers/run.sh --peers` on {date}; do not edit. [README.md](README.md) tells how it is made and how to read it.

✓ AWS's answer · ≈ AWS's error in other words · ✗ another answer (below, what it is)

"""


def ask(world, found, verbose):
    """A mark, and what was answered instead."""
    try:
        found.check(world)
        return SAME, ""
    except case.OtherWords as words:
        return OTHER_WORDS, str(words)
    except Exception as error:
        # What the server did not say is its fault, whatever it did to the case; --only tells all about it.
        if verbose and not isinstance(error, (AssertionError, Refused)):
            traceback.print_exc()
        words = f"no {error} in the answer" if isinstance(error, KeyError) else str(error) or type(error).__name__
        return OTHER, words.split("\n")[0]


def run(kind, cases, directory, verbose):
    """All cases with one server; their marks and answers. Each group has a fresh one, so that none suffers from another's cases."""
    answers, version = {}, ""
    for title in dict.fromkeys(found.group for found in cases):
        with tempfile.TemporaryDirectory(dir=directory) as scratch:
            world = kind(Path(scratch).resolve())
            try:
                version, world.shared = world.version, world.open.stream(3)
                for found in (found for found in cases if found.group == title):
                    begun = time.monotonic()
                    mark, instead = answers[found] = ask(world, found, verbose)
                    took, instead = time.monotonic() - begun, f": {instead[:300]}" if instead else ""
                    print(f"CASE {kind.name} {version} {mark} {took:.2f} s: {title}: {found.name}{instead}", flush=True)
            finally:
                world.stop()
    return kind.name, version, answers


def cell(text):
    return " ".join(text.replace("|", "\\|").replace("`", "'").split())


def render(cases, columns):
    text = HEAD.format(date=datetime.date.today().isoformat())
    text += "| | " + " | ".join(f"{name} {version}" for name, version, _ in columns) + " |\n"
    text += "|---|" + "---|" * len(columns) + "\n"
    for mark, title in ((SAME, "AWS's answer"), (OTHER_WORDS, "in other words"), (OTHER, "another answer")):
        counts = [sum(answers[found][0] == mark for found in cases) for _, _, answers in columns]
        text += f"| {mark} {title} | " + " | ".join(map(str, counts)) + " |\n"
    for title in dict.fromkeys(found.group for found in cases):
        text += f"\n## {title}\n\n| case | AWS answers | known from | " + " | ".join(name for name, _, _ in columns) + " |\n"
        text += "|---|---|---|" + ":-:|" * len(columns) + "\n"
        for found in (found for found in cases if found.group == title):
            marks = " | ".join(answers[found][0] for _, _, answers in columns)
            text += f"| {cell(found.name)} | {cell(found.answer)} | {cell(found.source)} | {marks} |\n"
    for at, (name, version, answers) in enumerate(columns):
        others = [found for found in cases if answers[found][0] != SAME]
        text += f"\n## What {name} {version} answers instead\n\n"
        if not others:
            text += "Nothing.\n"
            continue
        text += f"| case | | answer |{' why |' if at == 0 else ''}\n|---|:-:|---|{'---|' if at == 0 else ''}\n"
        for found in others:
            mark, instead = answers[found]
            why = f" {cell(found.why or '')} |" if at == 0 else ""
            text += f"| {found.group}: {cell(found.name)} | {mark} | `{cell(steady(instead))[:160]}` |{why}\n"
    return text


def steady(text):
    """Without what differs from run to run."""
    return re.sub(r"\bs-[0-9a-f]{12}\b", "s-…", text)


def committed():
    """Our marks in the committed table, by group and name."""
    marks, title = {}, ""
    for line in TABLE.read_text().splitlines():
        if line.startswith("## "):
            title = line[3:]
        cells = [part.strip() for part in line.replace("\\|", "\0").split(" | ")]
        if line.startswith("| ") and len(cells) > 4 and not line.startswith("| case"):
            marks[title, cells[0][2:].replace("\0", "|")] = cells[3]
    return marks


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--peers", action="store_true", help="ask all servers and write the table anew")
    parser.add_argument("--only", help="cases whose group and name contain this; no table")
    parser.add_argument("--subject", help="this server only; no table")
    arguments = parser.parse_args()
    cases = [found for found in case.CASES if not arguments.only or arguments.only in f"{found.group}: {found.name}"]
    kinds = [subjects.OURS] + (subjects.PEERS if arguments.peers else [])
    if arguments.subject:
        kinds = [kind for kind in [subjects.OURS, *subjects.PEERS] if kind.name == arguments.subject]
    columns = [run(kind, cases, arguments.results, bool(arguments.only)) for kind in kinds]
    if arguments.only or arguments.subject:
        return 0
    ours = columns[0][2]
    unexplained = [found for found in cases if ours[found][0] != SAME and not found.why]
    for found in unexplained:
        print(f"not AWS's answer, and no reason given: {found.group}: {found.name}: {ours[found][1]}")
    if arguments.peers:
        TABLE.write_text(render(cases, columns))
        changed = []
    else:
        marks = committed()
        changed = [found for found in cases if marks.get((found.group, cell(found.name).replace("\\|", "|"))) != ours[found][0]]
        for found in changed:
            print(f"not as in TABLE.md: {found.group}: {found.name}: {ours[found][0]} {ours[found][1]}")
    failed = len(set(unexplained) | set(changed))
    print(f"{len(cases) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
