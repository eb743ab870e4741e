"""A window of the estate as Kubecost's assets: nodes, disks, load balancers and the control plane."""

from collections.abc import Iterator
from dataclasses import dataclass

from msgspec import UNSET

from pipeline.demo.estate.cluster import GIB, LoadBalancer, Node, Span, Volume
from pipeline.demo.estate.estate import Estate
from pipeline.demo.estate.nodes import ROOT_DISK_GIB
from pipeline.demo.estate.prices import (
    EKS_CLUSTER_HOUR,
    GP3_GB_MONTH,
    KUBECOST_HOURS_IN_MONTH,
    KUBECOST_LOCAL_DISK_GIB_MONTH,
    LOAD_BALANCER_HOUR,
)
from pipeline.demo.kubecost.allocations import sanitised, time_span
from pipeline.demo.kubecost.shapes import Asset, ClusterManagement, Disk, Properties
from pipeline.demo.kubecost.shapes import LoadBalancer as LoadBalancerAsset
from pipeline.demo.kubecost.shapes import Node as NodeAsset
from pipeline.window import Window

_UNDEFINED = "__undefined__"


def assets(estate: Estate, window: Window) -> dict[str, Asset]:
    """Make the assets of one *window*; empty where nothing is known of it."""
    return {_key(asset): asset for asset in _Assets(estate, window).all()}


def six(value: float) -> float:
    """Round to six decimals, as Kubecost prints assets."""
    return round(value, 6)


def _key(asset: Asset) -> str:
    """Provider, account, project, category, cluster, type, service, provider ID, name; the account is not set."""
    of = asset.properties
    parts = (of.provider, "", "", of.category, of.cluster, asset.type, of.service, of.provider_id, of.name)
    return "/".join(part or _UNDEFINED for part in parts)


@dataclass(frozen=True)
class _Assets:
    estate: Estate
    window: Window

    def all(self) -> Iterator[Asset]:
        """Every asset that was there in the window."""
        for node in self.estate.nodes:
            if span := node.life.within(self.window):
                yield self._node(node, span)
                yield self._root_disk(node, span)
        for volume in self.estate.volumes:
            if span := volume.life.within(self.window):
                yield self._disk(volume, span)
        for balancer in self.estate.load_balancers:
            if span := balancer.life.within(self.window):
                yield self._load_balancer(balancer, span)
        if span := self.estate.history.within(self.window):
            yield self._management(span)

    def _properties(self, category: str, name: str = "", provider_id: str = "") -> Properties:
        return Properties(
            category=category,
            provider="AWS",
            service="Kubernetes",
            cluster=self.estate.name,
            name=name,
            provider_id=provider_id,
        )

    def _node(self, node: Node, span: Span) -> NodeAsset:
        """A node; on AWS the price list knows no Fargate, so its type stays empty."""
        times, hours, size = time_span(span), span.hours, node.capacity
        of_group = node.pool.provisioner == "managed_node_group"
        return NodeAsset(
            type="Node",
            properties=self._properties("Compute", node.name, node.provider_id),
            labels=sanitised(node.labels),
            window=time_span(self.window),
            start=times.start,
            end=times.end,
            minutes=six(span.minutes),
            node_type=node.pool.instance_type.name if node.pool.instance_type else "",
            pool=node.pool.name if of_group else UNSET,
            cpu_cores=float(size.cpu),
            ram_bytes=float(size.ram),
            cpu_core_hours=six(size.cpu * hours),
            ram_byte_hours=six(size.ram * hours),
            gpu_hours=six(size.gpu * hours),
            preemptible=1.0 if node.pool.capacity_type == "spot" else 0.0,
            cpu_cost=six(size.cpu * hours * node.prices.cpu),
            gpu_cost=six(size.gpu * hours * node.prices.gpu),
            gpu_count=float(size.gpu),
            ram_cost=six(size.ram / GIB * hours * node.prices.ram_gib),
            total_cost=six(node.hourly_cost * hours),
        )

    def _root_disk(self, node: Node, span: Span) -> Disk:
        price = KUBECOST_LOCAL_DISK_GIB_MONTH / KUBECOST_HOURS_IN_MONTH
        times = time_span(span)
        return Disk(
            type="Disk",
            properties=self._properties("Storage", node.name, node.provider_id),
            labels={},
            window=time_span(self.window),
            start=times.start,
            end=times.end,
            minutes=six(span.minutes),
            byte_hours=six(ROOT_DISK_GIB * GIB * span.hours),
            bytes=ROOT_DISK_GIB * GIB,
            storage_class="__local__",
            volume_name="",
            claim_name="",
            claim_namespace="",
            total_cost=six(ROOT_DISK_GIB * span.hours * price),
        )

    def _disk(self, volume: Volume, span: Span) -> Disk:
        price = GP3_GB_MONTH / KUBECOST_HOURS_IN_MONTH
        times = time_span(span)
        return Disk(
            type="Disk",
            properties=self._properties("Storage", volume.name, volume.volume_id),
            labels={},
            window=time_span(self.window),
            start=times.start,
            end=times.end,
            minutes=six(span.minutes),
            byte_hours=six(volume.gib * GIB * span.hours),
            bytes=volume.gib * GIB,
            storage_class="gp3",
            volume_name=volume.name,
            claim_name=volume.claim or "",
            claim_namespace=volume.namespace or "",
            total_cost=six(volume.gib * span.hours * price),
        )

    def _load_balancer(self, balancer: LoadBalancer, span: Span) -> LoadBalancerAsset:
        """Kubecost takes the text before the first dash for the ID: `k8s` for all that the controller makes."""
        times = time_span(span)
        return LoadBalancerAsset(
            type="LoadBalancer",
            properties=self._properties("Network", f"{balancer.namespace}/{balancer.service}", "k8s"),
            labels={},
            window=time_span(self.window),
            start=times.start,
            end=times.end,
            minutes=six(span.minutes),
            private=False,
            ip=balancer.dns_name,
            total_cost=six(span.hours * LOAD_BALANCER_HOUR),
        )

    def _management(self, span: Span) -> ClusterManagement:
        times = time_span(span)
        return ClusterManagement(
            type="ClusterManagement",
            properties=self._properties("Management"),
            labels={},
            window=time_span(self.window),
            start=times.start,
            end=times.end,
            minutes=six(span.minutes),
            total_cost=six(span.hours * EKS_CLUSTER_HOUR),
        )
