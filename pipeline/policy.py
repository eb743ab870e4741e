"""The policy: which rules give cost to cost centers, how common cost is shared, and what of it contradicts itself."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import combinations

import pyarrow as pa

from pipeline.tables import (
    POLICY_COST_CENTERS,
    POLICY_DISTRIBUTION,
    POLICY_INVOICES,
    POLICY_MARKUPS,
    POLICY_OTHER_SERVICES,
    POLICY_SETTINGS,
    POLICY_SOLE_TENANCY,
    Table,
)

UNASSIGNED = "unassigned"
"""The cost center of what no rule gives to any."""

POOLS = ("idle", "platform", "control_plane", "shared")
METHODS = ("none", "proportional", "even", "owner")
OBJECT_NAME = "policy.parquet"

_PREFIX_MARK = "*"
_TAG_OWNERS = ("user:", "user_", "aws:", "aws_")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What gives a cost to *cost_center*: all conditions that are not None must fit, the lowest *priority* decides."""

    line: int
    priority: int
    cost_center: str
    cluster: str | None = None
    virtual_cluster: str | None = None
    namespace: str | None = None
    workload_name: str | None = None
    node_pool: str | None = None
    label_key: str | None = None
    label_value: str | None = None
    tag_key: str | None = None
    tag_value: str | None = None


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """How one *pool* of common cost is shared; the *owner* is the cost center of the method `owner`."""

    line: int
    pool: str
    method: str
    owner: str | None = None


@dataclass(frozen=True, kw_only=True)
class Markup:
    """What the cost of *cost_center* is multiplied by to become its charge."""

    line: int
    cost_center: str
    factor: float


@dataclass(frozen=True, kw_only=True)
class Invoice:
    """What finance has as the *total* of an invoice, in the bill's currency."""

    line: int
    billing_period: str
    invoice_id: str
    total: float


@dataclass(frozen=True, kw_only=True)
class PolicySettings:
    """What is on or off."""

    correct_hours: bool = False


@dataclass(frozen=True)
class Policy:
    """All that a policy says, in the order of its files' lines."""

    cost_centers: tuple[Rule, ...] = ()
    sole_tenancy: tuple[Rule, ...] = ()
    other_services: tuple[Rule, ...] = ()
    distribution: tuple[Distribution, ...] = ()
    markups: tuple[Markup, ...] = ()
    invoices: tuple[Invoice, ...] = ()
    settings: PolicySettings = PolicySettings()


_Row = Rule | Distribution | Markup | Invoice | PolicySettings


def policy_tables(policy: Policy) -> Mapping[Table, pa.Table]:
    """The rows that *policy* makes of each of its tables."""
    return {
        POLICY_COST_CENTERS: _rows(POLICY_COST_CENTERS, policy.cost_centers),
        POLICY_SOLE_TENANCY: _rows(POLICY_SOLE_TENANCY, policy.sole_tenancy),
        POLICY_OTHER_SERVICES: _rows(POLICY_OTHER_SERVICES, policy.other_services),
        POLICY_DISTRIBUTION: _rows(POLICY_DISTRIBUTION, policy.distribution),
        POLICY_MARKUPS: _rows(POLICY_MARKUPS, policy.markups),
        POLICY_INVOICES: _rows(POLICY_INVOICES, policy.invoices),
        POLICY_SETTINGS: _rows(POLICY_SETTINGS, (policy.settings,)),
    }


def _rows(table: Table, rows: Iterable[_Row]) -> pa.Table:
    return pa.Table.from_pylist([asdict(row) for row in rows], schema=table.schema)


def bill_tag_key(key: str) -> str:
    """A tag's key as the bill's `resource_tags` has it: `user_cost_center` of `CostCenter`, `aws_…` of `aws:…`.

    Source: https://docs.aws.amazon.com/cur/latest/userguide/cur-ate-run.html (column names)
    """
    spelt = re.sub(r"[^a-z0-9]+", "_", re.sub(r"([A-Z])", r"_\1", key).lower()).strip("_")
    return spelt if key.startswith(_TAG_OWNERS) else f"user_{spelt}"


def contradictions(policy: Policy) -> Iterator[str]:
    """What the lines of a policy, each right by itself, get wrong together: a sentence each, with file and line."""
    for file, rules in (
        ("cost_centers.csv", policy.cost_centers),
        ("sole_tenancy.csv", policy.sole_tenancy),
        ("other_services.csv", policy.other_services),
    ):
        yield from (f"{file} line {rule.line}: {reason}" for rule in rules for reason in _incomplete(rule))
        yield from (f"{file} line {sentence}" for sentence in _rivals(rules))
    yield from (f"distribution.csv line {sentence}" for sentence in _wrong_pools(policy.distribution))
    centers = ((row.line, f"the cost center {row.cost_center}") for row in policy.markups)
    yield from (f"markups.csv line {sentence}" for sentence in _doubles(centers))
    invoices = ((row.line, f"the invoice {row.invoice_id} of {row.billing_period}") for row in policy.invoices)
    yield from (f"invoices.csv line {sentence}" for sentence in _doubles(invoices))


