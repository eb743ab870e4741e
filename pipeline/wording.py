"""How the story's words and numbers are written for people."""

from datetime import date

import pandas as pd

from pipeline.month import Month
from pipeline.story import Unit

NONE = "none"
NOTHING = "-"

_CLOSED = frozenset(
    {"capacity_type", "cost_category", "cost_state", "finding", "line_class", "reason", "workload_kind"}
)  # columns whose values are words of ours; all others hold names that somebody chose
_WORDS = {"emr_uplift": "EMR uplift", "on_demand": "On-Demand"}
_HEADINGS = {
    "capacity_type": "Capacity",
    "controller_name": "Controller",
    "cost_category": "Kind of cost",
    "line_class": "Class of line",
    "payer_account_id": "Payer",
    "release_label": "Release",
    "usage_date": "Day",
    "virtual_cluster_id": "ID",
    "virtual_cluster_name": "Virtual cluster",
    "workload_kind": "Kind",
    "workload_name": "Job",
}


def told(value: object, unit: Unit) -> str:
    """A number of *unit*; a dash where there is none."""
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return NOTHING
    number = float(str(value))
    match unit:
        case Unit.MONEY:
            return f"{number:z,.2f}"
        case Unit.PRICE:
            return f"{number:z,.4f}"
        case Unit.HOURS:
            return f"{number:z,.1f}"
        case Unit.COUNT:
            return f"{number:,.0f}"
        case Unit.SHARE:
            return f"{number:.1%}"


def word(value: object, name: str) -> str:
    """A value of the column *name*; what somebody chose stays as it is."""
    if value is None or pd.isna(value):  # type: ignore[call-overload]
        return NONE
    text = str(value)
    if name not in _CLOSED:
        return text
    spoken = _WORDS.get(text, text.replace("_", " "))
    return spoken[:1].upper() + spoken[1:]


def heading(name: str) -> str:
    """What the column *name* is called in a table."""
    spoken = name.replace("_", " ")
    return _HEADINGS.get(name, spoken[:1].upper() + spoken[1:])


def short(day: date) -> str:
    """A day without its year."""
    return f"{day.day} {day:%b}"


def long(month: Month) -> str:
    """A month with its name."""
    return f"{month.first:%B %Y}"
