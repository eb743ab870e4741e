"""How a visual of the story is asked about one month as SQL: its data set, grouped by its rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pipeline.formula import Aggregate, Formula, adds_up
from pipeline.month import Month
from pipeline.story import CURRENCY, DAY, DataSet, Story, Visual

COUNT = "row_count"
TOTAL = "total_"
"""What the names of totals begin with."""

_HISTORY = "date_add('month', -13, date_trunc('month', current_date))"
"""Where data sets begin. Asked about a month, they begin with the one before, with which alone it is compared."""


@dataclass(frozen=True)
class Asked:
    """The *month* that is asked about, as it stands on the day *today*; once it is over, on the day after it."""

    month: Month
    today: date

    @classmethod
    def at(cls, month: Month, now: datetime) -> "Asked":
        """*month* as it stands *now*."""
        return cls(month, min(now.date(), month.end))

    @property
    def before(self) -> Month:
        """The month before."""
        return Month.of(self.month.first - timedelta(days=1))

    def since(self, visual: Visual) -> date:
        """The first day that *visual* shows."""
        return self.before.first if visual.all_months else self.month.first


def keys(visual: Visual) -> tuple[str, ...]:
    """What a row of its answer is of: its rows down to the last level; not the currency, which all have in common."""
    return tuple(name for name in (*visual.rows, *visual.drill) if name != CURRENCY)


def is_ranked(visual: Visual) -> bool:
    """Whether its rows stand by their size, so that the largest alone can be asked for."""
    return bool(visual.rows) and not (visual.by or visual.follows or visual.over_time)


def question(story: Story, visual: Visual, about: Asked, limit: int = 0) -> str:
    """Ask *visual* *about* a month: a row per value of its keys and of `by`, a column per measure.

    Where rows are ranked, there are the largest *limit* of them (0: all), each with the count of all and their totals.
    All names and words are the story's own: nothing that a user wrote is in the SQL.
    """
    select = _grouped(story, visual, about)
    return _ranked(story, visual, select, limit) if is_ranked(visual) else select


def facts(story: Story, data_set: str, about: Asked) -> str:
    """Ask which days, clusters, states and currencies the month and the one before have."""
    names = (DAY, "cluster_name", "cost_state", CURRENCY)
    when = _when(story, data_set, about.before.first, about)
    return f"SELECT DISTINCT {', '.join(names)}\nFROM (\n{_select(story, data_set, about)}\n) AS asked\nWHERE {when}"


def _grouped(story: Story, visual: Visual, about: Asked) -> str:
    grouped = [*keys(visual), *visual.by]
    figures = [f"{_sql(formula)} AS {name}" for name, formula in _formulas(story, visual).items()]
    conditions = [_when(story, visual.data_set, about.since(visual), about), *_only(visual)]
    lines = [
        f"SELECT {', '.join([*grouped, *figures])}",
        f"FROM (\n{_select(story, visual.data_set, about)}\n) AS asked",
        f"WHERE {' AND '.join(conditions)}",
    ]
    if grouped:
        lines.append(f"GROUP BY {', '.join(str(position) for position, _ in enumerate(grouped, start=1))}")
    return "\n".join(lines)


def _ranked(story: Story, visual: Visual, grouped: str, limit: int) -> str:
    formulas = _formulas(story, visual)
    summed = [name for name in formulas if is_total(story.data_sets[visual.data_set], name)]
    totals = [f"SUM({name}) OVER () AS {TOTAL}{name}" for name in summed]
    first = visual.sort or visual.values[0]
    lines = [
        f"SELECT {', '.join([*keys(visual), *formulas, f'COUNT(*) OVER () AS {COUNT}', *totals])}",
        f"FROM (\n{grouped}\n) AS answered",
        *([f"WHERE {visual.values[0]} > 0"] if visual.positive else []),
        f"ORDER BY {', '.join([f'{first} DESC NULLS LAST', *keys(visual)])}",
        *([f"LIMIT {limit}"] if limit else []),
    ]
    return "\n".join(lines)


def is_total(data_set: DataSet, measure: str) -> bool:
    """Whether the figures of several rows are worth adding up."""
    return not data_set.overlap and adds_up(data_set.measures[measure].formula)


def _formulas(story: Story, visual: Visual) -> Mapping[str, Formula]:
    names = (*visual.values, *filter(None, (visual.target, visual.sort, visual.follows)))
    return {name: story.measure(visual.data_set, name).formula for name in names}


def _select(story: Story, data_set: str, about: Asked) -> str:
    """The data set as it would be on that day, reading no more than the month, the one before, and that day."""
    since = story.selects[data_set].replace(_HISTORY, f"DATE '{about.before.first}'")
    return since.replace("current_date", f"DATE '{about.today}'").strip()


def _when(story: Story, data_set: str, since: date, about: Asked) -> str:
    column = story.period(data_set)
    return f"{column} >= DATE '{since}' AND {column} < DATE '{about.month.end}'"


def _only(visual: Visual) -> Iterator[str]:
    for name, values in visual.only.items():
        listed = ", ".join(f"'{value}'" for value in values)
        yield f"{name} IN ({listed})"


def _sql(of: Formula) -> str:
    """A formula as Athena has it; what is divided by nothing is NULL."""
    if isinstance(of, Aggregate):
        return (
            f"COUNT(DISTINCT {of.column})" if of.function == "distinct_count" else f"{of.function.upper()}({of.column})"
        )
    left, right = _sql(of.left), _sql(of.right)
    return f"CAST({left} AS double) / NULLIF({right}, 0)" if of.operator == "/" else f"({left} {of.operator} {right})"