def markups_of_nobody(policy: Policy) -> Iterator[str]:
    """A sentence for each markup of a cost center that no rule and no pool knows."""
    known = {rule.cost_center for rule in (*policy.cost_centers, *policy.sole_tenancy, *policy.other_services)}
    known |= {row.owner for row in policy.distribution if row.owner is not None}
    for row in policy.markups:
        if row.cost_center not in known:
            yield (
                f"markups.csv line {row.line}: no rule gives anything to the cost center {row.cost_center}; "
                "write it as the rules do"
            )


def _incomplete(rule: Rule) -> Iterator[str]:
    if all(getattr(rule, field.name) is None for field in fields(Rule)[3:]):
        yield "it says not what it matches; fill a column besides priority and cost_center"
    for key, value in (("label_key", "label_value"), ("tag_key", "tag_value")):
        given, lacking = (key, value) if getattr(rule, key) else (value, key)
        if getattr(rule, given) and not getattr(rule, lacking):
            yield f"{given} is filled and {lacking} is not; fill both or neither"


def _rivals(rules: Sequence[Rule]) -> Iterator[str]:
    """Each rule that meets one before it of the same priority and another cost center."""
    told: set[int] = set()
    for former, rule in combinations(rules, 2):
        if rule.line in told or former.priority != rule.priority or former.cost_center == rule.cost_center:
            continue
        if _can_meet(former, rule):
            told.add(rule.line)
            yield (
                f"{rule.line}: like line {former.line} it has priority {rule.priority}, and one cost can fit both, for "
                f"{rule.cost_center} and for {former.cost_center}; give one of them another priority"
            )


def _can_meet(one: Rule, other: Rule) -> bool:
    """Whether one cost can fit both rules."""
    return (
        _agree(one.virtual_cluster, other.virtual_cluster)
        and _agree(one.namespace, other.namespace)
        and _agree(one.node_pool, other.node_pool)
        and _agree_on_key(one.label_key, one.label_value, other.label_key, other.label_value)
        and _agree_on_key(one.tag_key, one.tag_value, other.tag_key, other.tag_value)
        and _clusters_agree(one.cluster, other.cluster)
        and _names_agree(one.workload_name, other.workload_name)
    )


def _agree(one: str | None, other: str | None) -> bool:
    return one is None or other is None or one == other


def _agree_on_key(key: str | None, value: str | None, other_key: str | None, other_value: str | None) -> bool:
    return key is None or key != other_key or value == other_value


def _clusters_agree(one: str | None, other: str | None) -> bool:
    """A name may be that of any cluster whose ARN ends in it."""
    if one is None or other is None or one.startswith("arn:") == other.startswith("arn:"):
        return _agree(one, other)
    return one.rpartition("/")[2] == other.rpartition("/")[2]


def _names_agree(one: str | None, other: str | None) -> bool:
    """Two names, each whole or the beginning of one."""
    if one is None or other is None:
        return True
    shorter, longer = sorted((one, other), key=lambda name: len(name.removesuffix(_PREFIX_MARK)))
    if shorter.endswith(_PREFIX_MARK):
        return longer.startswith(shorter.removesuffix(_PREFIX_MARK))
    return longer in (shorter, f"{shorter}{_PREFIX_MARK}")


def _wrong_pools(distribution: Iterable[Distribution]) -> Iterator[str]:
    first: dict[str, int] = {}
    for row in distribution:
        if row.pool in first:
            yield f"{row.line}: line {first[row.pool]} has the pool {row.pool} already; leave one"
        first.setdefault(row.pool, row.line)
        if row.method == "owner" and row.owner is None:
            yield f"{row.line}: the method owner needs an owner; name the cost center that bears the pool"
        if row.method != "owner" and row.owner is not None:
            yield f"{row.line}: {row.owner} stands as owner of the method {row.method}; write owner, or empty the cell"


def _doubles(named: Iterable[tuple[int, str]]) -> Iterator[str]:
    """Each line that names what a line before it has named."""
    first: dict[str, int] = {}
    for line, what in named:
        if what in first:
            yield f"{line}: line {first[what]} has {what} already; leave one"
        first.setdefault(what, line)
