"""What ran in the cluster and when: the two days of an invented company."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pipeline.demo.estate.cluster import MINUTE, LoadBalancer, Pod, Span, Volume
from pipeline.demo.estate.flink import FlinkDeployment
from pipeline.demo.estate.identifiers import chance, hexadecimal, uuid
from pipeline.demo.estate.nodes import CORE, FARGATE_PROFILE, GENERAL_PURPOSE, GPU, RECLAIMED, REGION, SPARK_SPOT
from pipeline.demo.estate.services import NOTEBOOK, PLATFORM, STOREFRONT, debug_pod
from pipeline.demo.estate.spark import Application, Loss, Size
from pipeline.demo.estate.submissions import (
    VirtualCluster,
    gateway,
    interactive_session,
    spark_operator,
    spark_operator_on_emr,
    spark_submit,
    spark_submit_on_emr,
    start_job_run,
)

HISTORY = Span(datetime(2026, 10, 13, 4, tzinfo=UTC), datetime(2026, 10, 15, 2, tzinfo=UTC))
"""Nothing before it is known, as in a cluster that got its Kubecost on that morning."""

EMPTY_NODE = Span(datetime(2026, 10, 13, 16, tzinfo=UTC), datetime(2026, 10, 13, 17, tzinfo=UTC))
"""An instance of the core group that never became ready: paid for, without a single pod."""

SALES = VirtualCluster("k7q2m9x4c1v8z3b6n5l0p2r4t", "emr-sales")
RISK = VirtualCluster("w3e8r1t6y5u0i9o2p7a4s1d6f", "emr-risk")
STUDIO = "5hd0c8kq2v7x3"

NAMESPACES = {
    namespace: {"kubernetes.io/metadata.name": namespace, **labels}
    for namespace, labels in {
        "emr-sales": {"team": "sales", "cost-center": "cc-4100"},
        "emr-risk": {"team": "risk", "cost-center": "cc-4200"},
        "spark-apps": {"team": "marketing", "cost-center": "cc-4300"},
        "flink-apps": {"team": "clickstream", "cost-center": "cc-4400"},
        "notebooks": {"team": "research"},
        "web": {"team": "storefront", "cost-center": "cc-5100"},
        "kube-system": {},
        "karpenter": {},
        "kubecost": {},
        "spark-operator": {},
    }.items()
}


def pods() -> Iterable[Pod]:
    """Every pod that a controller or a person asked for; daemon sets follow from the nodes."""
    yield from _services()
    yield from _sales_jobs()
    yield from _risk_jobs()
    yield from _studio()
    yield from _spark_apps()
    yield from FlinkDeployment("clicks", "flink-apps", _span("13T06:10", "14T21:42"), GENERAL_PURPOSE, 2).pods()


def volumes() -> tuple[Volume, ...]:
    """The volumes behind claims, mounted or not, and one that outlived its claim."""
    disks = [_volume(20, "spark-apps", claim, pod.life) for pod in _marketing_attribution() for claim in pod.claims]
    return (
        _volume(32, "kubecost", "kubecost-cost-analyzer", HISTORY),
        _volume(64, "kubecost", "kubecost-prometheus-server", HISTORY),
        _volume(100, "notebooks", "jupyter-lena-home", HISTORY),
        _volume(200, "notebooks", "old-experiments", HISTORY),
        _volume(50, None, None, HISTORY),
        *disks,
    )


def load_balancers(account_id: str) -> tuple[LoadBalancer, ...]:
    """The storefront's Network Load Balancer."""
    name, suffix = f"k8s-web-storefro-{hexadecimal(10, 'load balancer')}", hexadecimal(16, "load balancer arn")
    arn = f"arn:aws:elasticloadbalancing:{REGION}:{account_id}:loadbalancer/net/{name}/{suffix}"
    return (LoadBalancer("web", "storefront", f"{name}-{suffix}.elb.{REGION}.amazonaws.com", arn, HISTORY),)


def _services() -> Iterable[Pod]:
    for deployment in (*PLATFORM, STOREFRONT):
        yield from deployment.pods(HISTORY)
    for life in (_span("13T08:31", "13T17:46"), _span("14T08:42", "14T18:09")):
        yield from NOTEBOOK.pods(life)
    yield debug_pod(_span("13T10:20", "13T11:03"))


def _sales_jobs() -> Iterable[Pod]:
    for day in (13, 14):
        for hour in range(6, 21):
            yield from start_job_run(_hourly("orders-hourly", day, hour, (5, 6, 7, 8)), SALES)
            yield from start_job_run(_hourly("returns-hourly", day, hour, (2, 3)), SALES)
        yield from start_job_run(_orders_nightly(day), SALES)
    backfill = Application(
        "orders-backfill",
        SALES.namespace,
        _span("14T09:08", "14T10:34"),
        executors=3,
        executor_pool=SPARK_SPOT,
        fluentd=True,
        pod_labels={"requested-by": "mara.lindt"},
    )
    yield from start_job_run(backfill, SALES)


