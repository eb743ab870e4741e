"""The bill: which Cost and Usage Report a table holds, and how our SQL is fitted to the columns that it has."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlglot import exp, parse_one

from pipeline.catalog import Catalog, Relation
from pipeline.errors import ConfigurationError, ContractError
from pipeline.relations import Source, View, render, source_template, views

_PLACEHOLDER = "${cur_table}"
_QUOTED_PLACEHOLDER = f'"{_PLACEHOLDER}"'
_TEMPLATED = re.compile(r"\$\{(\w+)\}")
_TAG_PREFIX = "resource_tags_"
_RESOURCE_ID = "line_item_resource_id"
_ARRAY_LITERAL = 254
"""Athena takes at most so many elements in an array literal, since Java takes no more arguments."""

_NEEDED = frozenset(
    {
        "bill_payer_account_id",
        "line_item_currency_code",
        "line_item_line_item_type",
        "line_item_product_code",
        "line_item_unblended_cost",
        "line_item_usage_account_id",
        "line_item_usage_amount",
        "line_item_usage_end_date",
        "line_item_usage_start_date",
        "line_item_usage_type",
    }
)
"""Without one of these no line has its money, its time, its owner or its class; every report has them."""


@dataclass(frozen=True)
class Bill:
    """The Cost and Usage Report: its table, which of our sources reads it, and Glue's types of its columns by name."""

    table: str | None
    source: Source
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_resource_ids(self) -> bool:
        """Whether its lines say what they are of: without that hardly a line finds its pods."""
        return _RESOURCE_ID in self.columns

    def select(self, view: View) -> str:
        """The SELECT of *view*, fitted to this bill."""
        if _PLACEHOLDER not in view.template or self.table is None:
            return render(view.template)
        return render(fitted(view.template, self.columns), cur_table=self.table)

    def definitions(self) -> dict[str, str]:
        """The SELECTs of all views by name, fitted to this bill, each after those it reads."""
        return {view.name: self.select(view) for view in views(self.source)}

    def absent(self) -> list[str]:
        """The columns that we would read and that the table lacks; they are NULL."""
        read = {column.name.lower() for column in _parsed(source_template(self.source)).find_all(exp.Column)}
        return sorted(read - self.columns.keys() - {"billing_period", "resource_tags"})


NO_BILL = Bill(None, "no_cur")


def find_bill(table: str | None, catalog_of: Callable[[str], Catalog]) -> Bill:
    """Say which source reads the bill at *table* (`database.table`); *catalog_of* gives a database's catalog.

    Raises:
        ConfigurationError: it does not exist.
        ContractError: it lacks columns without which no line can be charged to anybody.
    """
    if table is None:
        return NO_BILL
    database, _, name = table.partition(".")
    relation = catalog_of(database).relation(name)
    if relation is None:
        raise ConfigurationError(f"CHARGEBACK_CUR_TABLE is {table}, but there is no such table in Glue.")
    return bill_over(table, relation.columns)


def bill_over(table: str, columns: Mapping[str, str]) -> Bill:
    """Say which source reads the bill at *table*, of whose *columns* Glue's types are known.

    Raises:
        ContractError: it lacks columns without which no line can be charged to anybody.
    """
    if missing := _missing(columns):
        raise ContractError(
            f"The bill {table} lacks {', '.join(missing)}. Point CHARGEBACK_CUR_TABLE at a Cost and Usage Report, "
            "or add the columns to the export's query or to the Glue table."
        )
    return Bill(table, source_of(columns), columns)


def source_of(columns: Mapping[str, str]) -> Source:
    """Which of our sources reads a table of these columns: only a report 2.0 has names of accounts, and maps."""
    if "bill_payer_account_name" in columns or columns.get("product", "").startswith("map"):
        return "cur2"
    return "cur1"


def delivered_periods(table: str, catalog_of: Callable[[str], Catalog]) -> frozenset[str]:
    """The billing periods (`YYYY-MM`) that Glue has a partition of; none where partitions are not registered."""
    return frozenset(registered_folders(table, catalog_of))


