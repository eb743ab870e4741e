"""What is asked: every view over the ledger as a whole, the example queries, and what each job of a month cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.reading.estate import HOURS, Month
from pipeline.examples import examples
from pipeline.relations import relations_read, views

_LEDGER = "cost_ledger"
_MONTH = "{0} >= DATE '2026-10-01' AND {0} < DATE '2026-11-01'"
_DAYS = _MONTH.format("usage_date")
_CONDITIONS = {
    "usage_date": _DAYS,
    "x_usagedate": _MONTH.format("x_usagedate"),
    "billing_period": "billing_period = '2026-10'",
}
"""The columns by which a month is asked for, the partition's first."""
_OF_CLOSED_MONTHS = "closed_month_adjustments"
"""While no month is closed, as here, the engine knows without reading anything that it has no rows."""
_RUN_OF_EXAMPLES = "00000006m9a4czo0ozo"
_JOB_OF_EXAMPLES = "orders-nightly"
_EXAMPLE_HOUR = 14 * 24  # the examples ask for a run of the 14th or the 15th

SAMPLE_TABLE = "sample_compute_cost"

PER_JOB = f"""\
SELECT job_run_id, SUM(effective_cost) AS cost
FROM job_run_costs
WHERE {_DAYS} AND job_run_id IS NOT NULL
GROUP BY 1"""  # noqa: S608  a constant

PER_JOB_OF_SAMPLE = f"""\
SELECT job_id, SUM(CAST(totalcost AS double)) AS cost
FROM {SAMPLE_TABLE}
WHERE job_id <> '' AND "start" >= '2026-10-01' AND "start" < '2026-11-01'
GROUP BY 1"""  # noqa: S608


@dataclass(frozen=True)
class Question:
    """A query, and what it is called."""

    name: str
    sql: str


def marts(columns: Callable[[str], Sequence[str]]) -> Iterator[Question]:
    """For each view over the ledger, all that it says of the month; *columns* tells what a relation has.

    The rows are counted and summed up by the engine: millions of them would be fetched for nothing.
    """
    for name in _over_ledger():
        had = columns(name)
        condition = next(condition for column, condition in _CONDITIONS.items() if column in had)
        quoted = ", ".join(f'"{column}"' for column in had)
        yield Question(name, f"SELECT COUNT(*), checksum(ROW({quoted})) FROM {name} WHERE {condition}")  # noqa: S608


def of_examples(month: Month) -> Iterator[Question]:
    """The example queries, about a job that this *month* has where they name one."""
    run = int(month.runs.of_hour[0, _EXAMPLE_HOUR % HOURS])
    for example in examples():
        sql = example.statement.replace(_RUN_OF_EXAMPLES, month.runs.ids[run])
        yield Question(example.name, sql.replace(_JOB_OF_EXAMPLES, month.runs.names[run]))


def _over_ledger() -> list[str]:
    """The views that read the ledger, or a view that does."""
    found = {_LEDGER}
    for view in views("cur2"):  # each after those it reads
        if relations_read(view.template) & found:
            found.add(view.name)
    return sorted(found - {_LEDGER, _OF_CLOSED_MONTHS})
