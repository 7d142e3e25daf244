"""Runs the cases and prints the lines that ../README.md asks for."""

import argparse
import sys
import traceback
from pathlib import Path

import boto3

import cases


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("case", nargs="*")
    arguments = parser.parse_args()
    passed = failed = 0
    world = cases.World(arguments.server)
    with open(arguments.results / "boto3.txt", "w") as results:
        for name in arguments.case or cases.CASES:
            try:
                result, why = "ok", getattr(cases, name)(world) or ""
                passed += 1
            except Exception as error:
                traceback.print_exc()
                result, why = "fail", f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
                failed += 1
            line = f"CASE boto3 {boto3.__version__} {name} {result} {why}".rstrip()
            print(line, flush=True)
            print(line, file=results)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
