"""How the policy's CSV files are read: their columns, what a cell may hold, and every mistake with its line."""

import csv
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import zip_longest
from typing import Any

from pipeline.errors import ConfigurationError
from pipeline.models import sanitised
from pipeline.month import Month
from pipeline.policy import (
    METHODS,
    POOLS,
    UNASSIGNED,
    Distribution,
    Invoice,
    Markup,
    Policy,
    PolicySettings,
    Rule,
    bill_tag_key,
    contradictions,
    markups_of_nobody,
)
from pipeline.tables import (
    POLICY_COST_CENTERS,
    POLICY_DISTRIBUTION,
    POLICY_INVOICES,
    POLICY_MARKUPS,
    POLICY_OTHER_SERVICES,
    POLICY_SETTINGS,
    POLICY_SOLE_TENANCY,
    Table,
)

_OF_OURS = frozenset({"line", "closed_month"})  # columns that no file has

FILES: Mapping[str, Table] = {
    "cost_centers.csv": POLICY_COST_CENTERS,
    "sole_tenancy.csv": POLICY_SOLE_TENANCY,
    "other_services.csv": POLICY_OTHER_SERVICES,
    "distribution.csv": POLICY_DISTRIBUTION,
    "markups.csv": POLICY_MARKUPS,
    "invoices.csv": POLICY_INVOICES,
    "settings.csv": POLICY_SETTINGS,
}
"""The files of a policy, and the table that each becomes."""

_COMMENT = "#"
_SWITCH = {"on": True, "off": False}


def read_policy(contents: Mapping[str, bytes], where: str) -> Policy:
    """Read the *contents* of CSV files by their names; a file that is absent says nothing.

    Raises:
        ConfigurationError: something is wrong; it names everything, with file and line, and *where* the files are.
    """
    mistakes = [_unknown_file(name) for name in sorted(contents.keys() - FILES.keys())]
    read = {name: _File(name, table) for name, table in FILES.items()}
    for name in FILES.keys() & contents.keys():
        read[name].read(contents[name])
    mistakes += [mistake for file in read.values() for mistake in file.mistakes]
    policy = _policy({name: file.rows for name, file in read.items()})
    # A row that was not understood may be the one that names a markup's cost center.
    mistakes += [*contradictions(policy), *(() if mistakes else markups_of_nobody(policy))]
    if mistakes:
        raise ConfigurationError(f"The policy in {where} is not right:" + "".join(f"\n  - {m}." for m in mistakes))
    return policy


_Cells = dict[str, Any]


def _policy(rows: Mapping[str, list[_Cells]]) -> Policy:
    settings = [PolicySettings(correct_hours=cells["correct_hours"]) for cells in rows["settings.csv"]]
    return Policy(
        cost_centers=tuple(Rule(**cells) for cells in rows["cost_centers.csv"]),
        sole_tenancy=tuple(Rule(**cells) for cells in rows["sole_tenancy.csv"]),
        other_services=tuple(Rule(**cells) for cells in rows["other_services.csv"]),
        distribution=tuple(Distribution(**cells) for cells in rows["distribution.csv"]),
        markups=tuple(Markup(**cells) for cells in rows["markups.csv"]),
        invoices=tuple(Invoice(**cells) for cells in rows["invoices.csv"]),
        settings=settings[0] if settings else PolicySettings(),
    )


def _unknown_file(name: str) -> str:
    close = get_close_matches(name, FILES, n=1)
    meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(FILES)}"
    return f"{name} is no file of a policy; {meant}"


