"""The SQL that ships with the product: which views and checks there are, and in which order the views are made."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import chain
from typing import Literal

from sqlglot import exp, parse_one

from pipeline.errors import ConfigurationError

Severity = Literal["error", "warn"]
Source = Literal["cur1", "cur2", "no_cur"]

_PLACEHOLDER = re.compile(r"\$\{(\w*)\}", re.ASCII)
_QUALIFIED_NAME = re.compile(r"[\w-]+(\.[\w-]+){0,2}", re.ASCII)
_GRAIN = re.compile(r"-- One row per (?P<grain>.+)\n")
_SEVERITY = re.compile(r"^-- severity: (?P<severity>error|warn)$", re.MULTILINE)
_NEEDS_BILL = re.compile(r"^-- needs: bill$", re.MULTILINE)
_STOPS = re.compile(r"^-- stops: (?P<advice>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class View:
    """A view: its name, what one row of it is, and its SELECT with `${...}` where an identifier goes."""

    name: str
    grain: str
    template: str


@dataclass(frozen=True)
class Check:
    """A query that returns what breaks a promise, how grave that is, and whether it can run without a bill.

    With *advice* it is asked first: what it finds makes every other answer worthless, and the advice says what to do.
    """

    name: str
    grain: str
    severity: Severity
    needs_bill: bool
    template: str
    advice: str | None = None


def views(source: Source) -> tuple[View, ...]:
    """Every view, each after those it reads; *source* says what the bill's lines, `cur_lines`, are made of."""
    others = (_view(name, template) for name, template in templates("views"))
    return in_dependency_order((_view("cur_lines", source_template(source)), *others))


def source_template(source: Source) -> str:
    """The SELECT that reads a bill of one kind, with `${cur_table}` where its table goes."""
    return (files("sql") / "sources" / f"{source}.sql").read_text(encoding="utf-8")


def checks() -> tuple[Check, ...]:
    """Every check by name, those first that stop the others."""
    by_name = (_check(name, template) for name, template in templates("checks"))
    return tuple(sorted(by_name, key=lambda check: check.advice is None))


def in_dependency_order(unordered: Iterable[View]) -> tuple[View, ...]:
    """Order views so that each comes after those it reads; the same views always come in the same order.

    Raises:
        ConfigurationError: views read each other in a circle.
    """
    return tuple(chain.from_iterable(levels(unordered)))


def levels(unordered: Iterable[View]) -> Iterator[tuple[View, ...]]:
    """The same, put together: what a level reads is in the levels before it.

    Raises:
        ConfigurationError: views read each other in a circle.
    """
    by_name = {view.name: view for view in sorted(unordered, key=lambda view: view.name)}
    sorter = TopologicalSorter(
        {name: sorted(relations_read(view.template) & by_name.keys()) for name, view in by_name.items()}
    )
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " reads ".join(reversed(error.args[1]))
        raise ConfigurationError(f"the views read each other in a circle: {circle}") from error
    while sorter.is_active():
        level = sorter.get_ready()
        yield tuple(by_name[name] for name in level)
        sorter.done(*level)


@cache
def relations_read(template: str) -> frozenset[str]:
    """The names of the tables and views that a template reads; a placeholder is no name yet."""
    tree = parse_one(_PLACEHOLDER.sub('"${placeholder}"', template), read="athena")
    ctes = {cte.alias for cte in tree.find_all(exp.CTE)}
    tables = {table.name for table in tree.find_all(exp.Table)}
    return frozenset(tables - ctes - {"${placeholder}"})


def inlined(select: str, definitions: Mapping[str, str]) -> str:
    """*select* with the views that it reads, and those that these read, as CTEs in front of it.

    *definitions* are the views' SELECTs by name, each after those it reads.
    """
    wanted = set(relations_read(select))
    needed: list[str] = []
    for name in reversed(tuple(definitions)):
        if name in wanted:
            wanted |= relations_read(definitions[name])
            needed.append(name)
    if not needed:
        return select
    ctes = ",\n".join(f'"{name}" AS (\n{definitions[name].rstrip()}\n)' for name in reversed(needed))
    return f"WITH\n{ctes}\n\nSELECT * FROM (\n{select.rstrip()}\n) AS asked"


def render(template: str, **identifiers: str) -> str:
    """Fill every `${name}` with the quoted identifier of that name; `db.table` becomes `"db"."table"`.

    Raises:
        ConfigurationError: a placeholder has no identifier, or an identifier is not the name of a table, alone or
            after its database, or its catalog and database.
    """
    quoted = {placeholder: _quoted(name) for placeholder, name in identifiers.items()}
    if missing := set(_PLACEHOLDER.findall(template)) - quoted.keys():
        raise ConfigurationError(f"nothing was given for the placeholders {', '.join(sorted(missing))}")
    return _PLACEHOLDER.sub(lambda match: quoted[match[1]], template)


def _quoted(name: str) -> str:
    if not _QUALIFIED_NAME.fullmatch(name):
        raise ConfigurationError(f"{name!r} is not a table's name; expected table, or database.table")
    return ".".join(f'"{part}"' for part in name.split("."))


def templates(directory: str) -> Iterator[tuple[str, str]]:
    """The name and text of each SQL file of a directory, by name."""
    for file in sorted((files("sql") / directory).iterdir(), key=_name):
        if file.name.endswith(".sql"):
            yield file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")


def _name(file: Traversable) -> str:
    return file.name


def _view(name: str, template: str) -> View:
    return View(name, _grain(name, template), template)


def _check(name: str, template: str) -> Check:
    severity = _SEVERITY.search(template)
    if severity is None:
        raise ConfigurationError(f"the check {name} has no line `-- severity: error` or `-- severity: warn`")
    level: Severity = "error" if severity["severity"] == "error" else "warn"
    stops = _STOPS.search(template)
    needs_bill = _NEEDS_BILL.search(template) is not None
    return Check(name, _grain(name, template), level, needs_bill, template, stops["advice"] if stops else None)


def _grain(name: str, template: str) -> str:
    """What follows `One row per` in the first line."""
    match = _GRAIN.match(template)
    if match is None:
        raise ConfigurationError(f"{name}.sql does not begin with `-- One row per ...`")
    return match["grain"].rstrip(".")
