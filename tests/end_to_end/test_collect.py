import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from io import BytesIO
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from pipeline import footer
from pipeline.footer import WindowState
from pipeline.window import Window, parse_instant
from tests.captures import HOURS, Answer, Answering, instead, json_answer, opencost, serving, truth
from tests.conftest import CLUSTER_ARN

NOW = "2026-11-21T12:00:00Z"
OBJECT = "111122223333_us-east-1_analytics-prod.parquet"


@pytest.fixture
def environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    monkeypatch.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/chargeback")
    return monkeypatch


def run(*arguments: str) -> Result:
    """The command in this process; its own exit code is told by `exit_code`."""
    from pipeline.cli import cli
    from pipeline.errors import ChargebackError

    result = CliRunner().invoke(cli, [*arguments])
    if isinstance(result.exception, ChargebackError):
        result.exit_code = result.exception.exit_code
    elif result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def collect(hour: str, until: str | None = None, now: str = NOW) -> Result:
    start = parse_instant(f"2026-11-{hour}:00:00Z")
    end = parse_instant(f"2026-11-{until}:00:00Z") if until else start + timedelta(hours=1)
    return run("collect", "--since", start.isoformat(), "--until", end.isoformat(), "--now", now)


def objects() -> dict[str, bytes]:
    s3 = boto3.client("s3")
    listed = s3.list_objects_v2(Bucket="lake").get("Contents", [])
    return {o["Key"]: s3.get_object(Bucket="lake", Key=o["Key"])["Body"].read() for o in listed}


def lake_rows(table: str) -> pa.Table:
    parts = [pq.read_table(BytesIO(body)) for key, body in objects().items() if f"/{table}/" in key]
    return pa.concat_tables(parts)


