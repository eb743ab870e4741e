"""The statements that compute the ledger's rows, and that tell what a run wrote."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa

from pipeline.ledger_table import COST_LEDGER, COST_LEDGER_RUNS, RUN
from pipeline.relations import inlined, relations_read
from pipeline.tables import PARTITION_KEY, TABLES, Table

LIVE = "cost_ledger_live"

_DECIMALS = 9  # of a double in a digest: what the order of adding changes lies far below, what money is far above


def rows_of(days: Sequence[date], periods: Collection[str], definitions: Mapping[str, str]) -> str:
    """The SELECT of the ledger's rows of *days*, reading nothing of the bill but the billing *periods*.

    *definitions* are the views' SELECTs by name; if there are no periods, they are those of no bill.
    """
    lines = definitions["cur_lines"]
    if periods:
        listed = ", ".join(f"'{period}'" for period in sorted(periods))
        lines = f"SELECT * FROM (\n{lines}\n) AS every_line\nWHERE billing_period IN ({listed})"  # noqa: S608
    columns = ",\n    ".join([*(column.name for column in COST_LEDGER.columns), PARTITION_KEY])
    select = f"SELECT\n    {columns}\nFROM {LIVE}\nWHERE {_on(days)}"
    return inlined(select, {**definitions, "cur_lines": lines})


def digests_of(run: str, days: Sequence[date]) -> str:
    """The query for each day's number of rows and checksum, whatever the rows' order, of what *run* wrote."""
    values = ",\n        ".join(
        f"round({column.name}, {_DECIMALS})" if pa.types.is_floating(column.type) else column.name
        for column in COST_LEDGER.columns
    )
    return (
        f"SELECT\n    {PARTITION_KEY},\n    COUNT(*) AS ledger_rows,\n"
        f"    to_hex(checksum(ROW(\n        {values}\n    ))) AS digest\n"
        f"FROM {COST_LEDGER_RUNS.name}\nWHERE {RUN.name} = '{run}' AND {_on(days)}\nGROUP BY 1"
    )


def days_billed(periods: Collection[str]) -> str:
    """The query for the days of which each of the billing *periods* has lines."""
    listed = ", ".join(f"'{period}'" for period in sorted(periods))
    return (
        f"SELECT DISTINCT billing_period, CAST(usage_start AS date) AS {PARTITION_KEY}\n"
        f"FROM cur_lines\nWHERE billing_period IN ({listed})"
    )


def below(definitions: Mapping[str, str]) -> dict[str, str]:
    """Of the *definitions*, those that the ledger's rows follow from."""
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
