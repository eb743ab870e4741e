"""A Kubecost for benchmarks: a process that serves one invented hour of N containers as any hour."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from time import sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
import msgspec

from pipeline.window import HOUR, parse_instant

CLUSTER = "benchmark"
CONTAINERS_PER_NODE = 12
EXECUTORS_PER_JOB = 20

_HOUR, _NEXT_HOUR = b"2000-01-01T00", b"2000-01-01T01"  # stand in the prepared answers where the asked hour goes
_WINDOW = {"start": "2000-01-01T00:00:00Z", "end": "2000-01-01T01:00:00Z"}
_VOLUME_EVERY = 10, 3  # of ten executors, three mount a volume of their own
_GIB = 1 << 30
_PART = 1 << 20


@dataclass(frozen=True)
class Container:
    """One row of the invented hour: a container and the labels that its own pod brings."""

    node: int
    namespace: str
    pod: str
    container: str
    labels: dict[str, str]
    controller: tuple[str, str] | None = None
    volume: str | None = None


def containers(count: int, *, volumes: bool) -> Iterator[Container]:
    """Yield *count* containers: on every node two daemon sets, then jobs of a driver, its sidecar and executors."""
    pods = _job_containers(volumes=volumes)
    for number in range(count):
        node, seat = divmod(number, CONTAINERS_PER_NODE)
        yield _daemon(node, seat) if seat < len(_DAEMONS) else _seated(next(pods), node)


def allocation_row(of: Container, random: Random) -> dict[str, Any]:
    """One row as Kubecost prints it, with every field that it has; money in USD."""
    minutes = random.choice((60, 60, 60, 5, 15, 35))
    cores, used, gib = random.choice((0.1, 1, 2, 4)), random.random(), random.choice((0.25, 4, 7, 14))
    hours = minutes / 60
    costs = {"cpu": cores * hours * 0.0252, "ram": gib * hours * 0.0034, "network": random.random() / 1000}
    volume = _volume(of.volume, hours) if of.volume else None
    costs["pv"] = next(iter(volume.values()))["cost"] if volume else 0
    return {
        "name": f"{CLUSTER}/{_node_name(of.node)}/{of.namespace}/{of.pod}/{of.container}",
        "properties": _properties(of),
        "window": _WINDOW,
        "start": "2000-01-01T00:00:00Z",
        "end": f"2000-01-01T00:{minutes:02}:00Z" if minutes < 60 else _WINDOW["end"],
        "minutes": minutes,
        **_cpu_figures(cores, used, hours),
        **dict.fromkeys(("gpuCount", "gpuHours", "gpuCost", "gpuCostAdjustment", "gpuCostIdle", "gpuEfficiency"), 0),
        **_network_figures(random, costs["network"]),
        "pvBytes": 100 * _GIB if volume else 0,
        "pvByteHours": 100 * _GIB * hours if volume else 0,
        "pvCost": round(costs["pv"], 5),
        "pvs": volume,
        "pvCostAdjustment": 0,
        **_ram_figures(gib, random.random(), hours),
        "externalCost": 0,
        "sharedCost": 0,
        "totalCost": round(sum(costs.values()), 5),
        "totalEfficiency": round(random.random(), 5),
        "rawAllocationOnly": {"cpuCoreUsageMax": cores * random.random(), "ramByteUsageMax": int(gib * _GIB * used)},
        "lbAllocations": None,
        "gpuAllocation": None,
    }


def node_asset(number: int) -> dict[str, Any]:
    """One node as Kubecost prints it: sixteen vCPUs that ran through the hour."""
    usual = {"idle": 1, "other": 0, "system": 0, "user": 0}
    return {
        "type": "Node",
        "properties": {
            "category": "Compute",
            "provider": "AWS",
            "service": "Kubernetes",
            "cluster": CLUSTER,
            "name": _node_name(number),
            "providerID": _instance(number),
        },
        "labels": _node_labels(number),
        "window": _WINDOW,
        **_WINDOW,
        "minutes": 60.0,
        "nodeType": "m6i.4xlarge",
        "pool": "spark-exec",
        "cpuCores": 16.0,
        "ramBytes": 64.0 * _GIB,
        "cpuCoreHours": 16.0,
        "ramByteHours": 64.0 * _GIB,
        "GPUHours": 0.0,
        "cpuBreakdown": usual,
        "ramBreakdown": usual,
        "preemptible": 1.0 if _is_spot(number) else 0.0,
        "discount": 0.0,
        "cpuCost": 0.504,
        "gpuCost": 0.0,
        "gpuCount": 0.0,
        "ramCost": 0.264,
        "adjustment": 0.0,
        "totalCost": 0.768,
    }


_DAEMONS = (("aws-node", "aws-node"), ("kube-proxy", "kube-proxy"))


def _daemon(node: int, seat: int) -> Container:
    name, container = _DAEMONS[seat]
    labels = {"app_kubernetes_io_name": name, "k8s_app": name, "controller_revision_hash": "6c8b9f7d54"}
    return Container(node, "kube-system", f"{name}-{node:06x}", container, labels, ("daemonset", name))


def _job_containers(*, volumes: bool) -> Iterator[Container]:
    job = 0
    while True:
        run = f"0000000{job:06d}a{job % 1000:03d}qx"[:19]
        app = f"features-v{job % 7}-{job:08x}"
        driver = {**_job_labels(job, run), "spark_role": "driver", "emr_containers_amazonaws_com_component": "driver"}
        for container in ("spark-kubernetes-driver", "emr-container-fluentd"):
            yield Container(0, f"emr-team-{job % 9}", f"{app}-driver", container, driver)
        for number in range(1, EXECUTORS_PER_JOB + 1):
            yield _executor(job, run, f"{app}-exec-{number}", number, volumes=volumes)
        job += 1


def _executor(job: int, run: str, pod: str, number: int, *, volumes: bool) -> Container:
    labels = {
        **_job_labels(job, run),
        "emr_containers_amazonaws_com_component": "executor",
        "spark_role": "executor",
        "spark_exec_id": str(number),
        "spark_exec_resourceprofile_id": "0",
    }
    every, of_them = _VOLUME_EVERY
    volume = f"pvc-{job:08x}-{number:04x}" if volumes and number % every < of_them else None
    return Container(0, f"emr-team-{job % 9}", pod, "spark-kubernetes-executor", labels, None, volume)


def _seated(container: Container, node: int) -> Container:
    return Container(
        node, container.namespace, container.pod, container.container, container.labels, None, container.volume
    )


def _job_labels(job: int, run: str) -> dict[str, str]:
    return {
        "eks_subscription_amazonaws_com_emr_internal_id": run,
        "emr_containers_amazonaws_com_job_id": run,
        "emr_containers_amazonaws_com_resource_type": "job.run",
        "emr_containers_amazonaws_com_virtual_cluster_id": f"{job % 9}9y8x7w6v5u4t3s2r1q0p9o8n",
        "kubernetes_io_metadata_name": f"emr-team-{job % 9}",
        "spark_app_name": f"features-v{job % 7}",
        "spark_app_selector": f"spark-{run}",
        "spark_version": "3.5.1-amzn-1",
        "team": f"team-{job % 9}",
    }


def _node_name(number: int) -> str:
    return f"ip-10-{number >> 16}-{number >> 8 & 255}-{number & 255}.ec2.internal"


def _instance(number: int) -> str:
    return f"i-0{number:016x}"


def _is_spot(number: int) -> bool:
    return number % 3 > 0


def _node_labels(number: int) -> dict[str, str]:
    zone = f"us-east-1{'abc'[number % 3]}"
    return {
        "beta_kubernetes_io_arch": "amd64",
        "beta_kubernetes_io_instance_type": "m6i.4xlarge",
        "beta_kubernetes_io_os": "linux",
        "k8s_io_cloud_provider_aws": "5a1c0d9e3b7f4a2d8c6e1f0b9a8d7c6e",
        "karpenter_k8s_aws_instance_cpu": "16",
        "karpenter_k8s_aws_instance_family": "m6i",
        "karpenter_sh_capacity_type": "spot" if _is_spot(number) else "on-demand",
        "karpenter_sh_initialized": "true",
        "karpenter_sh_nodepool": "spark-exec",
        "karpenter_sh_registered": "true",
        "kubernetes_io_arch": "amd64",
        "kubernetes_io_hostname": _node_name(number),
        "kubernetes_io_os": "linux",
        "node_kubernetes_io_instance_type": "m6i.4xlarge",
        "topology_ebs_csi_aws_com_zone": zone,
        "topology_kubernetes_io_region": "us-east-1",
        "topology_kubernetes_io_zone": zone,
    }


def _properties(of: Container) -> dict[str, Any]:
    kind, controller = of.controller or (None, None)
    named = {"controller": controller, "controllerKind": kind} if of.controller else {}
    return {
        "cluster": CLUSTER,
        "node": _node_name(of.node),
        "container": of.container,
        **named,
        "namespace": of.namespace,
        "pod": of.pod,
        "providerID": _instance(of.node),
        "labels": dict(sorted({**_node_labels(of.node), **of.labels}.items())),
        "namespaceLabels": {"kubernetes_io_metadata_name": of.namespace},
    }


def _cpu_figures(cores: float, used: float, hours: float) -> dict[str, float]:
    return {
        "cpuCores": cores,
        "cpuCoreRequestAverage": cores,
        "cpuCoreLimitAverage": 0,
        "cpuCoreUsageAverage": round(cores * used, 5),
        "cpuCoreHours": round(cores * hours, 5),
        "cpuCost": round(cores * hours * 0.0252, 5),
        "cpuCostAdjustment": 0,
        "cpuCostIdle": 0,
        "cpuEfficiency": round(used, 5),
    }


def _ram_figures(gib: float, used: float, hours: float) -> dict[str, float]:
    return {
        "ramBytes": gib * _GIB,
        "ramByteRequestAverage": gib * _GIB,
        "ramByteLimitAverage": 0,
        "ramByteUsageAverage": round(gib * _GIB * used, 5),
        "ramByteHours": round(gib * _GIB * hours, 5),
        "ramCost": round(gib * hours * 0.0034, 5),
        "ramCostAdjustment": 0,
        "ramCostIdle": 0,
        "ramEfficiency": round(used, 5),
    }


def _network_figures(random: Random, cost: float) -> dict[str, float]:
    return {
        "networkTransferBytes": random.randrange(10**10),
        "networkReceiveBytes": random.randrange(10**10),
        "networkCost": round(cost, 5),
        "networkCrossZoneCost": round(cost, 5),
        "networkCrossRegionCost": 0,
        "networkInternetCost": 0,
        "networkCostAdjustment": 0,
        "loadBalancerCost": 0,
        "loadBalancerCostAdjustment": 0,
    }


def _volume(name: str, hours: float) -> dict[str, Any]:
    share = {"byteHours": 100 * _GIB * hours, "cost": 100 * hours * 0.00011, "adjustment": 0}
    return {f"cluster={CLUSTER}:name={name}": {**share, "providerID": f"vol-0{name[4:12]}{name[-4:]}0000"}}


class Answers:
    """Both answers, prepared before anybody asks; the hour is written into them for each that does."""

    def __init__(self, count: int, *, volumes: bool) -> None:
        random = Random(count)  # noqa: S311  the same figures every time is what it is for
        rows = (allocation_row(of, random) for of in containers(count, volumes=volumes))
        allocations = b",".join(b'"%s":%s' % (row["name"].encode(), msgspec.json.encode(row)) for row in rows)
        nodes = range(-(-count // CONTAINERS_PER_NODE))
        assets = {f"{CLUSTER}/{_node_name(number)}": node_asset(number) for number in nodes}
        self._prepared = {
            "/model/allocation": b'{"code":200,"data":[{%s}]}' % allocations,
            "/model/assets": msgspec.json.encode({"code": 200, "data": [assets]}),
        }
        self.of = lru_cache(maxsize=2)(self._of)

    def _of(self, path: str, window: str) -> bytes | None:
        body = self._prepared.get(path)
        if body is None:
            return None
        start = parse_instant(window.partition(",")[0])
        for stand_in, instant in ((_HOUR, start), (_NEXT_HOUR, start + HOUR)):
            body = body.replace(stand_in, f"{instant:%Y-%m-%dT%H}".encode())
        return body


@click.command()
@click.option("--containers", "count", type=int, required=True, help="Rows of an hour.")
@click.option("--volumes", is_flag=True, help="Of ten executors, three mount a volume of their own.")
@click.option("--seconds", type=float, default=0.0, help="How long it works at an hour before it answers.")
def main(count: int, volumes: bool, seconds: float) -> None:
    """Serve until stopped; the address is printed once the answers are prepared."""
    answers = Answers(count, volumes=volumes)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # as servers do: else every answer of two writes waits 40 ms for the client

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = answers.of(parts.path, parse_qs(parts.query)["window"][0])
            sleep(seconds if parts.path.endswith("/allocation") else 0)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if body:
                self.wfile.write(b"%x\r\n" % len(body))  # one chunk, uncompressed, as a Go server writes a big answer
                self.wfile.write(body)
                self.wfile.write(b"\r\n")
            self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        click.echo(f"http://127.0.0.1:{server.server_address[1]}")
        server.serve_forever()


if __name__ == "__main__":
    main()
