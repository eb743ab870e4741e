"""What CloudWatch is told of runs that go well, that fail, and that are ended."""

import json
from collections.abc import Iterator
from datetime import datetime
from signal import SIGTERM

import boto3
import pyarrow.compute as pc
import pytest

from pipeline.metrics import Metric
from pipeline.window import parse_instant
from tests.captures import Answer, serving
from tests.end_to_end.test_collect import collect, lake_rows, objects, run
from tests.end_to_end.test_publish import NOW, said
from tests.end_to_end.test_published_bill import asked
from tests.end_to_end.test_refresh import LATER, done, statements, states
from tests.fault_proxy import Fault, Gate, faults_before, replied
from tests.served import AWS, Installation, finished
from tests.unit.test_metrics import extracted

NAMESPACE = "Team/Chargeback"
BROKEN = Answer(500, "text/plain", b"no")
DENIED = Fault(
    replied(403, json.dumps({"__type": "AccessDenied", "message": "not authorized"}).encode()), "POST", times=None
)


def told(command: str, endpoint: str | None = None) -> dict[str, list[float]]:
    """The values of each metric of a command, oldest first."""
    cloudwatch = boto3.client(
        "cloudwatch",
        region_name="us-east-1",
        endpoint_url=endpoint,
        aws_access_key_id=AWS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=AWS["AWS_SECRET_ACCESS_KEY"],
    )
    dimensions = [{"Name": "ClusterName", "Value": "analytics-prod"}, {"Name": "Command", "Value": command}]
    found = {}
    for metric in Metric:
        points = cloudwatch.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=metric.value,
            Dimensions=dimensions,
            StartTime=parse_instant("2026-11-21T00:00Z"),
            EndTime=parse_instant("2026-11-22T00:00Z"),
            Period=60,
            Statistics=["Sum"],
            Unit=metric.unit,
        )["Datapoints"]
        if points:
            found[metric.value] = [p["Sum"] for p in sorted(points, key=lambda point: point["Timestamp"])]
    return found


def logged(stderr: str) -> dict[str, dict[str, float]]:
    """The figures that a run logged, by command."""
    lines = [line for line in stderr.splitlines() if line.startswith("{")]
    values = ({name: value for name, (value, _) in extracted(line).items()} for line in lines)
    return {json.loads(line)["Command"]: of for line, of in zip(lines, values, strict=True)}


