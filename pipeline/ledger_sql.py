"""The statements that compute the ledger's rows and those out of scope, and that tell what a run wrote."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from pipeline.ledger_table import COST_LEDGER, COST_LEDGER_RUNS, OUT_OF_SCOPE_COSTS, RUN, SCOPE, SCOPES
from pipeline.relations import inlined, relations_read
from pipeline.tables import PARTITION_KEY, TABLES, Table

LIVE = "cost_ledger_live"

_COLUMNS = ",\n    ".join(column.name for column in COST_LEDGER.columns)
_IN, _OUT = SCOPES[COST_LEDGER.name], SCOPES[OUT_OF_SCOPE_COSTS.name]
ROWS = f"""\
SELECT
    {_COLUMNS},
    CASE WHEN is_in_scope THEN '{_IN}' ELSE '{_OUT}' END AS {SCOPE.name},
    {PARTITION_KEY}
FROM attributed_costs"""  # noqa: S608  names of ours
"""What a run computes: both sides of the view, so that the bill is read once for them."""

_DECIMALS = 9  # of a double in a digest: what the order of adding changes lies far below, what money is far above


def rows_of(days: Sequence[date], periods: Collection[str], definitions: Mapping[str, str]) -> str:
    """The SELECT of all rows of *days*, the ledger's and others, that reads nothing of the bill but the *periods*.

    *definitions* are the views' SELECTs by name; if there are no periods, they are those of no bill.
    """
    lines = definitions["cur_lines"]
    if periods:
        listed = ", ".join(f"'{period}'" for period in sorted(periods))
        lines = f"SELECT * FROM (\n{lines}\n) AS every_line\nWHERE billing_period IN ({listed})"  # noqa: S608
    return inlined(f"{ROWS}\nWHERE {_on(days)}", {**definitions, "cur_lines": lines})


def digests_of(run: str, days: Sequence[date]) -> str:
    """The query for each day's number of rows and checksum, whatever the rows' order, of what *run* wrote."""
    values = ",\n        ".join(
        f"round({column.name}, {_DECIMALS})" if pa.types.is_floating(column.type) else column.name
        for column in COST_LEDGER.columns
    )
    return (
        f"SELECT\n    {PARTITION_KEY},\n    COUNT(*) AS ledger_rows,\n"
        f"    to_hex(checksum(ROW(\n        {SCOPE.name},\n        {values}\n    ))) AS digest\n"
        f"FROM {COST_LEDGER_RUNS.name}\nWHERE {RUN.name} = '{run}' AND {_on(days)}\nGROUP BY 1"
    )


def cost_of(day: date, cluster_arn: str) -> str:
    """The query for what one cluster's rows of *day* cost, effectively; NULL where it has none."""
    return (
        f"SELECT SUM(effective_cost) AS effective_cost\nFROM {COST_LEDGER.name}\n"
        f"WHERE {_on([day])} AND cluster_arn = '{cluster_arn}'"
    )


def days_billed(periods: Collection[str]) -> str:
    """The query for the days of which each of the billing *periods* has lines."""
    listed = ", ".join(f"'{period}'" for period in sorted(periods))
    return (
        f"SELECT DISTINCT billing_period, CAST(usage_start AS date) AS {PARTITION_KEY}\n"
        f"FROM cur_lines\nWHERE billing_period IN ({listed})"
    )


def below(definitions: Mapping[str, str]) -> dict[str, str]:
    """Of the *definitions*, those that a run's rows follow from."""
    wanted, found = {LIVE}, dict[str, str]()
    for name in reversed(tuple(definitions)):
        if name in wanted:
            wanted |= relations_read(definitions[name])
            found[name] = definitions[name]
    return found


def whole_tables(definitions: Mapping[str, str]) -> list[Table]:
    """The unpartitioned tables that the ledger's rows follow from."""
    read = {name for select in below(definitions).values() for name in relations_read(select)}
    return [table for table in TABLES if table.name in read and not table.partitioned]


def _on(days: Sequence[date]) -> str:
    """The condition of *days*, which are in order."""
    bounds = f"{PARTITION_KEY} >= DATE '{days[0]}' AND {PARTITION_KEY} < DATE '{days[-1] + timedelta(days=1)}'"
    if len(days) == (days[-1] - days[0]).days + 1:
        return bounds
    listed = ", ".join(f"DATE '{day}'" for day in days)
    return f"{bounds} AND {PARTITION_KEY} IN ({listed})"
