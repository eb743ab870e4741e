"""How the pods of a Spark application look and live: its driver, its executors, what a lost instance does to them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from pipeline.demo.estate.cluster import GIB, MINUTE, Container, Demand, Pod, Pool, Span, Traffic, Workload
from pipeline.demo.estate.identifiers import between, hexadecimal, uuid
from pipeline.demo.estate.nodes import DRIVERS, EXECUTORS

_FLUENTD_RAM = 0.2 * GIB


@dataclass(frozen=True)
class Size:
    """What a driver or an executor asks for."""

    cpu: float
    gib: float
    gpu: int = 0


@dataclass(frozen=True)
class Loss:
    """A Spot instance that AWS took back at *at*, with the first *executors* of the application."""

    at: timedelta
    executors: int
    pool: Pool


@dataclass(frozen=True)
class Application:
    """One Spark application, whichever way it is submitted; *life* is that of its first to its last pod."""

    name: str | None
    namespace: str
    life: Span
    executors: int
    driver: Size = Size(1, 3)
    executor: Size = Size(2, 7)
    driver_pool: Pool = DRIVERS
    executor_pool: Pool = EXECUTORS
    fluentd: bool = False
    executor_disks: bool = False
    loss: Loss | None = None
    pod_labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What sets this run apart from every other run."""
        return f"{self.namespace}/{self.name}/{self.life.start.isoformat()}"

    @property
    def resource_name(self) -> str:
        """The beginning of its executors' names, which Spark makes of the application's name."""
        return f"{self.name or 'spark-app'}-{hexadecimal(16, 'resource name', self.key)}"


@dataclass(frozen=True)
class Submission:
    """What a way of submitting adds to an application's pods."""

    application: Application
    workload: Workload
    labels: Mapping[str, str]
    driver_name: str
    driver_life: Span
    component: bool = False

    def pods(self) -> tuple[Pod, ...]:
        """The driver, then the executors."""
        executors = (self._executor(number, *where) for number, where in enumerate(self._executor_lives(), 1))
        return (self._driver(), *executors)

    def _executor_lives(self) -> list[tuple[Span, Pool]]:
        """When and where executors ran: those that a Spot loss ended, the others, the lost ones' replacements."""
        app, begin, end = self.application, self.driver_life.start + 2 * MINUTE, self.driver_life.end - MINUTE
        if app.loss is None:
            return [(Span(begin, end), app.executor_pool)] * app.executors
        ended, count = app.life.start + app.loss.at, app.loss.executors
        lost = [(Span(begin, ended), app.loss.pool)] * count
        kept = [(Span(begin, end), app.executor_pool)] * (app.executors - count)
        return lost + kept + [(Span(ended + 3 * MINUTE, end), app.executor_pool)] * count

    def _driver(self) -> Pod:
        app = self.application
        pod = self._pod(self.driver_name, self.driver_life, app.driver_pool, "driver", app.driver)
        return replace(pod, services=(f"{app.resource_name}-driver-svc",))

    def _executor(self, number: int, life: Span, pool: Pool) -> Pod:
        app = self.application
        pod = self._pod(f"{app.resource_name}-exec-{number}", life, pool, "executor", app.executor)
        own = {"spark-exec-id": str(number), "spark-exec-resourceprofile-id": "0"}
        claims = (f"{pod.name}-pvc-0",) if app.executor_disks else ()
        return replace(pod, labels={**pod.labels, **own}, claims=claims)

    def _pod(self, name: str, life: Span, pool: Pool, role: str, size: Size) -> Pod:
        app = self.application
        uid = uuid("pod", app.namespace, name, life.start.isoformat())
        main = container(f"spark-kubernetes-{role}", size, uid)
        component = {"emr-containers.amazonaws.com/component": role} if self.component else {}
        return Pod(
            namespace=app.namespace,
            name=name,
            uid=uid,
            life=life,
            pool=pool,
            labels={**self.labels, "spark-role": role, **component, **app.pod_labels},
            containers=(main, fluentd(uid)) if app.fluentd else (main,),
            workload=self.workload,
            role=role,
            traffic=_shuffle(uid),
        )


def container(name: str, size: Size, key: str) -> Container:
    """A container that uses a part of what it asks for."""
    cpu = round(size.cpu * between(0.3, 0.86, "cpu", name, key), 3)
    ram = round(size.gib * GIB * between(0.45, 0.86, "ram", name, key))
    return Container(name, Demand(size.cpu, cpu), Demand(size.gib * GIB, ram), size.gpu)


def fluentd(key: str) -> Container:
    """The sidecar that ships logs where a job asks for monitoring: it requests memory only."""
    cpu, ram = between(0.008, 0.016, "fluentd", key), round(GIB * between(0.06, 0.12, "fluentd ram", key))
    return Container("emr-container-fluentd", Demand(0, cpu), Demand(_FLUENTD_RAM, ram))


def _shuffle(key: str) -> Traffic:
    """What executors and drivers exchange, some of it with pods in another zone."""
    sent = round(1e6 * between(20, 320, "sent", key))
    received = round(1e6 * between(20, 320, "received", key))
    return Traffic(sent, received, cross_zone=sent * between(0.02, 0.3, "cross zone", key))
