"""What runs all day beside the jobs: daemon sets, the platform's controllers, a web shop and a notebook."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.demo.estate.cluster import (
    Container,
    Controller,
    Demand,
    Node,
    Pod,
    Pool,
    Span,
    Traffic,
    Workload,
    WorkloadKind,
)
from pipeline.demo.estate.identifiers import base36, between, hexadecimal, uuid
from pipeline.demo.estate.nodes import CORE, GENERAL_PURPOSE

_MIB = float(1 << 20)
_CHATTER = Traffic(sent=60_000, received=90_000)


@dataclass(frozen=True)
class Part:
    """A container of a service: cores and MiB that it requests (0 for none) and what it uses of them."""

    name: str
    cpu: float
    mib: float
    cpu_usage: float
    mib_usage: float

    def container(self, key: str) -> Container:
        """The container in the pod *key*, a little different in each."""
        cpu = round(self.cpu_usage * between(0.7, 1.3, self.name, "cpu", key), 5)
        ram = round(self.mib_usage * _MIB * between(0.85, 1.1, self.name, "ram", key))
        return Container(self.name, Demand(self.cpu, cpu), Demand(self.mib * _MIB, ram))


@dataclass(frozen=True)
class Deployment:
    """A Deployment, or a StatefulSet of one pod, and the labels that its chart gives it."""

    name: str
    namespace: str
    parts: tuple[Part, ...]
    replicas: int = 1
    kind: str = "deployment"
    pool: Pool = CORE
    services: tuple[str, ...] = ()
    claims: tuple[str, ...] = ()
    traffic: Traffic = _CHATTER
    workload: WorkloadKind = "platform"

    def pods(self, life: Span) -> Iterable[Pod]:
        """Its pods, all of them for the whole of *life*."""
        template = hexadecimal(10, "template", self.namespace, self.name)
        for replica in range(self.replicas):
            stateful = self.kind == "statefulset"
            suffix = str(replica) if stateful else f"{template}-{base36(5, self.namespace, self.name, replica)}"
            yield self._pod(f"{self.name}-{suffix}", life, {} if stateful else {"pod-template-hash": template})

    def _pod(self, name: str, life: Span, own_labels: dict[str, str]) -> Pod:
        uid = uuid("pod", self.namespace, name, life.start.isoformat())
        return Pod(
            namespace=self.namespace,
            name=name,
            uid=uid,
            life=life,
            pool=self.pool,
            labels={"app.kubernetes.io/name": self.name, "app.kubernetes.io/instance": self.name, **own_labels},
            containers=tuple(part.container(uid) for part in self.parts),
            workload=Workload(self.workload),
            controller=Controller(self.kind, self.name),
            services=self.services,
            claims=self.claims,
            traffic=self.traffic,
        )


_DAEMON_SETS = {
    ("kube-system", "aws-node"): (
        Part("aws-node", 0.025, 0, 0.045, 60),
        Part("aws-eks-nodeagent", 0, 0, 0.008, 25),
    ),
    ("kube-system", "kube-proxy"): (Part("kube-proxy", 0, 0, 0.012, 35),),
    ("kube-system", "ebs-csi-node"): (
        Part("ebs-plugin", 0.01, 24, 0.017, 36),
        Part("node-driver-registrar", 0, 0, 0.003, 12),
        Part("liveness-probe", 0, 0, 0.004, 11),
    ),
    ("kubecost", "kubecost-network-costs"): (Part("kubecost-network-costs", 0.02, 20, 0.034, 31),),
}
_IN_AUTO_MODE = frozenset({("kubecost", "kubecost-network-costs")})
"""EKS Auto Mode runs networking and storage as processes of its nodes, not as pods."""

PLATFORM = (
    Deployment("coredns", "kube-system", (Part("coredns", 0.02, 70, 0.031, 94),), 2, services=("kube-dns",)),
    Deployment(
        "ebs-csi-controller",
        "kube-system",
        (
            Part("ebs-plugin", 0.01, 40, 0.017, 58),
            Part("csi-provisioner", 0, 0, 0.004, 38),
            Part("csi-attacher", 0, 0, 0.003, 36),
        ),
        2,
    ),
    Deployment("metrics-server", "kube-system", (Part("metrics-server", 0.02, 64, 0.036, 88),), 2),
    Deployment("aws-load-balancer-controller", "kube-system", (Part("controller", 0.02, 64, 0.033, 90),), 2),
    Deployment("karpenter", "karpenter", (Part("controller", 0.25, 512, 0.38, 720),), 2),
    Deployment(
        "kubecost-cost-analyzer",
        "kubecost",
        (
            Part("cost-model", 0.2, 512, 0.31, 900),
            Part("aggregator", 0.2, 1024, 0.34, 1500),
            Part("cost-analyzer-frontend", 0, 0, 0.004, 16),
        ),
        services=("kubecost-cost-analyzer",),
        claims=("kubecost-cost-analyzer",),
    ),
    Deployment(
        "kubecost-prometheus-server",
        "kubecost",
        (Part("prometheus-server", 0.25, 1024, 0.42, 1900), Part("configmap-reload", 0, 0, 0.0003, 9)),
        services=("kubecost-prometheus-server",),
        claims=("kubecost-prometheus-server",),
    ),
    Deployment("spark-operator-controller", "spark-operator", (Part("controller", 0.05, 150, 0.08, 240),)),
    Deployment("spark-operator-webhook", "spark-operator", (Part("webhook", 0, 0, 0.014, 60),)),
)

STOREFRONT = Deployment(
    "storefront",
    "web",
    (Part("nginx", 0.1, 128, 0.14, 190),),
    replicas=2,
    services=("storefront",),
    traffic=Traffic(sent=4_800_000, received=2_100_000, cross_zone=260_000, internet=870_000),
    workload="other",
)
NOTEBOOK = Deployment(
    "jupyter-lena",
    "notebooks",
    (Part("notebook", 1, 4096, 0.35, 2900),),
    kind="statefulset",
    pool=GENERAL_PURPOSE,
    services=("jupyter-lena",),
    claims=("jupyter-lena-home",),
    traffic=Traffic(sent=350_000, received=1_400_000, cross_region=90_000),
    workload="other",
)


def daemon_pods(node: Node) -> Iterable[Pod]:
    """The daemon sets' pods on *node*, for as long as it lives; Fargate has none."""
    if node.pool.provisioner == "fargate":
        return
    for (namespace, name), parts in _DAEMON_SETS.items():
        if node.pool.provisioner != "auto_mode" or (namespace, name) in _IN_AUTO_MODE:
            yield _daemon_pod(namespace, name, parts, node)


def debug_pod(life: Span) -> Pod:
    """A pod that somebody ran by hand: no labels, no controller, no requests."""
    uid = uuid("pod", "debug-shell")
    shell = Part("debug-shell", 0, 0, 0.03, 48)
    return Pod("web", "debug-shell", uid, life, CORE, {}, (shell.container(uid),), Workload("other"))


def _daemon_pod(namespace: str, name: str, parts: tuple[Part, ...], node: Node) -> Pod:
    pod = f"{name}-{base36(5, name, node.provider_id)}"
    uid = uuid("pod", namespace, pod)
    return Pod(
        namespace=namespace,
        name=pod,
        uid=uid,
        life=node.life,
        pool=node.pool,
        labels={
            "app.kubernetes.io/name": name,
            "controller-revision-hash": hexadecimal(10, "revision", name),
            "pod-template-generation": "1",
        },
        containers=tuple(part.container(uid) for part in parts),
        workload=Workload("platform"),
        controller=Controller("daemonset", name),
        traffic=Traffic(sent=15_000, received=24_000),
    )
