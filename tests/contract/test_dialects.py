import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from urllib3.util import Retry

from pipeline.errors import ContractError
from pipeline.kubecost import Kubecost
from pipeline.models import Cluster, WindowAnswer
from pipeline.rows import window_rows
from pipeline.tables import ALLOCATIONS, NODES, Table
from pipeline.window import DAY, Window, parse_instant
from tests.captures import NOT_FOUND, Answer, Answering, Request, json_answer, opencost, serving
from tests.conftest import CLUSTER_ARN

DATA = Path(__file__).parents[1] / "data" / "kubecost"
CLUSTER = Cluster.from_arn(CLUSTER_ARN)
TEN = Window.hour(parse_instant("2026-11-19T10:00Z"))
MIDNIGHT = parse_instant("2026-11-19")
WINDOWS = {"1.x": TEN, "2.x": Window(MIDNIGHT, MIDNIGHT + DAY), "3.x": TEN}
JOB = "00000008k7cyoqlkw55"

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Documents:
    """What a version of Kubecost answers: both documents, which a test may change."""

    allocation: dict[str, Any]
    assets: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return list(self.allocation["data"][0].values())

    def answer(self, request: Request) -> Answer:
        """As the web server in front of Kubecost: whatever lies not below /model is a page of the user interface."""
        match request.path:
            case "/model/allocation":
                return json_answer(self.allocation)
            case "/model/assets":
                return json_answer(self.assets)
            case path if path.startswith("/model/"):
                return NOT_FOUND
            case _:
                return Answer(200, "text/html", b"<!doctype html><title>Kubecost</title>")


def documents(version: str) -> Documents:
    folder = DATA / version
    return Documents(
        *(json.loads((folder / name).read_text(encoding="utf-8")) for name in ("allocation.json", "assets.json"))
    )


def ask(answering: Answering, window: Window) -> WindowAnswer:
    with serving(answering) as upstream:
        return Kubecost(upstream.url).window(window)


def rows(answer: WindowAnswer, table: Table = ALLOCATIONS) -> list[dict[str, Any]]:
    made = window_rows(answer, CLUSTER, (), datetime(2026, 11, 21, tzinfo=UTC))
    found: list[dict[str, Any]] = made.tables[table].to_pylist()
    return found


