"""The queries that analysts paste into Athena: what each asks, and the page that shows what comes out."""

import csv
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from pipeline.errors import ConfigurationError
from pipeline.relations import relations_read, templates

_HEAD = """\
# Example queries

What FinOps analysts ask, as SQL to paste into Athena: choose the database that `CHARGEBACK_GLUE_DATABASE` names, paste
a file, and change what its comment says, the month as a rule. As they stand they ask for October 2026, the demo's
month, so they run in [its Athena](../README.md#look-around-in-the-demo) unchanged. Every one is tested there and on
Trino. The files ship with the package, in `sql/examples/`. `make docs` writes this page from them and from the demo's
answers.

- Costs are in the bill's currency and not rounded, so that they add up; four decimals are shown here.
- A condition on `usage_date` is one on the partition: days that nobody asks for are not read, and not paid for.
- Each column is read by itself: what you leave out costs nothing.
"""

_COSTS = """\
## What they read

Athena charges by the bytes that a query reads, and for 10 MB at least. This is what each reads where a month has 1
million pod-hours.
"""

_MEASURED = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- end -->)", re.DOTALL)
_AMOUNT = re.compile(r"-?\d+\.\d+", re.ASCII)
_SHOWN = 5
"""Rows of an answer that the page shows."""


@dataclass(frozen=True)
class Example:
    """A query as it ships: the question, what its rows are and what to change in it, and the whole *statement*."""

    name: str
    question: str
    notes: str
    statement: str


def examples() -> tuple[Example, ...]:
    """Every example query by name."""
    return tuple(_example(name, text) for name, text in templates("examples"))


def page(docs: Path) -> str:
    """The page over the answers in *docs*, CSV files in `examples/`; what was measured stays as the page has it.

    Raises:
        ConfigurationError: a query has no answer there, or the page no place for what was measured.
    """
    found = _MEASURED.search((docs / "examples.md").read_text(encoding="utf-8"))
    if found is None:
        raise ConfigurationError(f"{docs / 'examples.md'} has no <!-- measured --> and <!-- end -->")
    shipped = examples()
    sections = [_HEAD, _index(shipped), _COSTS, f"<!-- measured -->\n{found[0]}<!-- end -->\n"]
    return "\n".join([*sections, *(_section(example, _answer(docs, example)) for example in shipped)])


def _example(name: str, text: str) -> Example:
    """The comments before the statement are the question, then the notes."""
    comments = takewhile(lambda line: line.startswith("-- "), text.splitlines())
    question, *notes = (line.removeprefix("-- ") for line in comments)
    return Example(name, question, "\n".join(notes), text)


def _answer(docs: Path, example: Example) -> list[list[str]]:
    path = docs / "examples" / f"{example.name}.csv"
    if not path.exists():
        raise ConfigurationError(f"{path} is missing; make examples")
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.reader(lines))


def _index(shipped: Sequence[Example]) -> str:
    return _table(
        ("query", "answers"), ((f"[`{example.name}`](#{example.name})", example.question) for example in shipped)
    )


def _section(example: Example, answer: list[list[str]]) -> str:
    head, *rows = answer
    read = ", ".join(f"`{name}`" for name in sorted(relations_read(example.statement)))
    shown = _table(head, ([_cell(value) for value in row] for row in rows[:_SHOWN]))
    rest = f"\nThe first {_SHOWN} of {len(rows)} rows of the demo's answer.\n" if len(rows) > _SHOWN else ""
    file = f"[{example.name}.sql](../sql/examples/{example.name}.sql)"
    return f"## {example.name}\n\n**{example.question}**\n\n{example.notes}\n\n{file} reads {read}.\n\n{shown}{rest}"


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ("---",) * len(head), *rows))


def _cell(value: str) -> str:
    """An amount with four decimals, as reports show it; any other value as it is."""
    return f"{float(value):z,.4f}" if _AMOUNT.fullmatch(value) else value.replace("|", r"\|").replace("__", r"\_\_")


if __name__ == "__main__":
    sys.stdout.write(page(Path(sys.argv[1])))
