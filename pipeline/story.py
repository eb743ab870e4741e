"""The story that dashboards tell: its sheets, the question behind each visual, and what is shown of the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Unit(StrEnum):
    """What a number is, which says how it is written."""

    MONEY = "money"
    PRICE = "price"  # of one unit of something: more decimals
    HOURS = "hours"
    COUNT = "count"
    SHARE = "share"


class Chart(StrEnum):
    """How an answer is drawn; its table stands beside it."""

    NONE = "none"
    BARS = "bars"  # a bar per row, dearest first
    COLUMNS = "columns"  # a column per day


class Span(StrEnum):
    """Which days a question is about."""

    MONTH = "month"
    TWO_MONTHS = "two months"  # the month, set against the one before
    LATEST_DAYS = "latest days"  # the latest days, up to a week, set against as many before


@dataclass(frozen=True)
class Measure:
    """The sum of *column* over a row's rows, divided by the sum of *per* where one is given; or how many *distinct*."""

    column: str
    heading: str
    unit: Unit = Unit.MONEY
    per: str | None = None
    distinct: bool = False


@dataclass(frozen=True)
class Joined:
    """Another relation, left joined: *on* pairs a column of the visual's relation with one of *relation*'s."""

    relation: str
    on: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Visual:
    """One question and what is shown of its answer.

    The answer has a row per value of *keys*; the first of *measures* is what is drawn, and what rows are ordered by.
    With *series*, that measure is split by a further column; with *stacked*, the drawn parts are these measures.
    *where* keeps the rows whose column has one of the values; without values, one that is not NULL. *trend* adds
    the measure's days to each row. What *overlaps* is never added up. With *follows*, rows that differ only in that
    key stand in its order, each with the change of its last measure since the one before.
    """

    name: str
    title: str
    says: str
    relation: str
    keys: tuple[str, ...]
    measures: tuple[Measure, ...]
    chart: Chart = Chart.NONE
    series: str | None = None
    stacked: tuple[str, ...] = ()
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    span: Span = Span.MONTH
    period: str = "usage_date"
    trend: bool = False
    overlaps: bool = False
    follows: str | None = None
    joined: Joined | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the relation that it reads."""
        measured = (name for measure in self.measures for name in (measure.column, measure.per) if name)
        paired = (ours for ours, _ in self.joined.on) if self.joined else ()
        of_joined = self.joined.columns if self.joined else ()
        named = (*self.keys, *([self.series] if self.series else []), *measured, *self.where, self.period, *paired)
        return tuple(dict.fromkeys(name for name in named if name not in of_joined))


@dataclass(frozen=True)
class Sheet:
    """A page of the story, and the question that it answers."""

    name: str
    question: str
    visuals: tuple[Visual, ...]


_COST = Measure("effective_cost", "Cost")
_LIST = Measure("list_cost", "List price")
_SAVINGS = Measure("savings", "Saved")

DAYS = Visual(
    "days",
    "Cost by day",
    "Effective cost of the clusters: what the bill charges once commitments and discounts are spread.",
    "virtual_cluster_costs",
    ("usage_date",),
    (_COST,),
    Chart.COLUMNS,
    series="cost_category",
)
MONTHS = Visual(
    "months",
    "Month against month",
    "Each kind of cost beside the month before: the whole of it, and as many of its days as this month has had.",
    "virtual_cluster_costs",
    ("cost_category",),
    (_COST,),
    span=Span.TWO_MONTHS,
)
INCREASES = Visual(
    "increases",
    "Top increases",
    "Jobs that cost more in the latest whole days, a week at most, than in as many days before.",
    "job_name_costs",
    ("workload_name", "namespace"),
    (_COST, Measure("runs", "Runs", Unit.COUNT)),
    span=Span.LATEST_DAYS,
)

_OVERVIEW = Sheet("Overview", "What did it cost, and where is it going?", (DAYS, MONTHS, INCREASES))

_VIRTUAL_CLUSTERS = Sheet(
    "Virtual clusters",
    "Who spent it?",
    (
        Visual(
            "virtual_clusters",
            "Cost by virtual cluster",
            "“none” is what no virtual cluster ran: other Spark, the platform, and what stood idle.",
            "virtual_cluster_costs",
            ("virtual_cluster_name", "virtual_cluster_id"),
            (_COST, _LIST, _SAVINGS),
            Chart.BARS,
            series="cost_category",
        ),
        Visual(
            "virtual_cluster_days",
            "Virtual clusters by day",
            "What each virtual cluster's own jobs cost.",
            "virtual_cluster_costs",
            ("usage_date",),
            (_COST,),
            Chart.COLUMNS,
            series="virtual_cluster_name",
            where={"virtual_cluster_id": ()},
        ),
        Visual(
            "cost_centers",
            "Cost by cost center",
            "Direct cost, what the policy distributes to it or takes from it, and what it is charged.",
            "cost_center_costs",
            ("cost_center",),
            (_COST, Measure("distributed_cost", "Distributed"), Measure("charged_cost", "Charged")),
            Chart.BARS,
        ),
    ),
)

_JOBS = Sheet(
    "Jobs",
    "Which jobs cost most, and do they get cheaper?",
    (
        Visual(
            "jobs",
            "Jobs by name",
            "Runs of one name together; a run over midnight counts on each of its days. Compare runs of a job by cost "
            "per run, all jobs by cost per vCPU-hour.",
            "job_name_costs",
            ("workload_name", "workload_kind", "namespace"),
            (
                _COST,
                Measure("runs", "Runs", Unit.COUNT),
                Measure("effective_cost", "Per run", Unit.PRICE, per="runs"),
                Measure("effective_cost", "Per vCPU-hour", Unit.PRICE, per="cpu_core_hours"),
                _SAVINGS,
            ),
            Chart.BARS,
            trend=True,
        ),
        Visual(
            "job_days",
            "Jobs by day",
            "The dearest names; the others together.",
            "job_name_costs",
            ("usage_date",),
            (_COST,),
            Chart.COLUMNS,
            series="workload_name",
        ),
        Visual(
            "releases",
            "Before and after a new EMR release",
            "A job's runs by the release that they ran on, and the change of the cost per vCPU-hour since the release "
            "before. Compare cost per run only where the runs do the same work.",
            "job_run_costs",
            ("workload_name", "release_label"),
            (
                _COST,
                Measure("workload_id", "Runs", Unit.COUNT, distinct=True),
                Measure("effective_cost", "Per run", Unit.PRICE, per="workload_id"),
                Measure("effective_cost", "Per vCPU-hour", Unit.PRICE, per="cpu_core_hours"),
            ),
            where={"workload_kind": ("job_run",)},
            joined=Joined(
                "job_runs", (("cluster_arn", "cluster_arn"), ("job_run_id", "job_run_id")), ("release_label",)
            ),
            follows="release_label",
        ),
    ),
)

_WASTE = Sheet(
    "Waste and savings",
    "What was paid for and not used, and what did Spot and commitments save?",
    (
        Visual(
            "instances",
            "Used and idle",
            "What pods had of the instances, and what nobody had.",
            "cost_ledger",
            ("node_pool", "instance_type"),
            (_COST,),
            Chart.BARS,
            series="cost_category",
            where={"cost_category": ("compute", "idle")},
        ),
        Visual(
            "idle",
            "Idle by reason",
            "Spare is room beside pods; an empty node had none.",
            "cost_ledger",
            ("reason", "capacity_type"),
            (_COST,),
            Chart.BARS,
            where={"cost_category": ("idle",)},
        ),
        Visual(
            "headroom",
            "Headroom",
            "Placeholder pods that keep capacity free on purpose.",
            "cost_ledger",
            ("namespace", "controller_name"),
            (_COST, Measure("cpu_core_hours", "vCPU-hours", Unit.HOURS)),
            where={"reason": ("headroom",)},
        ),
        Visual(
            "findings",
            "Findings",
            "What is worth a look. Never add up what could be saved: findings of one run are about the same money.",
            "job_run_findings",
            ("finding", "workload_name", "workload_kind"),
            (
                Measure("cost", "Cost"),
                Measure("potential_savings", "Could save"),
                Measure("workload_id", "Runs", Unit.COUNT, distinct=True),
            ),
            overlaps=True,
        ),
        Visual(
            "capacity",
            "Spot and commitments against list",
            "Pods and idle by kind of capacity. The bill has no list price of Spot, so nothing is reckoned for it.",
            "instance_costs",
            ("capacity_type",),
            (_COST, _LIST, _SAVINGS, Measure("cpu_core_hours", "vCPU-hours", Unit.HOURS)),
            Chart.BARS,
            where={"cost_category": ("compute", "idle")},
        ),
    ),
)

RECONCILIATION = Visual(
    "reconciliation",
    "The bill, class by class",
    "What workloads have of the bill, what stood idle, what is shared, and what is no cost of these clusters.",
    "bill_reconciliation",
    ("line_class", "payer_account_id"),
    (
        Measure("bill_effective_cost", "Bill"),
        Measure("allocated_cost", "Allocated"),
        Measure("idle_cost", "Idle"),
        Measure("shared_cost", "Shared"),
        Measure("unattributed_cost", "Unattributed"),
        Measure("out_of_scope_cost", "Out of scope"),
        Measure("difference", "Difference"),
        Measure("bill_lines", "Lines", Unit.COUNT),
    ),
    Chart.BARS,
    stacked=("allocated_cost", "idle_cost", "shared_cost", "unattributed_cost", "out_of_scope_cost"),
    period="billing_period",
)

_RECONCILIATION = Sheet("Reconciliation", "Is that the bill, to the cent?", (RECONCILIATION,))

_DATA_QUALITY = Sheet(
    "Data quality",
    "How far can these figures be relied on?",
    (
        Visual(
            "states",
            "Estimated, provisional, final",
            "Estimated is Kubecost's figure until the bill has the hour; provisional is the bill before its invoice.",
            "virtual_cluster_costs",
            ("usage_date",),
            (_COST,),
            Chart.COLUMNS,
            series="cost_state",
        ),
        Visual(
            "hours",
            "Hours with pods",
            "24 make a whole day; a day that came as one daily set counts as one.",
            "cost_ledger",
            ("usage_date",),
            (
                Measure("charge_period_start", "Hours", Unit.COUNT, distinct=True),
                Measure("pod", "Pods", Unit.COUNT, distinct=True),
            ),
            where={"cost_category": ("compute",), "workload_kind": ()},
        ),
        Visual(
            "metered",
            "Hours seen and hours metered",
            "vCPU-hours of runs that Kubecost saw requested, and those that EMR charged uplift for. Far below 100 % "
            "Kubecost looks too seldom.",
            "job_run_hours",
            ("usage_date",),
            (
                Measure("cpu_core_request_hours", "Seen", Unit.HOURS),
                Measure("vcpu_hours", "Metered", Unit.HOURS),
                Measure("cpu_core_request_hours", "Share", Unit.SHARE, per="vcpu_hours"),
            ),
            where={"observed_ratio": ()},
        ),
        Visual(
            "reasons",
            "Cost that no pod caused",
            "By category and reason. Unattributed is on the bill, and Kubecost never saw whose it is.",
            "cost_ledger",
            ("cost_category", "reason"),
            (_COST,),
            where={
                "cost_category": (
                    "control_plane",
                    "idle",
                    "shared",
                    "commitment_unused",
                    "credit",
                    "tax",
                    "other_service",
                    "unattributed",
                )
            },
        ),
    ),
)

SHEETS = (_OVERVIEW, _VIRTUAL_CLUSTERS, _JOBS, _WASTE, _RECONCILIATION, _DATA_QUALITY)
