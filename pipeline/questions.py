"""How a question of the story is put as SQL: one SELECT, a row per value of its keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from pipeline.month import Month
from pipeline.story import Joined, Visual

DAY = "usage_date"
NANOSECOND = "-[0-9]{19}$"
"""What the Spark Operator adds to the names of a schedule's runs, as a regular expression."""


@dataclass(frozen=True)
class Asked:
    """The days *since* up to *until*; of a relation that only knows billing periods, that of *month*."""

    month: Month
    since: date
    until: date


def question(visual: Visual, about: Asked, *, by_day: bool = False) -> str:
    """Ask *visual* about these days; *by_day* with a row for each of them.

    The columns are the visual's keys, its series and perhaps the day, the summed columns under their own names, and
    `currency`. All names are the story's own: nothing that a user wrote is in the SQL.
    """
    names = [*visual.keys, *([visual.series] if visual.series else []), *([DAY] if by_day else [])]
    grouped = [f"{_of(name, visual)} AS {name}" for name in dict.fromkeys(names)]
    summed = [
        f"COUNT(DISTINCT asked.{name}) AS {name}" if counted else f"SUM(asked.{name}) AS {name}"
        for name, counted in sums(visual).items()
    ]
    positions = ", ".join(str(position) for position, _ in enumerate(grouped, start=1))
    lines = [
        f"SELECT {', '.join([*grouped, *summed])}",
        f"FROM {visual.relation} AS asked",
        *([_left_join(visual.joined)] if visual.joined else []),
        f"WHERE {' AND '.join(_conditions(visual, about))}",
        f"GROUP BY {positions}",
    ]
    return "\n".join(lines)


def sums(visual: Visual) -> dict[str, bool]:
    """The columns whose sum *visual* needs; True marks those of which it counts the different values instead."""
    counted = {measure.column for measure in visual.measures if measure.distinct}
    needed = [name for measure in visual.measures for name in (measure.column, measure.per) if name]
    return {name: name in counted for name in needed}


def _of(name: str, visual: Visual) -> str:
    if name == "workload_name":
        return f"regexp_replace(asked.workload_name, '{NANOSECOND}', '')"
    return f"joined.{name}" if visual.joined and name in visual.joined.columns else f"asked.{name}"


def _left_join(joined: Joined) -> str:
    """Join one row per value of the paired columns, so that no row of ours is counted twice."""
    paired = [theirs for _, theirs in joined.on]
    found = ", ".join([*paired, *(f"MAX({name}) AS {name}" for name in joined.columns)])
    positions = ", ".join(str(position) for position, _ in enumerate(paired, start=1))
    same = " AND ".join(f"asked.{ours} = joined.{theirs}" for ours, theirs in joined.on)
    only = f"SELECT {found} FROM {joined.relation} GROUP BY {positions}"  # noqa: S608  the story's own names
    return f"LEFT JOIN ({only}) AS joined ON {same}"


def _conditions(visual: Visual, about: Asked) -> Iterator[str]:
    for name, values in visual.where.items():
        listed = ", ".join(f"'{value}'" for value in values)
        yield f"asked.{name} IN ({listed})" if values else f"asked.{name} IS NOT NULL"
    if visual.period == DAY:
        yield f"asked.{DAY} >= DATE '{about.since}'"
        yield f"asked.{DAY} < DATE '{about.until}'"
    else:
        yield f"asked.{visual.period} = '{about.month}'"
