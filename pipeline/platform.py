"""Which pods keep the cluster itself running, and which of them only hold capacity free: the rules, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache

HEADROOM = "headroom"
"""Why a placeholder ran: to keep nodes warm for pods that come later."""

_PRIORITY_CLASS = ("priority_class", "priority_class_name", "priorityclass", "priorityClassName")
_APP = ("app_kubernetes_io_name", "k8s_app", "app", "run")


@dataclass(frozen=True)
class PlatformRule:
    """One row of the table: a pod of which any of these facts holds serves the platform.

    *namespaces*, *controllers* and the values of *labels* are shell patterns; label keys are sanitised.
    """

    serves: str
    reason: str | None = None
    namespaces: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    controller_kinds: tuple[str, ...] = ()
    labels: Mapping[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)

    def holds(
        self, namespace: str | None, controller_kind: str | None, controller: str | None, labels: Mapping[str, str]
    ) -> bool:
        """Whether any fact of this row holds for such a pod."""
        return (
            _like(namespace, self.namespaces)
            or controller_kind in self.controller_kinds
            or _like(controller, self.controllers)
            or any(_like(labels.get(key), values) for keys, values in self.labels.items() for key in keys)
        )


PLATFORM = (
    PlatformRule(
        "placeholders that are evicted when a pod needs their room",
        reason=HEADROOM,
        namespaces=("*overprovision*",),
        controllers=("*overprovision*", "*headroom*", "pause-pods"),
        labels={
            ("reason",): (HEADROOM,),
            _APP: ("*overprovision*", "capacity-placeholder", "pause-pods"),
            _PRIORITY_CLASS: ("*overprovision*", "*headroom*", "*placeholder*", "pause-pods"),
        },
    ),
    PlatformRule(
        "Kubernetes and EKS",
        namespaces=("kube-system", "kube-public", "kube-node-lease", "amazon-guardduty"),
        controller_kinds=("daemonset",),
        labels={
            _APP: ("aws-load-balancer-controller", "coredns", "kube-dns", "metrics-server", "pod-identity-webhook"),
            _PRIORITY_CLASS: ("system-cluster-critical", "system-node-critical"),
        },
    ),
    PlatformRule(
        "scaling",
        namespaces=("karpenter", "keda"),
        controllers=("cluster-autoscaler*", "karpenter*", "keda-*"),
        labels={_APP: ("cluster-autoscaler", "aws-cluster-autoscaler", "karpenter", "keda-*")},
    ),
    PlatformRule(
        "operators and schedulers of Spark and Flink",
        namespaces=("spark-operator", "flink-operator", "kueue-system", "volcano-system", "yunikorn"),
        controllers=("*spark-operator*", "*flink-kubernetes-operator*", "kueue-controller-manager", "yunikorn-*"),
        labels={_APP: ("spark-operator", "flink-kubernetes-operator", "kueue", "yunikorn")},
    ),
    PlatformRule(
        "AWS resources made from Kubernetes: the controllers of ACK",
        namespaces=("ack-system",),
        controllers=("ack-*-controller*",),
    ),
    PlatformRule(
        "cost and monitoring",
        namespaces=("amazon-cloudwatch", "aws-observability", "kubecost", "monitoring", "opencost", "prometheus"),
        controllers=("kubecost-*", "opencost*", "*kube-state-metrics", "*prometheus-operator*"),
        labels={
            _APP: (
                "cost-analyzer",
                "kube-prometheus-stack-operator",
                "kube-state-metrics",
                "kubecost",
                "opencost",
                "prometheus-operator",
            )
        },
    ),
    PlatformRule(
        "certificates, DNS, ingress, secrets, policies, drivers and backup",
        namespaces=(
            "cert-manager",
            "external-dns",
            "external-secrets",
            "gatekeeper-system",
            "gpu-operator",
            "ingress-nginx",
            "kyverno",
            "velero",
        ),
        labels={_APP: ("cert-manager", "external-dns", "external-secrets", "gpu-operator", "ingress-nginx", "velero")},
    ),
)
"""Read from the top: the first row that holds says why the pod ran."""


@lru_cache(maxsize=8192)  # a window has many pods and few names
def _like(text: str | None, patterns: tuple[str, ...]) -> bool:
    return bool(text) and any(fnmatchcase(text or "", pattern) for pattern in patterns)