def facts(log: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """What was logged along with each *event*."""
    known = vars(logging.makeLogRecord({})).keys() | {"message"}
    records = [record for record in log.records if record.message == event]
    return [{key: value for key, value in vars(record).items() if key not in known} for record in records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="pipeline.kubecost")
    return caplog


@pytest.mark.parametrize("version", WINDOWS)
def test_every_row_and_every_cent_of_each_version_is_read(version: str) -> None:
    given = documents(version)
    answer = ask(given.answer, WINDOWS[version])
    found = rows(answer)
    assert answer.source == "kubecost"
    assert len(found) == len(given.rows) == 6
    assert math.fsum(row["total_cost"] for row in found) == math.fsum(row["totalCost"] for row in given.rows)
    parts = ("cpu_cost", "ram_cost", "gpu_cost", "pv_cost", "network_cost", "load_balancer_cost", "shared_cost")
    for row in found:
        assert math.fsum(row[part] for part in parts) == pytest.approx(row["total_cost"], abs=2e-5)


@pytest.mark.parametrize("version", WINDOWS)
def test_whose_each_row_is_and_what_it_ran_on_does_not_depend_on_the_version(version: str) -> None:
    found = {
        (row["container"], row["workload_kind"], row["workload_id"], row["workload_name"], row["capacity_type"])
        for row in rows(ask(documents(version).answer, WINDOWS[version]))
    }
    assert found == {
        ("spark-kubernetes-driver", "job_run", JOB, "orders-nightly", "on_demand"),
        ("emr-container-fluentd", "job_run", JOB, "orders-nightly", "on_demand"),
        ("spark-kubernetes-executor", "job_run", JOB, "orders-nightly", "spot"),
        ("spark-kubernetes-executor", "job_run", JOB, "orders-nightly", "fargate"),
        ("coredns", "platform", None, None, "on_demand"),
        ("__unmounted__", "other", None, None, "unknown"),
    }


@pytest.mark.parametrize(("version", "with_fargate"), [("1.x", False), ("2.x", True), ("3.x", True)])
def test_of_all_assets_only_nodes_become_rows_each_once(version: str, with_fargate: bool) -> None:
    found = {
        (row["instance_id"], row["instance_type"], row["capacity_type"], row["node_pool"], row["availability_zone"])
        for row in rows(ask(documents(version).answer, WINDOWS[version]), NODES)
    }
    on_ec2 = {
        ("i-0a0000000000000a1", "m5.2xlarge", "on_demand", "core", "us-east-1a"),
        ("i-0b0000000000000b2", "r6g.2xlarge", "spot", "spark-exec", "us-east-1b"),
    }
    assert found == on_ec2 | ({(None, None, "fargate", None, "us-east-1c")} if with_fargate else set())


def test_the_adjustments_of_a_reconciled_day_are_in_the_costs() -> None:
    given = documents("2.x")
    row = next(row for row in given.rows if row["properties"]["container"] == "spark-kubernetes-executor")
    assert row["cpuCostAdjustment"] < 0
    found = next(one for one in rows(ask(given.answer, WINDOWS["2.x"])) if one["pod"] == row["properties"]["pod"])
    assert found["cpu_cost"] == pytest.approx(row["cpuCost"] + row["cpuCostAdjustment"])
    assert found["total_cost"] == row["totalCost"]


@pytest.mark.parametrize(
    ("answering", "window", "expected"),
    [
        (documents("1.x").answer, TEN, {"source": "kubecost", "assets": "list", "adjustments": False}),
        (documents("2.x").answer, WINDOWS["2.x"], {"source": "kubecost", "assets": "list", "adjustments": True}),
        (documents("3.x").answer, TEN, {"source": "kubecost", "assets": "list", "adjustments": False}),
        (opencost("opencost-2024-10"), TEN, {"source": "opencost", "assets": "object", "adjustments": False}),
        (opencost("opencost-2026-05"), TEN, {"source": "opencost", "assets": "object", "adjustments": False}),
    ],
    ids=["1.x", "2.x", "3.x", "OpenCost of October 2024", "OpenCost of May 2026"],
)
def test_what_the_first_window_shows_of_the_server_is_logged_once(
    answering: Answering, window: Window, expected: dict[str, Any], log: pytest.LogCaptureFixture
) -> None:
    with serving(answering) as upstream:
        kubecost = Kubecost(upstream.url.replace("//", "//finops:hunter2@"), api_key="key-1")
        kubecost.window(window)
        kubecost.window(window)
    assert facts(log, "upstream found") == [{"source": expected["source"], "url": upstream.url}]
    coarse = expected["source"] == "opencost"
    grid = timedelta(minutes=5) if coarse else timedelta(minutes=1)
    assert facts(log, "upstream answers") == [expected | {"labels": True, "provider_ids": True, "grid": grid}]
    assert "hunter2" not in log.text
    assert "key-1" not in log.text


def test_a_grid_of_five_minutes_is_said_with_what_to_set(log: pytest.LogCaptureFixture) -> None:
    ask(opencost("opencost-2026-05"), TEN)
    (warned,) = facts(log, "upstream needs a setting")
    assert warned["because"] == "pod times lie on a grid of 5 minutes"
    assert "PROMETHEUS_QUERY_RESOLUTION_SECONDS=60" in warned["advice"]
    assert "ETL_RESOLUTION_SECONDS=60" in warned["advice"]


@pytest.mark.parametrize(
    ("missing", "because", "advice"),
    [
        ("labels", "no row has labels", "--metric-labels-allowlist="),
        ("providerID", "no row has a provider ID", "OpenCost 1.119.0 leaves the IDs out"),
    ],
)
def test_what_every_row_lacks_is_said_with_what_to_set(
    missing: str, because: str, advice: str, log: pytest.LogCaptureFixture
) -> None:
    given = documents("3.x")
    for row in given.rows:
        row["properties"].pop(missing, None)
    found = rows(ask(given.answer, TEN))
    assert len(found) == len(given.rows), "no row is dropped for it"
    (warned,) = facts(log, "upstream needs a setting")
    assert warned["because"] == because
    assert advice in warned["advice"]


def test_an_hour_in_which_every_pod_ran_through_does_not_show_the_grid(log: pytest.LogCaptureFixture) -> None:
    given = documents("3.x")
    for row in given.rows:
        row["minutes"] = 60
    ask(given.answer, TEN)
    assert [fact["grid"] for fact in facts(log, "upstream answers")] == ["unknown"]
    assert facts(log, "upstream needs a setting") == []


def test_a_redirect_to_another_host_is_not_followed_and_that_host_never_sees_the_key() -> None:
    with serving(documents("3.x").answer) as elsewhere:
        moved = Answer(302, "text/html", b"", f"{elsewhere.url}/model/assets")
        with serving(lambda _: moved) as gate:
            kubecost = Kubecost(gate.url, api_key="key-1", retry=Retry(0, raise_on_status=False))
            with pytest.raises(ContractError, match=f"leads to {elsewhere.url}/model/assets, where the key is"):
                kubecost.window(TEN)
    assert [request.headers["X-API-KEY"] for request in gate.requests] == ["key-1"]
    assert elsewhere.requests == []
