"""The story that dashboards tell: its sheets, visuals, filters and data sets, as the files of `dashboards/` say it."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Literal, TypeVar

import msgspec
from sqlglot import exp, parse_one

from pipeline.errors import ConfigurationError
from pipeline.formula import Formula, parsed

Kind = Literal["kpi", "bar", "line", "table", "pivot"]
Form = Literal["amount", "price", "count", "hours", "share", "change", "day"]

DECIMALS: Mapping[Form, int] = {"amount": 2, "price": 4, "count": 0, "hours": 1, "share": 1, "change": 1}
"""How precisely figures are written; shares and changes in percent. A day is no number."""

DAY, MONTH, CURRENCY = "usage_date", "month", "currency"
"""Columns that every data set calls so, if it has them; a month is its first day."""

_DIRECTORY = "dashboards"
_GRAIN = re.compile(r"-- One row per (?P<grain>.+)\n")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file says; a word that means nothing is refused."""


class Measure(_Strict, frozen=True, dict=True):
    """A figure that visuals show: what it is *of* is a formula of sums and counts. A change is a share with a sign."""

    of: str
    label: str
    form: Form = "amount"

    def __post_init__(self) -> None:
        parsed(self.of)  # whose ValueError msgspec tells with the place in the file

    @cached_property
    def formula(self) -> Formula:
        """What it is of, read."""
        return parsed(self.of)


class DataSet(_Strict, frozen=True):
    """What is known of a data set besides its SQL: its *title* and its *measures* by name.

    Rows that *overlap* are about the same money: no total is made of them.
    """

    title: str
    measures: Mapping[str, Measure]
    overlap: bool = False


class Filter(_Strict, frozen=True):
    """A filter with a control on top of each sheet that has it.

    *column* is what it compares; *instead* is what it compares in a data set that has no such column. Its values come
    from the data set *values*; without one it is a month.
    """

    title: str
    parameter: str
    column: str
    instead: str | None = None
    values: str | None = None


class Action(_Strict, frozen=True):
    """What a click on a value offers: to go *to* another sheet with filters set, each to what the column says there."""

    title: str
    to: str
    sets: Mapping[str, str]


class Visual(_Strict, frozen=True):
    """One visual: its *rows* and *by* are columns of its data set, its *values* and *target* measures.

    *says* stands below the title. Of the sheet's filters all hold but those named in *without*, and *only* rows whose
    columns have one of the values are shown; with *positive*, only those whose first value is above nothing. The
    largest by *sort*, or by the first value, come first; *top* leaves out all but so many. With *follows*, rows that
    differ only in the last of *rows* stand one after the other, by that measure. *drill* are the columns that the first
    row's values consist of, each of the next.

    QuickSight alone needs *action*, and sizes: in its grid, 36 columns wide.
    """

    id: str
    kind: Kind
    title: str
    data_set: str
    values: tuple[str, ...]
    says: str = ""
    rows: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    target: str | None = None
    sort: str | None = None
    top: int | None = None
    positive: bool = False
    follows: str | None = None
    drill: tuple[str, ...] = ()
    action: Action | None = None
    without: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = {}
    width: int = 18
    height: int = 8

    @property
    def over_time(self) -> bool:
        """Whether its rows are days or months, in their order."""
        return self.kind in ("bar", "line") and self.rows[0] in (DAY, MONTH)

    @property
    def all_months(self) -> bool:
        """Whether it shows other months, too."""
        return "month" in self.without


class Sheet(_Strict, frozen=True):
    """A sheet: the *question* that it answers, its *filters*, and its *visuals* as they are read, row by row."""

    title: str
    question: str
    filters: tuple[str, ...]
    visuals: tuple[Visual, ...]


class _Outline(_Strict, frozen=True):
    """`dashboard.toml`: the order of the *sheets*, what they share, and when data sets are refreshed, UTC."""

    title: str
    refresh_at: str
    sheets: tuple[str, ...]
    columns: Mapping[str, str]
    filters: Mapping[str, Filter]
    data_sets: Mapping[str, DataSet]


class Story(msgspec.Struct, frozen=True, dict=True):
    """The whole of it; sheets and data sets by name."""

    title: str
    refresh_at: str
    columns: Mapping[str, str]
    """What some columns are called; all others are called by their names."""
    filters: Mapping[str, Filter]
    sheets: Mapping[str, Sheet]
    data_sets: Mapping[str, DataSet]
    selects: Mapping[str, str]
    """The SQL of each data set."""

    @cached_property
    def grains(self) -> Mapping[str, str]:
        """What one row of each data set is."""
        return {name: _grain(name, select) for name, select in self.selects.items()}

    def label(self, column: str) -> str:
        """A column's name as people read it."""
        return self.columns.get(column, column.replace("_", " ").capitalize())

    def data_set(self, name: str) -> DataSet:
        """The data set of that name.

        Raises:
            ConfigurationError: there is none.
        """
        if name not in self.data_sets:
            raise ConfigurationError(f"dashboards/: there is no data set {name}")
        return self.data_sets[name]

    def period(self, data_set: str) -> str:
        """The column of a data set that says of which day a row is, or of which month."""
        return next(name for name in (DAY, MONTH) if name in self._columns[data_set])

    @cached_property
    def _columns(self) -> Mapping[str, list[str]]:
        return {
            name: parse_one(select, read="athena").assert_is(exp.Query).named_selects
            for name, select in self.selects.items()
        }

    def measure(self, data_set: str, name: str) -> Measure:
        """A measure of a data set.

        Raises:
            ConfigurationError: there is none of that name.
        """
        measures = self.data_set(data_set).measures
        if name not in measures:
            raise ConfigurationError(f"dashboards/: the data set {data_set} has no measure {name}")
        return measures[name]


def read_story() -> Story:
    """The story that ships with the product.

    Raises:
        ConfigurationError: a file cannot be read, says a word that means nothing, or lacks one that is needed.
    """
    outline = _decoded("dashboard.toml", _Outline)
    sheets = {name: _decoded(f"sheets/{name}.toml", Sheet) for name in outline.sheets}
    selects = dict(_selects())
    if selects.keys() != outline.data_sets.keys():
        odd = ", ".join(sorted(selects.keys() ^ outline.data_sets.keys()))
        raise ConfigurationError(f"dashboards/: {odd} is in only one of data_sets/ and dashboard.toml")
    return Story(
        outline.title, outline.refresh_at, outline.columns, outline.filters, sheets, outline.data_sets, selects
    )


_Said = TypeVar("_Said", bound=_Strict)


def _decoded(name: str, kind: type[_Said]) -> _Said:
    text = (files(_DIRECTORY) / name).read_text(encoding="utf-8")
    try:
        return msgspec.toml.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"dashboards/{name}: {error}") from error


def _selects() -> Iterator[tuple[str, str]]:
    """The name and SQL of each data set, by name."""
    for file in sorted((files(_DIRECTORY) / "data_sets").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            yield file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")


def _grain(name: str, select: str) -> str:
    match = _GRAIN.match(select)
    if match is None:
        raise ConfigurationError(f"dashboards/data_sets/{name}.sql does not begin with `-- One row per ...`")
    return match["grain"].rstrip(".")
