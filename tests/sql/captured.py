"""Captured hours as tables of the lake, beside the bill of what truly ran in them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pipeline.kubecost import Kubecost
from pipeline.models import Cluster
from pipeline.rows import window_rows
from pipeline.tables import LAKE_TABLES, PARTITION_KEY
from pipeline.window import Window, parse_instant
from tests.captures import Answering, opencost, serving, truth
from tests.conftest import CLUSTER_ARN
from tests.sql.warehouse import Rows

_CLUSTER = Cluster.from_arn(CLUSTER_ARN)
_COLLECTED_AT = datetime(2026, 11, 21, tzinfo=UTC)
_GIB = 1 << 30
_VCPU_RATE, _GB_RATE = 0.01012, 0.00111125  # USD, us-east-1
_ARN = f"arn:aws:emr-containers:{_CLUSTER.region}:{_CLUSTER.account_id}:"


@dataclass(frozen=True)
class Held:
    """What one workload truly held of one node in one hour: its pods' requests by the second, vCPU- and GiB-hours."""

    hour: datetime
    resource: str
    """The workload's ARN behind the account."""
    instance: str
    vcpu_hours: float
    gib_hours: float

    @property
    def workload_id(self) -> str:
        """Job run, endpoint or internal ID."""
        return self.resource.rsplit("/", 1)[1]


def hour_of(hour: str) -> Window:
    """The captured hour called *hour*, such as 19T10."""
    return Window.hour(parse_instant(f"2026-11-{hour}Z"))


def lake(server: str, *hours: str, answering: Answering | None = None) -> dict[str, Rows]:
    """The rows that *server*'s answers of *hours* become, by table; *answering* in place of its captures."""
    rows: dict[str, list[dict[str, Any]]] = {table.name: [] for table in LAKE_TABLES}
    with serving(answering or opencost(server)) as upstream:
        for window in map(hour_of, hours):
            answer = Kubecost(upstream.url).window(window)
            for table, found in window_rows(answer, _CLUSTER, (), _COLLECTED_AT).tables.items():
                rows[table.name] += [_row(row, window) for row in found.to_pylist()]
    return {name: tuple(found) for name, found in rows.items()}


def held(*hours: str) -> tuple[Held, ...]:
    """What every workload on the EMR runtime truly held in *hours*, a row per node."""
    return tuple(
        Held(
            window.start,
            resource,
            pod["provider_id"].rsplit("/", 1)[-1],
            share * sum(container["cpu_request"] or 0 for container in _running(pod)),
            share * sum(container["mem_request"] or 0 for container in _running(pod)) / _GIB,
        )
        for window in map(hour_of, hours)
        for pod in truth()["pods"]
        if (resource := _resource(pod["workload"])) and (share := _share(pod, window)) > 0
    )


def bill(holdings: Iterable[Held]) -> Rows:
    """The lines of a Cost and Usage Report 2.0 that charge the uplift of *holdings*, two per workload and hour."""
    vcpu_hours: dict[tuple[datetime, str], float] = {}
    gb_hours: dict[tuple[datetime, str], float] = {}
    for one in holdings:
        key = one.hour, one.resource
        vcpu_hours[key] = vcpu_hours.get(key, 0) + one.vcpu_hours
        gb_hours[key] = gb_hours.get(key, 0) + one.gib_hours
    metered = (("vCPUHours", vcpu_hours, _VCPU_RATE), ("GBHours", gb_hours, _GB_RATE))
    return tuple(_line(*key, meter, hours[key], rate) for meter, hours, rate in metered for key in hours)


def capacity(*hours: str) -> dict[tuple[datetime, str], float]:
    """The vCPU-hours that each node truly had in each of *hours*, as a bill's instance-hours have them."""
    return {
        (window.start, node["provider_id"].rsplit("/", 1)[-1]): _share(node, window) * node["cpu"]
        for window in map(hour_of, hours)
        for node in truth()["nodes"]
        if _share(node, window) > 0
    }


def _resource(workload: dict[str, Any]) -> str | None:
    """Billed under the job run's ARN, the endpoint's, else under the runtime's own ID; None without that runtime."""
    of_cluster = f"/virtualclusters/{workload.get('virtual_cluster_id')}"
    if workload["kind"] == "job_run":
        return f"{of_cluster}/jobruns/{workload['job_run_id']}"
    if workload["kind"] == "interactive_endpoint":
        return f"{of_cluster}/endpoints/{_endpoint()}"
    internal = workload.get("emr_internal_id")
    return f"/{'flink' if workload['kind'] == 'flink' else 'spark'}runs/{internal}" if internal else None


def _endpoint() -> str:
    """The estate has one; only its gateway's truth says which."""
    (found,) = {pod["workload"]["endpoint"] for pod in truth()["pods"] if pod["workload"].get("endpoint")}
    return str(found)


def _running(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (container for container in pod["containers"] if not container["init"])


def _share(thing: dict[str, Any], window: Window) -> float:
    """The part of *window* in which a pod or a node ran."""
    start, end = (parse_instant(thing[bound]) for bound in ("start", "end"))
    return (min(end, window.end) - max(start, window.start)) / window.length


def _row(row: dict[str, Any], window: Window) -> dict[str, Any]:
    labels = {"labels": dict(row["labels"])} if row.get("labels") is not None else {}
    return {**row, **labels, PARTITION_KEY: window.start.date()}


def _line(hour: datetime, resource: str, meter: str, amount: float, rate: float) -> dict[str, Any]:
    window = Window.hour(hour)
    return {
        "billing_period": "2026-11",
        "bill_payer_account_id": "999988887777",
        "line_item_usage_account_id": _CLUSTER.account_id,
        "line_item_line_item_type": "Usage",
        "line_item_product_code": "ElasticMapReduce",
        "line_item_usage_type": f"EMR-EKS-EC2-{meter}",
        "line_item_resource_id": _ARN + resource,
        "line_item_usage_start_date": window.start.replace(tzinfo=None),
        "line_item_usage_end_date": window.end.replace(tzinfo=None),
        "line_item_usage_amount": amount,
        "line_item_unblended_cost": amount * rate,
        "line_item_currency_code": "USD",
    }
