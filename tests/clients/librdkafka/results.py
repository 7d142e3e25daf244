"""Compares what a run of tests came to with the table in RESULTS.md.

results.py TABLE COLUMN OUTCOMES [--write]: OUTCOMES has lines "test outcome seconds". Exit code 1 if a test that
passes in that column of the table does not pass now, or if no test passes. --write puts the outcomes into the table;
the reasons stay, and the sums above the table are made anew.
"""

import sys

BEGIN, END = "<!-- results:begin -->", "<!-- results:end -->"
HEAD, REASON = "test", "why not"
NOT_RUN = "–"


def read(text):
    """The names of the table's columns of outcomes, and its lines as {test: {column: outcome, "why not": …}}."""
    lines = text[text.index(BEGIN) : text.index(END)].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    head = next(row for row in rows if row[0] == HEAD)
    return head[1:-1], {row[0].strip("`"): dict(zip(head[1:], row[1:])) for row in rows if row[0].startswith("`")}


def written(columns, table):
    def count(column, outcome):
        return sum(row[column] == outcome for row in table.values())

    lines = ["| | pass | fail | skip |", "|---|---|---|---|"]
    for column in columns:
        lines.append(f"| {column} | {count(column, 'pass')} | {count(column, 'fail')} | {count(column, 'skip')} |")
    lines += ["", f"| {HEAD} | {' | '.join(columns)} | {REASON} |", "|---" * (len(columns) + 2) + "|"]
    for test, row in sorted(table.items()):
        lines.append(f"| `{test}` | {' | '.join(row[column] for column in columns)} | {row[REASON]} |")
    return "\n".join([BEGIN, *lines, END])


def main(path, column, outcomes_path, write):
    with open(path) as file:
        text = file.read()
    columns, table = read(text)
    with open(outcomes_path) as file:
        outcomes = dict(line.split()[:2] for line in file)
    if write:
        for test, outcome in outcomes.items():
            table.setdefault(test, {**dict.fromkeys(columns, NOT_RUN), REASON: ""})[column] = outcome
        with open(path, "w") as file:
            file.write(text[: text.index(BEGIN)] + written(columns, table) + text[text.index(END) + len(END) :])
        worse = []
    else:
        worse = [test for test, outcome in outcomes.items()
                 if outcome != "pass" and table.get(test, {}).get(column) == "pass"]
    for test in worse:
        print(f"{test} passes according to the table, and does not now", file=sys.stderr)
    passed, failed, skipped = (list(outcomes.values()).count(outcome) for outcome in ("pass", "fail", "skip"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if worse or not passed else 0


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--write"]
    sys.exit(main(*arguments, "--write" in sys.argv))
