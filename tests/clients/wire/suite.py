"""Asks every case, and compares the answers with Kafka's. README.md has the rules."""

import argparse
import importlib
import pkgutil
import re
import tempfile
import time
import traceback
from pathlib import Path

import answers
import cases
import table
from case import CASES
from messages import Schemas
from world import Server, World

HERE = Path(__file__).parent
RECORD = HERE / "answers"
DIFFERENCES = HERE / "DIFFERENCES.md"
SLOW = 3.0


def served(server, api):
    """The versions that a server names and that have a schema: both servers name some of Produce that they do not serve."""
    first, last = server.versions.get(api, (1, 0))
    oldest, newest = server.schemas.range(api)
    return range(max(first, oldest), min(last, newest) + 1)


def answer(server, case, version):
    world = World(server, case.api, version)
    try:
        value = case.ask(world)
        return value if value is None else answers.Answer(world).lines(value)
    finally:
        world.close()


def run(schemas, kind, chosen, work, verbose):
    """The answers of one kind of server to the chosen cases, how many requests they are about, and the versions it serves."""
    found, asked, offered = {}, 0, {}
    for is_secured in (False, True):
        todo = [case for case in chosen if case.is_secured == is_secured]
        if not todo:
            continue
        directory = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=work)) / "server"
        server = Server(schemas, kind, directory, is_secured)
        try:
            server.prepare()
            offered = {api: served(server, api) for api in server.versions}
            for case in todo:
                for version in served(server, case.api):
                    if not case.first <= version <= case.last:
                        continue
                    begun = time.monotonic()
                    try:
                        lines = answer(server, case, version)
                    except Exception as error:
                        # Kafka's answers have to be answers. What the gateway makes of a case is a difference, whatever it is.
                        print(f"failed: {case}, version {version}: {error!r}", flush=True)
                        if verbose:
                            traceback.print_exc()
                        lines = {"Case": f"failed: {type(error).__name__}"}
                    if lines is not None:
                        found.setdefault(case, answers.Answers()).add(version, lines)
                        asked += 1
                    if (took := time.monotonic() - begun) > SLOW:
                        print(f"slow: {case}, version {version}: {took:.1f} s", flush=True)
        finally:
            server.stop()
    return found, asked, offered


def uncovered(offered, recorded):
    """Versions that the gateway serves and for which there is no answer of Kafka's."""
    for api, versions in sorted(offered.items()):
        known = set().union(*(found.versions() for case, found in recorded.items() if case.api == api))
        if missing := set(versions) - known:
            yield f"no case: {api} {answers.ranges(missing)}; write one (README.md) and record Kafka's answer"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--jar", type=Path, required=True)
    parser.add_argument("--kafka-version", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--record", action="store_true", help="ask Kafka and keep its answers")
    parser.add_argument("--oracle", action="store_true", help="ask Kafka and compare with the answers that were kept")
    parser.add_argument(
        "--only", default="", help="only cases whose name this regular expression is found in; the table is not checked"
    )
    parser.add_argument("-v", action="store_true")
    options = parser.parse_args()
    for module in pkgutil.iter_modules(cases.__path__):
        importlib.import_module(f"cases.{module.name}")
    cases.unreadable.add_all()

    schemas = Schemas(options.jar)
    chosen = [case for case in CASES.values() if re.search(options.only, str(case))]
    kind = "kafka" if options.record or options.oracle else "shardgate"
    recorded = {} if options.record else answers.read(RECORD, CASES)
    found, asked, offered = run(schemas, kind, chosen, options.work, options.v)
    failed = [case for case, one in found.items() if "Case" in one.fields]
    if options.record:
        found = {case: one for case, one in found.items() if case not in failed}
        kept = {**(answers.read(RECORD, CASES, is_strict=False) if options.only else {}), **found}
        kept = {case: kept[case] for case in CASES.values() if case in kept}
        answers.write(RECORD, options.kafka_version, kept, {case.api for case in (found if options.only else CASES.values())})
        print(f"wire: recorded {len(found)} cases, {asked} requests")
        if failed:
            raise SystemExit("not recorded, these have no answer: " + ", ".join(map(str, failed)))
        return
    differences = table.differences(recorded, found)
    if options.oracle or options.only:
        wrong = [difference.row() for difference in differences] + [f"no answer: {case}" for case in failed]
        rows = 0
    else:
        wrong, rows = table.faults(DIFFERENCES, differences)
        wrong += uncovered(offered, recorded)
    wrong += [f"not recorded: {case}" for case in found if case not in recorded]
    print("\n".join(wrong))
    keys = {case.api for case in found}
    versions = sum(len(found_versions(found, api)) for api in keys)
    print(f"wire: {len(found)} cases ({asked} requests) over {len(keys)} keys, {versions} versions; ", end="")
    if wrong:
        raise SystemExit(f"{len(wrong)} faults")
    print(f"{rows} differences, all explained" if rows else "no difference")


def found_versions(found, api):
    return set().union(*(one.versions() for case, one in found.items() if case.api == api))


if __name__ == "__main__":
    main()
