"""Runs every case of every client and prints the lines that ../README.md asks for.

Each case has a process of its own: a client that hangs or leaves threads behind spoils one case only.
"""

import argparse
import importlib
import subprocess
import sys
import traceback
from pathlib import Path

import cases

CLIENTS = {
    "confluent-kafka": "client_confluent",
    "kafka-python": "client_kafka_python",
    "aiokafka": "client_aiokafka",
}
CASES = ["admin", "produce", "idempotence", "group", "transactions", "consumer", "restart", "seek", "edges"]
CASE_SECONDS = 60
FAILED = 3
LACKS = 4


def run_case(client_name, case_name, server):
    """The child's part: a note on standard output, or a traceback whose last line is the reason."""
    module = importlib.import_module(CLIENTS[client_name])
    # A client's file may have its own version of a case; `admin` differs too much to be shared.
    case = getattr(module, case_name, None) or getattr(cases, case_name)
    bootstrap = (server / "bootstrap").read_text().strip()
    client = module.Client(bootstrap)
    client.server = cases.Server(server)
    try:
        print(case(client) or "")
    except cases.Lacks as why:
        print(why)
        return LACKS
    except Exception as error:
        traceback.print_exc()
        print(f"{type(error).__name__}: {error}".replace("\n", " ")[:300])
        return FAILED
    return 0


def outcome(client_name, case_name, server):
    command = [sys.executable, __file__, "--server", server, client_name, case_name, "--child"]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=CASE_SECONDS)
    except subprocess.TimeoutExpired as late:
        sys.stderr.write((late.stderr or b"").decode(errors="replace"))
        return "fail", f"not at its end after {CASE_SECONDS} s"
    words = child.stdout.strip()
    if child.returncode in (0, LACKS):
        return "ok" if child.returncode == 0 else "none", words
    # A client without its server logs at length; the traceback comes last.
    sys.stderr.write("".join(child.stderr.splitlines(keepends=True)[-40:]))
    return "fail", words if child.returncode == FAILED else f"process ended with {child.returncode}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", type=Path, required=True)
    parser.add_argument("--results", type=Path)
    parser.add_argument("--child", action="store_true")
    parser.add_argument("client", nargs="?", choices=CLIENTS)
    parser.add_argument("case", nargs="*")
    arguments = parser.parse_args()
    if arguments.child:
        return run_case(arguments.client, arguments.case[0], arguments.server)

    passed = failed = skipped = 0
    for client_name in [arguments.client] if arguments.client else CLIENTS:
        version = importlib.import_module(CLIENTS[client_name]).VERSION
        with open(arguments.results / f"{client_name}.txt", "w") as results:
            for case_name in arguments.case or CASES:
                result, why = outcome(client_name, case_name, arguments.server)
                passed += result == "ok"
                failed += result == "fail"
                skipped += result == "none"
                line = f"CASE {client_name} {version} {case_name} {result} {why}".rstrip()
                print(line, flush=True)
                print(line, file=results)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
