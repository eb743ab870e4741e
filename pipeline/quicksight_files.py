"""What the dashboard shows: its sheets, visuals, filters and data sets, as the files of `dashboards/` say it."""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Literal, TypeVar

import msgspec

from pipeline.errors import ConfigurationError

Kind = Literal["kpi", "bar", "line", "table", "pivot"]
Form = Literal["amount", "price", "count", "hours", "share"]

_DIRECTORY = "dashboards"
_GRAIN = re.compile(r"-- One row per (?P<grain>.+)\n")


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a file says; a word that means nothing is refused."""


class Measure(_Strict, frozen=True):
    """A figure that visuals show: what it is *of* is `sum(column)`, or a formula of such sums in QuickSight's words."""

    of: str
    label: str
    form: Form = "amount"


class DataSet(_Strict, frozen=True):
    """What is known of a data set besides its SQL: its *title* and its *measures* by name."""

    title: str
    measures: Mapping[str, Measure]


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
    columns have one of the values are shown. The largest of *sort*, or of the first value, come first; *top* leaves out
    all but so many. *drill* are the columns that a click on the first row's values goes down to, one after the other.
    Sizes are in QuickSight's grid, 36 columns wide.
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
    drill: tuple[str, ...] = ()
    action: Action | None = None
    without: tuple[str, ...] = ()
    only: Mapping[str, tuple[str, ...]] = {}
    horizontal: bool = False
    width: int = 18
    height: int = 8


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
    filters: Mapping[str, Filter]
    data_sets: Mapping[str, DataSet]


class Dashboard(msgspec.Struct, frozen=True, dict=True):
    """The whole dashboard; sheets and data sets by name."""

    title: str
    refresh_at: str
    filters: Mapping[str, Filter]
    sheets: Mapping[str, Sheet]
    data_sets: Mapping[str, DataSet]
    selects: Mapping[str, str]
    """The SQL of each data set."""

    @cached_property
    def grains(self) -> Mapping[str, str]:
        """What one row of each data set is."""
        return {name: _grain(name, select) for name, select in self.selects.items()}


def read_dashboard() -> Dashboard:
    """The dashboard that ships with the product.

    Raises:
        ConfigurationError: a file cannot be read, says a word that means nothing, or lacks one that is needed.
    """
    outline = _decoded("dashboard.toml", _Outline)
    sheets = {name: _decoded(f"sheets/{name}.toml", Sheet) for name in outline.sheets}
    selects = dict(_selects())
    if selects.keys() != outline.data_sets.keys():
        odd = ", ".join(sorted(selects.keys() ^ outline.data_sets.keys()))
        raise ConfigurationError(f"dashboards/: {odd} is in only one of data_sets/ and dashboard.toml")
    return Dashboard(outline.title, outline.refresh_at, outline.filters, sheets, outline.data_sets, selects)


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