@pytest.fixture
def watched(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An installation with one hour, and a namespace for its metrics."""
    environment.setenv("CHARGEBACK_METRICS_NAMESPACE", NAMESPACE)
    return environment


@pytest.fixture
def refused(watched: pytest.MonkeyPatch, moto_url: str) -> Iterator[pytest.MonkeyPatch]:
    """The same with a role that may not publish metrics."""
    with faults_before(moto_url, DENIED) as proxy:
        watched.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", proxy.url)
        yield watched


def test_a_run_publishes_what_it_collected(watched: pytest.MonkeyPatch) -> None:
    assert collect("19T09", "19T12").exit_code == 0
    found = told("collect")
    assert found.keys() == {
        *("Succeeded", "Seconds", "WindowsCollected", "WindowsMissing", "WindowsLost"),
        *("WindowsRejected", "Rows", "EstimatedCost"),
    }
    assert (found["Succeeded"], found["WindowsCollected"], found["WindowsMissing"]) == ([1], [2], [0])
    new = lake_rows("allocations").filter(pc.field("window_start") != datetime(2026, 11, 19, 10))  # noqa: DTZ001  naive
    assert found["Rows"] == [new.num_rows]
    assert found["EstimatedCost"] == [pytest.approx(pc.sum(new["total_cost"]).as_py())]
    assert found["Seconds"][0] > 0


@pytest.mark.parametrize("until", [(), ("--until", "2100-01-01")], ids=["open", "far ahead"])
def test_a_run_up_to_now_publishes_how_old_the_newest_hour_is(
    until: tuple[str, ...], watched: pytest.MonkeyPatch
) -> None:
    assert run("collect", "--since", "2026-11-19T10:00Z", *until, "--now", "2026-11-19T13:30:00Z").exit_code == 0
    cloudwatch = boto3.client("cloudwatch")
    [metric] = cloudwatch.list_metrics(Namespace=NAMESPACE, MetricName="NewestWindowAge")["Metrics"]
    point = cloudwatch.get_metric_statistics(
        **metric,
        StartTime=parse_instant("2026-11-19T13:00Z"),
        EndTime=parse_instant("2026-11-19T14:00Z"),
        Period=3600,
        Statistics=["Maximum"],
    )["Datapoints"][0]
    assert point["Maximum"] == 2.5


def test_a_run_of_which_an_hour_fails_publishes_the_others_and_that_it_failed(watched: pytest.MonkeyPatch) -> None:
    assert collect("19T09", "19T13").exit_code == 65
    found = told("collect")
    assert (found["Succeeded"], found["WindowsMissing"], found["WindowsCollected"]) == ([0], [1], [2])


def test_a_run_that_cannot_begin_publishes_that_it_failed(watched: pytest.MonkeyPatch) -> None:
    with serving(lambda _: BROKEN) as upstream:
        watched.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert collect("19T11").exit_code == 69
    assert told("collect").keys() == {"Succeeded", "Seconds"}
    assert told("collect")["Succeeded"] == [0]


def test_refresh_publishes_the_days_that_it_replaced_and_what_the_newest_whole_day_cost(
    watched: pytest.MonkeyPatch,
) -> None:
    watched.setenv("CHARGEBACK_COLLECT_AFTER", "36h")  # so that the 19th is the newest whole day
    assert collect("19T11").exit_code == 0
    done("publish", *NOW)
    asked_before = statements()
    done("refresh", *NOW)
    assert told("refresh")["DaysReplaced"] == [0]
    assert "DayCost" not in told("refresh")
    assert statements() == asked_before
    assert collect("19T09").exit_code == 0
    done("refresh", *LATER)
    [(cost,)] = asked("SELECT SUM(effective_cost) FROM cost_ledger WHERE usage_date = DATE '2026-11-19'")
    assert cost > 0
    found = told("refresh")
    assert found["DayCost"] == [pytest.approx(cost)]
    assert found["DaysReplaced"] == [0, 1]
    assert found["Succeeded"] == [1, 1]


def test_verify_publishes_how_many_checks_failed(watched: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    done("verify", *NOW)
    found = told("verify")
    assert (found["Succeeded"], found["ChecksFailed"]) == ([1], [0])


def test_metrics_that_cannot_be_published_fail_a_run_that_did_all_else(refused: pytest.MonkeyPatch) -> None:
    before = objects()
    result = collect("19T11")
    assert result.exit_code == 77
    assert "Publishing the figures of collect to Team/Chargeback in CloudWatch (cloudwatch:PutMetricData)" in said(
        result
    )
    assert objects() != before
    refused.delenv("AWS_ENDPOINT_URL_CLOUDWATCH")
    assert boto3.client("cloudwatch").list_metrics(Namespace=NAMESPACE)["Metrics"] == []


def test_metrics_that_cannot_be_published_never_hide_why_the_run_failed(refused: pytest.MonkeyPatch) -> None:
    result = collect("19T09", "19T13")
    assert result.exit_code == 65
    assert "has no allocations for" in str(result.exception)
    assert "cloudwatch:PutMetricData" in result.stderr


def test_metrics_of_one_command_that_cannot_be_published_do_not_stop_the_other(refused: pytest.MonkeyPatch) -> None:
    done("publish", *NOW)
    result = run("collect", "--refresh", "--since", "2026-11-19T11:00Z", "--until", "2026-11-19T12:00Z", *NOW)
    assert result.exit_code == 77
    assert states() == {"2026-11-19": "current"}


def test_without_a_namespace_the_figures_are_logged_and_cloudwatch_is_not_asked(
    environment: pytest.MonkeyPatch, moto_url: str
) -> None:
    done("publish", *NOW)
    with faults_before(moto_url) as proxy:
        environment.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", proxy.url)
        result = run("collect", "--refresh", "--since", "2026-11-19T11:00Z", "--until", "2026-11-19T13:00Z", *NOW)
    assert proxy.seen == []
    found = logged(result.stderr)
    assert found.keys() == {"collect", "refresh"}
    assert (found["collect"]["Succeeded"], found["collect"]["WindowsMissing"]) == (0, 1)
    assert (found["refresh"]["Succeeded"], found["refresh"]["DaysReplaced"]) == (1, 1)


@pytest.mark.parametrize("namespace", ["", NAMESPACE], ids=["in the log", "to CloudWatch"])
def test_a_run_that_is_asked_to_end_tells_that_it_did_not_succeed(
    namespace: str, installation: Installation, s3_server: str
) -> None:
    gate = Gate(late=False)
    with (
        faults_before(installation.kubecost, Fault(gate, "GET")) as proxy,
        installation.behind(kubecost=proxy.url).collecting(
            "19T09", "19T12", CHARGEBACK_METRICS_NAMESPACE=namespace
        ) as process,
    ):
        gate.wait()
        process.send_signal(SIGTERM)
        ended = finished(process, 30)
        gate.let_go()
    assert ended.returncode == 143
    assert "Traceback" not in ended.stderr
    if namespace:
        assert told("collect", s3_server)["Succeeded"][-1] == 0
    else:
        assert logged(ended.stderr)["collect"]["Succeeded"] == 0


def test_a_run_that_is_asked_to_end_does_not_wait_for_cloudwatch_for_long(installation: Installation) -> None:
    kubecost, cloudwatch = Gate(late=False), Gate(late=False)
    with (
        faults_before(installation.kubecost, Fault(kubecost, "GET")) as upstream,
        faults_before(installation.endpoint, Fault(cloudwatch, "POST", times=None)) as aws,
        installation.behind(kubecost=upstream.url).collecting(
            "19T09", "19T12", CHARGEBACK_METRICS_NAMESPACE=NAMESPACE, AWS_ENDPOINT_URL_CLOUDWATCH=aws.url
        ) as process,
    ):
        kubecost.wait()
        process.send_signal(SIGTERM)
        cloudwatch.wait()
        ended = finished(process, 30)
        kubecost.let_go()
        cloudwatch.let_go()
    assert ended.returncode == 143