def registered_folders(table: str, catalog_of: Callable[[str], Catalog]) -> dict[str, list[str]]:
    """Where each billing period's lines lie; nothing where partitions are not registered, or by no period."""
    database, _, name = table.partition(".")
    folders: dict[str, list[str]] = {}
    for partition in catalog_of(database).partitions(name):
        if period := _period_of(partition.values):
            folders.setdefault(period, []).append(partition.folder)
    return folders


def folder_of(relation: Relation, period: str) -> str:
    """Where a *period*'s lines lie in a table without registered partitions: as projected, else anywhere in it."""
    if not relation.is_projected:
        return relation.location
    year, month = period.split("-")
    digits = relation.parameters.get("projection.month.digits", "1")
    values = {"billing_period": period, "year": year, "month": str(int(month)).zfill(int(digits))}
    template = relation.parameters.get("storage.location.template", "")
    folder = _TEMPLATED.sub(lambda found: values.get(found[1], found[0]), template)
    return relation.location if not folder or "${" in folder else folder


def fitted(template: str, columns: Mapping[str, str]) -> str:
    """Rewrite a SELECT over the bill for a table that has only *columns*.

    A column that is not there becomes NULL: of the type that the SELECT casts it to, else of text.
    """
    tree = _parsed(template)
    for column in list(tree.find_all(exp.Column)):
        made = _stand_in(column, columns)
        if made is not None:
            column.replace(exp.alias_(made, column.name) if isinstance(column.parent, exp.Select) else made)
    return tree.sql("athena", pretty=True).replace(_QUOTED_PLACEHOLDER, _PLACEHOLDER)


def _missing(columns: Mapping[str, str]) -> list[str]:
    no_period = _billing_period(columns) is None
    return sorted(_NEEDED - columns.keys()) + ["bill_billing_period_start_date"] * no_period


def _parsed(template: str) -> exp.Expr:
    return parse_one(template.replace(_PLACEHOLDER, _QUOTED_PLACEHOLDER), read="athena")


def _stand_in(column: exp.Column, columns: Mapping[str, str]) -> exp.Expr | None:
    """What takes the place of *column*; None where it stays."""
    name = column.name.lower()
    if name == "billing_period" and (period := _billing_period(columns)) and period != name:
        return parse_one(period, read="athena")
    if name in columns:
        return None
    if name == "resource_tags" and (tags := [tag for tag in columns if tag.startswith(_TAG_PREFIX)]):
        return _tag_map(sorted(tags))
    return exp.null() if isinstance(column.parent, exp.Cast) else exp.cast(exp.null(), "varchar")


def _billing_period(columns: Mapping[str, str]) -> str | None:
    """The billing period as `YYYY-MM`, of partition columns where there are any: only those prune a scan."""
    if columns.get("billing_period", "").startswith(("string", "varchar")):
        return "billing_period"
    if {"year", "month"} <= columns.keys():
        return "CAST(year AS varchar) || '-' || lpad(CAST(month AS varchar), 2, '0')"
    if "bill_billing_period_start_date" in columns:
        return "date_format(bill_billing_period_start_date, '%Y-%m')"
    return None


def _period_of(partition: Mapping[str, str]) -> str | None:
    if "billing_period" in partition:
        return partition["billing_period"]
    if {"year", "month"} <= partition.keys():
        return f"{partition['year']}-{partition['month']:0>2}"
    return None


def _tag_map(columns: list[str]) -> exp.Expr:
    """One map of the tags, its keys as a report 2.0 writes them; Athena's array literals have at most 254 elements."""
    parts = [columns[start : start + _ARRAY_LITERAL] for start in range(0, len(columns), _ARRAY_LITERAL)]
    maps = [exp.Map(keys=_tag_keys(part), values=_tag_values(part)) for part in parts]
    return maps[0] if len(maps) == 1 else exp.func("map_concat", *maps, dialect="athena")


def _tag_keys(columns: list[str]) -> exp.Array:
    return exp.array(*(exp.Literal.string(column.removeprefix(_TAG_PREFIX)) for column in columns))


def _tag_values(columns: list[str]) -> exp.Array:
    return exp.array(*(exp.column(column, quoted=True) for column in columns))
