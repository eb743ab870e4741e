import pytest

from pipeline.attribution import Pod, Workload, WorkloadKind, attribute
from pipeline.platform import HEADROOM, PLATFORM

PODS = {
    "CoreDNS": (Pod("kube-system", "coredns-f7-mv", "deployment", "coredns", {"k8s_app": "kube-dns"}), None),
    "GuardDuty's agent": (Pod("amazon-guardduty", "agent-1", "daemonset", "aws-guardduty-agent", {}), None),
    "a daemon set of a team": (Pod("analytics", "node-cache-x", "daemonset", "node-cache", {}), None),
    "Karpenter": (Pod("karpenter", "karpenter-86-1v", "deployment", "karpenter", {}), None),
    "Cluster Autoscaler": (
        Pod("tools", "ca-1", "deployment", "ca", {"app_kubernetes_io_name": "aws-cluster-autoscaler"}),
        None,
    ),
    "Kubecost, in a namespace of its own name": (
        Pod("finops", "kubecost-cost-analyzer-5d", "deployment", "kubecost-cost-analyzer", {}),
        None,
    ),
    "OpenCost by its label": (Pod("finops", "oc-1", "deployment", "oc", {"app_kubernetes_io_name": "opencost"}), None),
    "kube-state-metrics of a release": (
        Pod("observe", "prom-kube-state-metrics-1", "deployment", "prom-kube-state-metrics", {}),
        None,
    ),
    "the Spark Operator of a release": (
        Pod("analytics", "etl-spark-operator-1", "deployment", "etl-spark-operator-controller", {}),
        None,
    ),
    "the Flink operator": (Pod("streams", "f-1", "deployment", "flink-kubernetes-operator", {}), None),
    "YuniKorn": (Pod("batch", "yk-1", "deployment", "yunikorn-scheduler", {}), None),
    "a controller of ACK": (
        Pod("ack-system", "ack-s3-1", "deployment", "s3", {"app_kubernetes_io_name": "s3-chart"}),
        None,
    ),
    "a controller of ACK in another namespace": (
        Pod("tools", "a-1", "deployment", "ack-emrcontainers-controller-emrcontainers-chart", {}),
        None,
    ),
    "the Prometheus operator": (
        Pod("obs", "p-1", "deployment", "kps-operator", {"app_kubernetes_io_name": "prometheus-operator"}),
        None,
    ),
    "the Prometheus operator of a stack": (
        Pod("obs", "p-2", "deployment", "kps", {"app": "kube-prometheus-stack-operator"}),
        None,
    ),
    "what a priority class shows": (
        Pod("tools", "dns-1", "deployment", "dns", {"priorityClassName": "system-cluster-critical"}),
        None,
    ),
    "placeholders of the chart cluster-overprovisioner": (
        Pod(
            "kube-system",
            "warm-1",
            "deployment",
            "warm-cluster-overprovisioner-default",
            {"app_kubernetes_io_name": "cluster-overprovisioner"},
        ),
        HEADROOM,
    ),
    "placeholders in a namespace of their own": (Pod("overprovisioning", "x-1", "deployment", "x", {}), HEADROOM),
    "placeholders that only say why they are there": (
        Pod("emr-orders", "room-1", "deployment", "room", {"reason": "headroom"}),
        HEADROOM,
    ),
    "pause pods": (Pod("other", "pause-pods-1", "deployment", "pause-pods", {"run": "pause-pods"}), HEADROOM),
    "placeholders after Kubernetes' own manual": (
        Pod("default", "c-1", "deployment", "capacity-reservation", {"app_kubernetes_io_name": "capacity-placeholder"}),
        HEADROOM,
    ),
    "placeholders that a priority class shows": (
        Pod("default", "dummy-1", "deployment", "dummy-workload", {"priority_class": "overprovisioning"}),
        HEADROOM,
    ),
}


@pytest.mark.parametrize(("pod", "reason"), PODS.values(), ids=PODS)
def test_what_keeps_the_cluster_running_is_platform_and_what_keeps_it_warm_is_headroom(
    pod: Pod, reason: str | None
) -> None:
    assert attribute(pod) == Workload(WorkloadKind.PLATFORM, reason=reason)


@pytest.mark.parametrize("pod", [pod for pod, _ in PODS.values()], ids=PODS)
def test_a_label_of_spark_outweighs_every_rule_of_the_platform(pod: Pod) -> None:
    spark = Pod(
        pod.namespace, pod.name, pod.controller_kind, pod.controller_name, {**pod.labels, "spark_app_selector": "a"}
    )
    assert attribute(spark).kind is WorkloadKind.SPARK


@pytest.mark.parametrize(
    "pod",
    [
        Pod("kube-systems", "web-1", "deployment", "web", {}),
        Pod("karpenter-demo", "web-1", "deployment", "web", {}),
        Pod("hotel", "capacity-reservation-1", "deployment", "capacity-reservation", {}),
        Pod("analytics", "karpenter-1", None, None, {"app": ""}),
        Pod("analytics", "web-1", "deployment", "web", {"priority_class": "high", "app": "web"}),
        Pod("analytics", "web-1", "deployment", "back-web", {"reason": "headroom-test"}),
        Pod(None, None, None, None, {}),
    ],
    ids=lambda pod: f"{pod.namespace}/{pod.controller_name}",
)
def test_what_only_resembles_the_platform_is_not(pod: Pod) -> None:
    assert attribute(pod).kind is WorkloadKind.OTHER


def test_only_placeholders_have_a_reason_and_they_come_first() -> None:
    assert [rule.reason for rule in PLATFORM] == [HEADROOM] + [None] * (len(PLATFORM) - 1)


def test_every_rule_has_something_to_go_by() -> None:
    for rule in PLATFORM:
        assert rule.namespaces or rule.controllers or rule.controller_kinds or rule.labels, rule.serves
        assert all(keys and values for keys, values in rule.labels.items()), rule.serves