def _hourly(name: str, day: int, hour: int, executors: tuple[int, ...]) -> Application:
    """A run that starts soon after the hour, with more or fewer executors from hour to hour."""
    draw = chance(name, day, hour)
    start = _at(f"{day}T{hour:02}:00") + draw.randrange(4, 13) * MINUTE
    life = Span(start, start + draw.randrange(19, 29) * MINUTE)
    return Application(name, SALES.namespace, life, draw.choice(executors), fluentd=True)


def _orders_nightly(day: int) -> Application:
    """The night of the 13th loses an instance; both nights run over midnight."""
    start = _at(f"{day}T23:18")
    loss = Loss(timedelta(minutes=61), executors=3, pool=RECLAIMED) if day == 13 else None
    life = Span(start, start + timedelta(minutes=104 if loss else 93))
    return Application("orders-nightly", SALES.namespace, life, executors=9, fluentd=True, loss=loss)


def _risk_jobs() -> Iterable[Pod]:
    for day, hour in ((13, 7), (13, 11), (13, 15), (13, 19), (14, 7), (14, 11), (14, 15), (14, 19)):
        yield from start_job_run(_risk_scores(day, hour), RISK)
    for day in (13, 14):
        train = Application(
            "risk-train",
            RISK.namespace,
            _span(f"{day}T05:12", f"{day}T06:21"),
            executors=1,
            executor=Size(3, 11, gpu=1),
            executor_pool=GPU,
            fluentd=True,
        )
        yield from start_job_run(train, RISK)


def _risk_scores(day: int, hour: int) -> Application:
    """A job wholly on Fargate, whose log router is not a sidecar."""
    start = _at(f"{day}T{hour:02}:00") + chance("risk-scores", day, hour).randrange(20, 30) * MINUTE
    return Application(
        "risk-scores",
        RISK.namespace,
        Span(start, start + 26 * MINUTE),
        executors=3,
        driver_pool=FARGATE_PROFILE,
        executor_pool=FARGATE_PROFILE,
        pod_labels={"eks.amazonaws.com/fargate-profile": FARGATE_PROFILE.name},
    )


def _studio() -> Iterable[Pod]:
    """An interactive endpoint that stays up, and two sessions on it."""
    yield gateway(RISK, STUDIO, Span(_at("13T07:34"), HISTORY.end), CORE)
    for life in (_span("13T09:12", "13T11:41"), _span("14T13:05", "14T15:22")):
        kernel = f"k{uuid('kernel', life.start.isoformat())[:13]}"
        session = Application(kernel, RISK.namespace, life, executors=2, fluentd=True)
        yield from interactive_session(session, RISK, STUDIO)


def _spark_apps() -> Iterable[Pod]:
    yield from _marketing_attribution()
    adhoc = Application("audience-adhoc", "spark-apps", _span("14T15:21", "14T15:58"), executors=2)
    yield from spark_submit_on_emr(adhoc)
    for start in ("13T08:02", "13T14:02", "13T20:02", "14T02:02", "14T08:02", "14T14:02", "14T20:02"):
        yield from spark_operator(_log_compaction(_at(start)))
    unnamed = Application(None, "notebooks", _span("13T14:25", "13T14:52"), 2, executor_pool=SPARK_SPOT)
    yield from spark_submit(unnamed)


def _marketing_attribution() -> Iterable[Pod]:
    """A SparkApplication on the EMR runtime whose executors have disks of their own."""
    for day, end in ((13, "11:06"), (14, "10:58")):
        life = _span(f"{day}T10:14", f"{day}T{end}")
        app = Application("marketing-attribution", "spark-apps", life, executors=3, executor_disks=True)
        yield from spark_operator_on_emr(app)


def _log_compaction(start: datetime) -> Application:
    """One run of a ScheduledSparkApplication, which names each run after the moment that it was due."""
    due = int(start.replace(minute=0).timestamp() * 1e9)
    life = Span(start, start + 17 * MINUTE)
    return Application(f"log-compaction-{due}", "spark-apps", life, executors=2, executor_pool=SPARK_SPOT)


def _volume(gib: int, namespace: str | None, claim: str | None, life: Span) -> Volume:
    key = (namespace, claim, life.start.isoformat())
    return Volume(f"pvc-{uuid('volume', *key)}", f"vol-0{hexadecimal(16, 'volume', *key)}", gib, namespace, claim, life)


def _at(text: str) -> datetime:
    """A minute of October 2026, such as `13T04:00`."""
    return datetime.fromisoformat(f"2026-10-{text}:00+00:00")


def _span(start: str, end: str) -> Span:
    return Span(_at(start), _at(end))
