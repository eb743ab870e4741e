"""How a comparison looks: a table for people, CSV and JSON for programs."""

import csv
import io
import json
from decimal import Decimal

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.comparison import Comparison, Told
from pipeline.period import Period

_COSTS = ("before", "after", "change")


def comparison_table(comparison: Comparison, top: int) -> Table:
    """The *top* largest changes (0: all), what the others come to, and the total; money has four decimals."""
    keys = _telling_keys(comparison)
    amounts = (*_COSTS, *comparison.parts)
    periods = comparison.periods
    table = Table(
        title=f"Change of cost by {comparison.by}, {periods.before} to {periods.after}, {comparison.currency}",
        caption="\n".join((_told(periods.before, comparison.before), _told(periods.after, comparison.after))),
        box=box.SIMPLE_HEAD,
        show_footer=True,
    )
    for name in keys:
        table.add_column(name.replace("_", " "), overflow="ellipsis", footer="total" if name == keys[0] else "")
    for name in amounts:
        heading = {"before": str(periods.before), "after": str(periods.after)}.get(name, name)
        table.add_column(heading, justify="right", no_wrap=True, footer=_shown(name, comparison.total(name)))
    shown = comparison.differences[: top or None]
    for row in shown:
        words = (Text(word or "-") for name, word in zip(comparison.keys, row.key, strict=True) if name in keys)
        table.add_row(*words, *(_shown(name, getattr(row, name)) for name in amounts))
    if rest := comparison.differences[len(shown) :]:
        sums = (_shown(name, sum((getattr(row, name) for row in rest), Decimal())) for name in amounts)
        table.add_row(Text(f"{len(rest)} others", style="italic"), *(Text() for _ in keys[1:]), *sums)
    return table


def comparison_csv(comparison: Comparison) -> str:
    """One line per row, no line of totals; an empty cell is a key that the cost does not have."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow((*comparison.keys, *_COSTS, *comparison.parts))
    for row in comparison.differences:
        lines.writerow((*row.key, *(f"{getattr(row, name):f}" for name in (*_COSTS, *comparison.parts))))
    return text.getvalue()


def comparison_json(comparison: Comparison) -> str:
    """The same with totals, and what each period's costs are founded on."""
    amounts = (*_COSTS, *comparison.parts)
    document = {
        "by": comparison.by,
        "currency": comparison.currency,
        "before": _founded(comparison.periods.before, comparison.before),
        "after": _founded(comparison.periods.after, comparison.after),
        "rows": [
            dict(zip(comparison.keys, row.key, strict=True)) | {name: float(getattr(row, name)) for name in amounts}
            for row in comparison.differences
        ],
        "total": {name: float(comparison.total(name)) for name in amounts},
    }
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _telling_keys(comparison: Comparison) -> tuple[str, ...]:
    """The columns that tell rows apart, and the first: one cluster's name on every line says nothing."""
    values = zip(*(row.key for row in comparison.differences), strict=True)
    telling = {name for name, column in zip(comparison.keys, values, strict=False) if len(set(column)) > 1}
    return tuple(name for at, name in enumerate(comparison.keys) if at == 0 or name in telling)


def _shown(name: str, amount: Decimal) -> str:
    return f"{amount:z,.4f}" if name in ("before", "after") else f"{amount:+z,.4f}"


def _told(period: Period, told: Told) -> str:
    if not told.days:
        return f"{period}: no cost"
    states = ", ".join(f"{cost:z,.4f} {state}" for state, cost in told.states.items())
    return f"{period}: {told.days} of {period.days} days with cost; {states}"


def _founded(period: Period, told: Told) -> dict[str, object]:
    return {
        "period": str(period),
        "days": period.days,
        "days_with_cost": told.days,
        "states": {state: float(cost) for state, cost in told.states.items()},
    }
