"""How the story's words and numbers are written for people."""

from datetime import date, datetime

import pandas as pd

from pipeline.month import Month
from pipeline.story import DECIMALS, MONTH, Form, Visual

NOTHING = "-"

_CLOSED = frozenset(
    {"capacity_type", "cost_category", "cost_state", "finding", "line_class", "reason"}
)  # columns whose values are words of ours; all others hold names that somebody chose
_WORDS = {"emr_uplift": "EMR uplift", "on_demand": "On-Demand"}


def told(value: object, form: Form) -> str:
    """A figure of that *form*; a dash where there is none."""
    if is_unknown(value):
        return NOTHING
    match form:
        case "day":
            return str(value.date() if isinstance(value, datetime) else value)
        case "share":
            return f"{float(str(value)):z.{DECIMALS[form]}%}"
        case "change":
            return f"{float(str(value)):+z.{DECIMALS[form]}%}"
        case _:
            return f"{float(str(value)):z,.{DECIMALS[form]}f}"


def is_unknown(value: object) -> bool:
    """Whether the warehouse has no such value."""
    return value is None or bool(pd.isna(value))  # type: ignore[call-overload]


def word(value: object, column: str) -> str:
    """A value of a *column*; what somebody chose stays as it is."""
    if isinstance(value, date):
        return f"{value:%B %Y}" if column == MONTH else str(value)
    text = str(value)
    if column not in _CLOSED:
        return text
    spoken = _WORDS.get(text, text.replace("_", " "))
    return spoken[:1].upper() + spoken[1:]


def tick(value: date, visual: Visual) -> str:
    """What stands below a day, or a month, of a chart."""
    if visual.rows[0] == MONTH:
        return f"{value:%b %Y}"
    return f"{value.day} {value:%b}" if visual.all_months else str(value.day)


def long(month: Month) -> str:
    """A month with its name."""
    return f"{month.first:%B %Y}"