class _File:
    """One file: the *rows* that are right, cell by cell, and the *mistakes* of the others."""

    def __init__(self, name: str, table: Table) -> None:
        self._name = name
        self._columns = {column.name: column for column in table.columns if column.name not in _OF_OURS}
        self.rows: list[_Cells] = []
        self.mistakes: list[str] = []

    def read(self, content: bytes) -> None:
        """Read the whole file."""
        try:
            records = list(_records(content.decode("utf-8-sig")))
        except UnicodeDecodeError:
            self.mistakes.append(f"{self._name} is not UTF-8 text; save it as CSV in UTF-8")
        except csv.Error as error:
            self.mistakes.append(f"{self._name} is not CSV ({error}); save it as CSV in UTF-8")
        else:
            self._read(records)

    def _read(self, records: "list[_Record]") -> None:
        if not records:
            self.mistakes.append(f"{self._name} has no line of column names; write {','.join(self._columns)}")
            return
        header, *others = records
        if self._is_header(header):
            for record in others:
                self._read_row(record, header.cells)
        if self._name == "settings.csv" and len(others) > 1:
            self._wrong(others[1].line, "a second line of settings; leave one")

    def _is_header(self, header: "_Record") -> bool:
        before = len(self.mistakes)
        for name in header.cells:
            if name not in self._columns:
                close = get_close_matches(name, self._columns, n=1)
                meant = f"did you mean {close[0]}?" if close else f"write {','.join(self._columns)}"
                self._wrong(header.line, f"{name!r} is no column of this file; {meant}")
        for name in sorted(name for name in set(header.cells) if header.cells.count(name) > 1):
            self._wrong(header.line, f"the column {name} stands there twice; leave one")
        for column in self._columns.values():
            if column.required and column.name not in header.cells:
                self._wrong(header.line, f"the column {column.name} is missing; add it")
        return len(self.mistakes) == before

    def _read_row(self, record: "_Record", header: list[str]) -> None:
        before = len(self.mistakes)
        if len(record.cells) > len(header):
            self._wrong(record.line, f"{len(record.cells)} cells for {len(header)} columns; quote what has a comma")
        cells: _Cells = {} if self._name == "settings.csv" else {"line": record.line}
        for name, text in zip_longest(header, record.cells[: len(header)], fillvalue=""):
            try:
                cells[name] = _value(name, text) if text else None
            except ValueError as error:
                self._wrong(record.line, f"{name} is {text!r}; {error}")
        for column in self._columns.values():
            if column.required and column.name in header and cells.get(column.name, "") is None:
                self._wrong(record.line, f"{column.name} is empty; fill it")
        if len(self.mistakes) == before:
            self.rows.append(cells)

    def _wrong(self, line: int, what: str) -> None:
        self.mistakes.append(f"{self._name} line {line}: {what}")


@dataclass(frozen=True)
class _Record:
    """One line that is neither empty nor a comment: its number in the file and its cells, without space around."""

    line: int
    cells: list[str]


def _records(text: str) -> Iterator[_Record]:
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    for row in lines:
        cells = [cell.strip() for cell in row]
        if any(cells) and not cells[0].startswith(_COMMENT):
            yield _Record(lines.line_num, cells)


def _value(column: str, text: str) -> object:
    """What *text* means in a column; ValueError says what to write instead."""
    return _READERS.get(column, str)(text)


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("write a whole number, 0 or more")
    return int(text)


def _factor(text: str) -> float:
    factor = _number(text)
    if not (math.isfinite(factor) and factor >= 0):
        raise ValueError("write a number such as 1.05 for 5 percent more, or 0.9 for 10 percent less")
    return factor


def _amount(text: str) -> float:
    amount = _number(text)
    if not math.isfinite(amount):
        raise ValueError("write an amount such as 1234.56, without a currency")
    return amount


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _month(text: str) -> str:
    try:
        return str(Month.parse(text))
    except ValueError as error:
        raise ValueError("write a month such as 2026-10") from error


def _cost_center(text: str) -> str:
    if text.casefold() == UNASSIGNED:
        raise ValueError("that is what has no cost center; choose another name")
    return text


def _key(spell: Callable[[str], str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not any(character.isalnum() for character in text):
            raise ValueError("write the key as Kubernetes or AWS has it")
        return spell(text)

    return read


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"write {', '.join(words)}")
        return text

    return read


def _on_or_off(text: str) -> bool:
    return _SWITCH[_one_of(_SWITCH)(text.lower())]


def _workload_name(text: str) -> str:
    if "*" in text[:-1] or text == "*":
        raise ValueError("a * can only stand at the end, after how the name begins")
    return text


_READERS: Mapping[str, Callable[[str], object]] = {
    "priority": _whole_number,
    "factor": _factor,
    "total": _amount,
    "billing_period": _month,
    "cost_center": _cost_center,
    "owner": _cost_center,
    "workload_name": _workload_name,
    "label_key": _key(sanitised),
    "tag_key": _key(bill_tag_key),
    "pool": _one_of(POOLS),
    "method": _one_of(METHODS),
    "correct_hours": _on_or_off,
}