@pytest.fixture(params=["opencost-2026-05", "opencost-2024-10"])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def collected(server: str, environment: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(opencost(server)) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        for hour in HOURS[server]:
            assert collect(hour).exit_code == 0
        yield server


def captured_rows(server: str) -> list[dict[str, Any]]:
    found = []
    for hour in HOURS[server]:
        start = f"2026-11-{hour}:00:00Z"
        end = (parse_instant(start) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        with serving(opencost(server)) as upstream:
            import requests

            answer = requests.get(f"{upstream.url}/allocation", params={"window": f"{start},{end}"}, timeout=10)
        found += answer.json()["data"][0].values()
    return found


def test_every_row_of_a_real_server_is_in_the_lake_with_the_same_total_cost(collected: str) -> None:
    expected = captured_rows(collected)
    rows = lake_rows("allocations")
    assert rows.num_rows == len(expected)
    assert sum(rows["total_cost"].to_pylist()) == pytest.approx(sum(row["totalCost"] for row in expected), abs=1e-9)
    names = {(r["pod"], r["container"], r["window_start"].isoformat()) for r in rows.to_pylist()}
    for row in expected:
        of = row["properties"]
        assert (of["pod"], of["container"], row["window"]["start"].removesuffix("Z")) in names


def test_each_pod_is_under_the_workload_that_truth_knows(collected: str) -> None:
    workloads: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for pod in truth()["pods"]:
        workloads.setdefault((pod["namespace"], pod["pod"]), []).append(pod["workload"])
    checked = 0
    for row in lake_rows("allocations").to_pylist():
        if row["node"] is None:
            assert row["workload_kind"] == "other"
            continue
        expected = workloads[row["namespace"], row["pod"]]
        assert row["workload_kind"] == expected[0]["kind"], row
        assert row["job_run_id"] == expected[0].get("job_run_id")
        assert row["virtual_cluster_id"] == expected[0].get("virtual_cluster_id")
        if row["job_run_id"]:
            assert row["workload_name"] == expected[0]["app_name"]
            assert row["spark_role"] == expected[0]["role"]
        checked += 1
    assert checked > 100


def test_each_node_has_the_capacity_type_that_truth_knows(collected: str) -> None:
    capacity = {node["name"]: node["capacity_type"] for node in truth()["nodes"]}
    rows = [row for row in lake_rows("allocations").to_pylist() if row["node"] is not None]
    assert {row["capacity_type"] for row in rows} >= {"on_demand", "spot"}
    for row in rows:
        assert row["capacity_type"] == capacity[row["node"]], row["node"]
        assert (row["instance_id"] is None) == (row["capacity_type"] == "fargate")


def test_volumes_without_a_pod_and_their_cost_are_rows_of_volumes(collected: str) -> None:
    volumes = lake_rows("volumes").to_pylist()
    pv_cost = sum(lake_rows("allocations")["pv_cost"].to_pylist())
    assert any(volume["pod"] is None for volume in volumes)
    assert sum(volume["cost"] for volume in volumes) == pytest.approx(pv_cost, abs=1e-5 * len(volumes))


def test_collecting_twice_leaves_identical_bytes(environment: pytest.MonkeyPatch) -> None:
    with serving(opencost("opencost-2026-05")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert collect("19T09", "19T12").exit_code == 0
        first = objects()
        assert collect("19T09", "19T12", now="2026-11-21T13:00:00Z").exit_code == 0
        assert objects() == first
        assert len(first) == 3


def test_the_order_of_collecting_does_not_matter(environment: pytest.MonkeyPatch) -> None:
    with serving(opencost("opencost-2026-05")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        for hour in ("19T09", "19T10", "19T11"):
            assert collect(hour).exit_code == 0
        forwards = objects()
        s3 = boto3.client("s3")
        for key in forwards:
            s3.delete_object(Bucket="lake", Key=key)
        for hour in ("19T11", "19T09", "19T10"):
            assert collect(hour).exit_code == 0
        assert objects() == forwards


def test_the_key_the_footer_and_the_settled_state_are_those_of_the_contract(environment: pytest.MonkeyPatch) -> None:
    early, later = "2026-11-19T13:00:00Z", "2026-11-20T12:00:00Z"
    with serving(opencost("opencost-2026-05")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert collect("19T10", now=early).exit_code == 0
        key = f"chargeback/allocations/usage_date=2026-11-19/{OBJECT}"
        assert set(objects()) == {
            f"chargeback/{t}/usage_date=2026-11-19/{OBJECT}" for t in ("allocations", "nodes", "volumes")
        }
        (record,) = footer.decode(pq.read_metadata(BytesIO(objects()[key])).metadata, key)
        assert record.state is WindowState.COLLECTED
        assert record.window == Window.hour(parse_instant("2026-11-19T10:00Z"))
        assert (record.source, record.grid, record.rows) == ("opencost", 300, 64)
        assert collect("19T10", now=later).exit_code == 0
        (settled,) = footer.decode(pq.read_metadata(BytesIO(objects()[key])).metadata, key)
        assert settled.state is WindowState.SETTLED
        assert settled.collected_at == record.collected_at, "rows that did not change keep their time"
        asked = len(upstream.requests)
        assert collect("19T10", now=NOW).exit_code == 0
        assert len(upstream.requests) == asked + 2, "only the dialect was looked for: /model/assets, then /assets"


def test_a_worse_answer_never_replaces_a_better_one(environment: pytest.MonkeyPatch) -> None:
    good = opencost("opencost-2026-05")
    with ExitStack() as stack:
        upstream = stack.enter_context(serving(good))
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert collect("19T10", now="2026-11-19T13:00:00Z").exit_code == 0
    before = lake_rows("allocations")
    document = json.loads(good_answer(good))
    rows = document["data"][0]
    for name in [n for n, row in rows.items() if row["cpuCoreHours"] > 0.5]:
        del rows[name]
    with serving(instead("/allocation", json_answer(document), good)) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("19T10")
        assert result.exit_code == 65
        assert lake_rows("allocations").equals(before)
        assert collect("19T10").exit_code == 0, "it is said once"


def good_answer(good: Answering) -> bytes:
    from tests.captures import Request

    window = "2026-11-19T10:00:00Z,2026-11-19T11:00:00Z"
    return good(Request("/allocation", {"window": [window]}, {})).body


BAD = {
    "a web page": Answer(200, "text/html", b"<html>Kubecost</html>"),
    "another code": json_answer({"code": 400, "data": None, "message": "no"}),
    "null": json_answer({"code": 200, "data": None}),
    "an empty list": json_answer({"code": 200, "data": []}),
    "an empty set": json_answer({"code": 200, "data": [{}]}),
    "a null set": json_answer({"code": 200, "data": [None]}),
    "an empty body": Answer(200, "application/json", b""),
    "half an answer": Answer(200, "application/json", b'{"code":200,"data":[{"a":{"na'),
    "a text for a number": json_answer(
        {"code": 200, "data": [{"a": {"name": "a", "window": {}, "cpuCost": "much"}}]},
    ),
}


@pytest.mark.parametrize("answer", BAD.values(), ids=BAD)
def test_a_bad_answer_writes_nothing_and_is_one_sentence_with_exit_65(
    answer: Answer, environment: pytest.MonkeyPatch
) -> None:
    with serving(instead("/allocation", answer, opencost("opencost-2026-05"))) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("19T10")
    assert result.exit_code == 65
    assert objects() == {}
    assert str(result.exception)


def test_another_window_than_asked_for_is_refused(environment: pytest.MonkeyPatch) -> None:
    good = opencost("opencost-2026-05")
    with serving(instead("/allocation", Answer(200, "application/json", good_answer(good)), good)) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("19T11")
    assert result.exit_code == 65
    assert "instead of 2026-11-19T11:00:00Z,2026-11-19T12:00:00Z" in str(result.exception)
    assert objects() == {}


def test_hours_before_history_are_right_and_an_empty_hour_after_it_is_not(environment: pytest.MonkeyPatch) -> None:
    with serving(opencost("opencost-2026-05")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        assert collect("18T20", "19T01").exit_code == 0, "20:00 to 23:00 lie before the first hour with rows"
        result = collect("19T00", "19T03")
        assert result.exit_code == 65
        assert "no allocations for 2026-11-19T01:00:00Z" in str(result.exception)


def test_a_lake_that_never_sees_a_row_is_an_error(environment: pytest.MonkeyPatch) -> None:
    with serving(opencost("opencost-2026-05")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("15T00", "15T03")
    assert result.exit_code == 65
    assert "Is Kubecost running?" in str(result.exception)


def test_a_wrong_address_is_told_from_a_server_that_is_down(environment: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer(404, "text/plain", b"404")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("19T10")
        assert result.exit_code == 78
        assert "There is no Kubecost at" in str(result.exception)
    result = collect("19T10")
    assert result.exit_code == 69


def test_a_login_page_and_a_refused_key_say_what_to_check(environment: pytest.MonkeyPatch) -> None:
    with serving(lambda _: Answer(200, "text/html", b"<html>log in</html>")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("19T10")
        assert result.exit_code == 65
        assert "a web page instead of JSON" in str(result.exception)
    with serving(lambda _: Answer(403, "application/json", b"{}")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url.replace("//", "//someone:secret@"))
        result = collect("19T10")
        assert result.exit_code == 77
        assert "secret" not in result.output + str(result.exception)
        assert upstream.requests[0].headers["Authorization"].startswith("Basic ")


def test_a_bucket_that_does_not_exist_is_one_sentence(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_LAKE", "s3://nowhere/chargeback")
    with serving(opencost("opencost-2026-05")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("19T10")
    assert result.exit_code == 78
    assert "NoSuchBucket" in str(result.exception)


def test_missing_and_misspelt_settings_are_all_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARGEBACK_LAKEE", "s3://lake/x")
    monkeypatch.setenv("CHARGEBACK_LOOKBACK", "7 weeks")
    completed = subprocess.run(
        [sys.executable, "-m", "pipeline", "collect"], capture_output=True, text=True, check=False, timeout=60
    )
    assert completed.returncode == 78
    assert "Traceback" not in completed.stderr
    for name in ("LAKEE is not a setting (did you mean CHARGEBACK_LAKE?)", "CLUSTER_ARN is not set", "LOOKBACK: "):
        assert f"CHARGEBACK_{name}" in completed.stderr


def test_without_credentials_one_sentence_says_so(environment: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        environment.delenv(name)
    environment.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    environment.setenv("AWS_CONFIG_FILE", "/dev/null")
    boto3.setup_default_session()
    with serving(opencost("opencost-2026-05")) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
        result = collect("19T10")
    assert result.exit_code == 77
    assert "Unable to locate credentials" in str(result.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--since", "2026-11-19T10:30:00Z"], "--since must be a whole hour"),
        (["--since", "2026-11-19T12:00Z", "--until", "2026-11-19T11:00Z"], "--since must be earlier"),
        (["--since", "yesterday"], "Invalid isoformat string"),
        (["--since", "2026-11-19T10:00"], "names no time zone"),
    ],
)
def test_a_span_that_makes_no_sense_is_a_usage_error(
    arguments: list[str], said: str, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CHARGEBACK_KUBECOST_URL", "http://127.0.0.1:9")
    result = run("collect", *arguments)
    assert result.exit_code == 2
    assert said in result.output + str(result.exception)
