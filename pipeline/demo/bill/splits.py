"""Split cost allocation data: what AWS says that each pod cost on its instance, in rows that bill nothing.

Source: https://docs.aws.amazon.com/cur/latest/userguide/example-split-cost-allocation-data.html
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.demo.bill.compute import EKS, pod_arn
from pipeline.demo.bill.lines import LineItem
from pipeline.demo.bill.sharing import PodHour, pod_hours, ratios, resource_parts, size
from pipeline.demo.estate.cluster import Placement, Span
from pipeline.demo.estate.estate import Estate
from pipeline.window import Window

_METERS = ("vCPU-Hours", "GB-Hours", "Accelerator-Hours")


@dataclass(frozen=True)
class InstanceCost:
    """What an instance cost in an hour, USD: amortized, net of discounts, and at list prices."""

    amortized: float
    net: float
    listed: float


@dataclass(frozen=True)
class SplitTerms:
    """What a pod had of one resource of its instance: hours times units; *split* and *unused* are parts of its cost."""

    instance_id: str
    cost: InstanceCost
    requested: float
    used: float
    taken: float
    ratio: float
    split: float
    unused: float

    def amortized_cost(self) -> float:
        """Nothing: the instance's own lines have the cost."""
        return 0

    def columns(self, kept: float) -> dict[str, object]:  # noqa: ARG002  the instance's cost is known net
        """Usage, and the pod's part of the instance's cost on every basis."""
        cost = self.cost
        return {
            "split_line_item_actual_usage": self.used,
            "split_line_item_net_split_cost": self.split * cost.net,
            "split_line_item_net_unused_cost": self.unused * cost.net,
            "split_line_item_parent_resource_id": self.instance_id,
            "split_line_item_public_on_demand_split_cost": self.split * cost.listed,
            "split_line_item_public_on_demand_unused_cost": self.unused * cost.listed,
            "split_line_item_reserved_usage": self.requested,
            "split_line_item_split_cost": self.split * cost.amortized,
            "split_line_item_split_usage": self.taken,
            "split_line_item_split_usage_ratio": self.ratio,
            "split_line_item_unused_cost": self.unused * cost.amortized,
        }


def split_lines(estate: Estate, charges: Sequence[LineItem]) -> Iterator[LineItem]:
    """Two rows for each pod and hour on an instance, three where the pod has GPUs; *charges* are the bill's lines."""
    costs = _instance_costs(charges)
    for window in estate.windows():
        pods: dict[str, list[PodHour]] = defaultdict(list)
        for pod in pod_hours(estate, window):
            pods[pod.placement.node.provider_id].append(pod)
        for instance, of_instance in pods.items():
            if cost := costs.get((instance, window.start)):
                yield from _split_instance(estate, window, of_instance, cost)


def _instance_costs(charges: Sequence[LineItem]) -> dict[tuple[str, datetime], InstanceCost]:
    """By instance and hour; Fargate's machines are no instances."""
    lines: dict[tuple[str, datetime], list[LineItem]] = defaultdict(list)
    for line in charges:
        if line.line_class == "compute" and line.resource_id:
            lines[line.resource_id, line.span.start].append(line)
    return {
        key: InstanceCost(
            amortized=sum(line.amortized_cost for line in of),
            net=sum(line.net_amortized_cost for line in of),
            listed=sum(line.list_cost for line in of),
        )
        for key, of in lines.items()
    }


def _split_instance(estate: Estate, window: Window, pods: Sequence[PodHour], cost: InstanceCost) -> Iterator[LineItem]:
    """What nobody took of a resource is spread over the pods by what they took of it."""
    node = pods[0].placement.node
    life = node.life.within(window)
    whole = size(node, life.hours if life else 0, "advertised")
    for meter, part in enumerate(resource_parts(whole)):
        having = [pod for pod in pods if pod.taken[meter]]
        found = ratios([pod.taken[meter] for pod in having], whole[meter])
        unused = part * (1 / sum(found) - 1) if part else 0  # without a pod to have it, this fails loudly
        for pod, ratio in zip(having, found, strict=True):
            terms = SplitTerms(
                instance_id=node.provider_id,
                cost=cost,
                requested=pod.requested[meter],
                used=pod.used[meter],
                taken=pod.taken[meter],
                ratio=ratio,
                split=part * ratio,
                unused=unused * ratio,
            )
            yield _line(estate, Span(window.start, window.end), pod.placement, _METERS[meter], terms)


def _line(estate: Estate, hour: Span, of: Placement, meter: str, terms: SplitTerms) -> LineItem:
    return LineItem(
        span=hour,
        product=EKS,
        usage_type=f"USE1-EKS-EC2-{meter}",
        operation="EKSPod-EC2",
        amount=terms.taken,
        rate=0.0,
        unit=meter,
        description="",
        line_class="split_cost",
        in_scope=False,
        resource_id=pod_arn(estate, of.pod),
        tags=_tags(estate, of),
        terms=terms,
    )


def _tags(estate: Estate, of: Placement) -> dict[str, str]:
    """The tags that AWS itself puts on these rows."""
    by = of.pod.controller
    workload = {"aws_eks_workload_name": by.name, "aws_eks_workload_type": by.kind} if by else {}
    return {
        "aws_eks_cluster_name": estate.name,
        "aws_eks_namespace": of.pod.namespace,
        "aws_eks_node": of.node.name,
        **workload,
    }
