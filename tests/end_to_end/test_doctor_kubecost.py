"""What `doctor` finds of Kubecost: each likely mistake, and the server that is as it should be."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import pytest

from tests.captures import NOT_FOUND, Answer, Answering, Request, instead, json_answer, opencost, serving
from tests.diagnosis import CLUSTER_ARN, Diagnosis, doctor
from tests.end_to_end.test_collect import collect
from tests.fault_proxy import Fault, faults_before, replied

LOGIN = Answer(200, "text/html; charset=utf-8", b"<!DOCTYPE html><title>Sign in</title>")
REST = ("--collect-only", "--skip-emr")
AFTER_DETECTION = [
    "Kubecost: newest hour",
    "Kubecost: labels",
    "Kubecost: provider IDs",
    "Kubecost: nodes",
    "Kubecost: time grid",
    "Kubecost: retention",
]


@pytest.fixture(autouse=True)
def environment(bucket: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("CHARGEBACK_CLUSTER_ARN", CLUSTER_ARN)
    monkeypatch.setenv("CHARGEBACK_LAKE", f"s3://{bucket}/chargeback")
    return monkeypatch


@pytest.fixture
def asked(environment: pytest.MonkeyPatch) -> "Asked":
    return Asked(environment)


class Asked:
    """`doctor`, asking a server that answers as it is told."""

    def __init__(self, environment: pytest.MonkeyPatch) -> None:
        self._environment = environment

    @contextmanager
    def at(self, answering: Answering) -> Iterator[None]:
        with serving(answering) as upstream:
            self._environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url)
            yield

    def __call__(self, answering: Answering, *, now: str | None = "2026-11-19T13:00:00Z") -> Diagnosis:
        with self.at(answering):
            return doctor(*REST, now=now)


def of_hours(answering: Answering, change: Any) -> Answering:
    """As *answering*, but for what *change* does to each row of an answer to /allocation."""

    def answer(request: Request) -> Answer:
        given = answering(request)
        if request.path != "/allocation" or given.status != HTTPStatus.OK:
            return given
        document = json.loads(given.body)
        for rows in document["data"]:
            for row in rows.values():
                change(row)
        return replace(given, body=json.dumps(document).encode())

    return answer


def without(*names: str) -> Any:
    def change(row: dict[str, Any]) -> None:
        for name in names:
            row["properties"].pop(name, None)

    return change


def every_minute(row: dict[str, Any]) -> None:
    """Move pods that ran for a part of the hour off the grid."""
    if row["minutes"] < 60:
        row["minutes"] += 1


def on_the_grid(row: dict[str, Any]) -> None:
    row["minutes"] -= row["minutes"] % 5


GOOD = of_hours(opencost("opencost-2024-10"), every_minute)


def test_a_good_server_is_described_and_nothing_fails(asked: Asked) -> None:
    found = asked(GOOD)
    assert found["Kubecost"].verdict == "ok"
    assert found["Kubecost"].found.startswith("OpenCost at http://127.0.0.1:")
    assert found["Kubecost: newest hour"].found.startswith("2026-11-19T10:00Z: ")
    assert found["Kubecost: labels"].verdict == "ok"
    assert found["Kubecost: time grid"].found == "finer than 5 minutes"
    assert "failed" not in found.verdicts()
    assert found.exit_code == 0


def test_a_wrong_address_is_named_with_what_an_address_looks_like(asked: Asked) -> None:
    found = asked(lambda _: NOT_FOUND)
    assert found["Kubecost"].verdict == "failed"
    assert "There is no Kubecost at http://127.0.0.1:" in found["Kubecost"].found
    assert "http://opencost.opencost:9003" in str(found["Kubecost"].fix)
    assert {found[probe].verdict for probe in AFTER_DETECTION} == {"not run"}
    assert found["Kubecost: labels"].found == "Kubecost does not answer"
    assert found["lake: bucket"].verdict == "ok"
    assert found.exit_code == 78


def test_a_server_that_is_not_there_is_told_from_a_wrong_one(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_KUBECOST_URL", "http://127.0.0.1:9")
    found = doctor(*REST)
    assert "cannot be reached" in found["Kubecost"].found
    assert "kubectl get endpoints" in str(found["Kubecost"].fix)
    assert found["Kubecost's clock"].verdict == "not run"
    assert found.exit_code == 69


@pytest.mark.parametrize(
    "page", [LOGIN, Answer(302, None, b"", location="https://sso.example/login")], ids=["page", "redirect"]
)
def test_a_login_page_is_recognised(asked: Asked, page: Answer) -> None:
    found = asked(lambda _: page)
    assert "login page" in found["Kubecost"].found
    assert "past any login page" in str(found["Kubecost"].fix)
    assert found.exit_code == 65


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_is_named_and_not_shown(
    asked: Asked, environment: pytest.MonkeyPatch, status: int
) -> None:
    environment.setenv("CHARGEBACK_KUBECOST_API_KEY", "hunter2")
    found = asked(lambda _: Answer(status, "text/plain", b"no"))
    assert "it wants other credentials" in found["Kubecost"].found
    assert "chargeback-kubecost" in str(found["Kubecost"].fix)
    assert "hunter2" not in str(found)
    assert found.exit_code == 77


def test_a_key_that_no_header_may_hold_stops_no_other_probe(asked: Asked, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_KUBECOST_API_KEY", "hunter2\n")
    found = asked(GOOD)
    assert "holds what no HTTP header may hold" in found["Kubecost"].found
    assert found["lake: bucket"].verdict == "ok"
    assert found.exit_code == 78


def test_an_empty_answer_is_no_proof_that_kubecost_works(asked: Asked) -> None:
    found = asked(instead("/allocation", json_answer({"code": 200, "data": [{}]}), GOOD))
    assert found["Kubecost"].verdict == "ok"
    assert "has no allocations for 2026-11-19T10:00:00Z" in found["Kubecost: newest hour"].found
    assert "Prometheus" in str(found["Kubecost: newest hour"].fix)
    assert found["Kubecost: labels"].found == "there is no answer to look at"
    assert found.exit_code == 65


def test_a_server_of_several_clusters_wants_to_know_which(asked: Asked) -> None:
    names = iter(["one", "two"] * 1000)

    def moved(row: dict[str, Any]) -> None:
        row["properties"]["cluster"] = next(names)

    found = asked(of_hours(GOOD, moved))
    assert "speaks of several clusters: one, two" in found["Kubecost: newest hour"].found
    assert "CHARGEBACK_KUBECOST_CLUSTER_ID" in str(found["Kubecost: newest hour"].fix)
    assert found.exit_code == 78


def test_a_name_that_kubecost_does_not_give_the_cluster(asked: Asked, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_KUBECOST_CLUSTER_ID", "clusterone")
    found = asked(GOOD)["Kubecost: newest hour"]
    assert "has no row of 'clusterone'" in found.found
    assert "CHARGEBACK_KUBECOST_CLUSTER_ID" in str(found.fix)
    assert found.exit_code == 65


def test_a_password_in_the_address_is_not_shown(asked: Asked, environment: pytest.MonkeyPatch) -> None:
    with serving(GOOD) as upstream:
        environment.setenv("CHARGEBACK_KUBECOST_URL", upstream.url.replace("//", "//finops:hunter2@"))
        found = doctor(*REST)
    assert found["Kubecost"].found == f"OpenCost at {upstream.url}"
    assert "hunter2" not in str(found)


def test_rows_without_labels_fail_since_no_pod_is_anybodys(asked: Asked) -> None:
    found = asked(of_hours(GOOD, without("labels")))
    assert found["Kubecost: labels"].found == "no row has labels"
    assert "--metric-labels-allowlist" in str(found["Kubecost: labels"].fix)
    assert found.exit_code == 65


def test_rows_without_provider_ids_are_a_warning(asked: Asked) -> None:
    found = asked(of_hours(GOOD, without("providerID")))
    assert found["Kubecost: provider IDs"].verdict == "warning"
    assert "take another version" in str(found["Kubecost: provider IDs"].fix)
    assert found["Kubecost: nodes"].verdict == "warning"
    assert "by its name only" in found["Kubecost: nodes"].found
    assert found.exit_code == 0


def test_nodes_that_are_no_assets_are_counted(asked: Asked) -> None:
    def elsewhere(row: dict[str, Any]) -> None:
        if row["properties"].get("node"):
            row["properties"] |= {"node": "gone", "providerID": "i-0123456789abcdef0"}

    found = asked(of_hours(GOOD, elsewhere))
    assert found["Kubecost: nodes"].found == "nodes that pods ran on and that are no asset: 1"


def test_a_grid_of_five_minutes_is_a_warning_with_the_setting(asked: Asked) -> None:
    found = asked(of_hours(GOOD, on_the_grid))
    assert found["Kubecost: time grid"].verdict == "warning"
    assert found["Kubecost: time grid"].found == "pod times lie on a grid of 5 minutes"
    assert "PROMETHEUS_QUERY_RESOLUTION_SECONDS=60" in str(found["Kubecost: time grid"].fix)
    assert found.exit_code == 0


def test_a_store_that_is_shorter_than_we_count_on_is_told_by_its_oldest_hour(
    asked: Asked, environment: pytest.MonkeyPatch
) -> None:
    gone = "boundary error: requested [a, b); supported [c, d): Store[1h]: store does not have coverage"

    def answer(request: Request) -> Answer:
        if request.parameters["window"] == ["2026-11-19T00:00:00Z,2026-11-19T01:00:00Z"]:
            return json_answer({"code": 500, "data": None, "message": gone})
        return GOOD(request)

    environment.setenv("CHARGEBACK_HOURLY_RETENTION", "13h")
    found = asked(answer)
    assert found["Kubecost: retention"].verdict == "warning"
    assert "keeps no data of 2026-11-19T00:00:00Z" in found["Kubecost: retention"].found
    assert "it keeps hours for less than 13 h: set CHARGEBACK_HOURLY_RETENTION" in str(found["Kubecost: retention"].fix)
    assert found.exit_code == 0


def test_an_hour_that_upstream_still_has_is_proof_of_its_retention(
    asked: Asked, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CHARGEBACK_HOURLY_RETENTION", "13h")
    found = asked(GOOD)
    assert found["Kubecost: retention"].found.startswith("2026-11-19T00:00Z, 13 h back, is still there")


def test_hours_that_were_never_there_say_nothing_of_retention_until_one_was_collected(
    asked: Asked, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("CHARGEBACK_HOURLY_RETENTION", "13h")

    def forgetful(request: Request) -> Answer:
        first = request.parameters["window"] == ["2026-11-19T00:00:00Z,2026-11-19T01:00:00Z"]
        return json_answer({"code": 200, "data": [{}]}) if first and request.path == "/allocation" else GOOD(request)

    assert asked(forgetful)["Kubecost: retention"].verdict == "ok"
    with asked.at(GOOD):
        assert collect("19T00", now="2026-11-19T13:00:00Z").exit_code == 0
    assert asked(forgetful)["Kubecost: retention"].verdict == "warning"


def test_missing_hours_that_are_out_of_retention_are_counted(asked: Asked, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CHARGEBACK_HOURLY_RETENTION", "4h")
    with asked.at(GOOD):
        assert collect("19T00", now="2026-11-19T04:00:00Z").exit_code == 0
        found = doctor(*REST)
    assert found["lake: hours"].verdict == "warning"
    assert "10 missing" in found["lake: hours"].found
    assert "8 of the missing ones are older than hours are kept" in found["lake: hours"].found
    assert "days' sets" in str(found["lake: hours"].fix)


def test_this_machines_clock_is_held_against_kubecosts(asked: Asked, environment: pytest.MonkeyPatch) -> None:
    with serving(GOOD) as upstream:
        stale = Fault(replied(200, b"{}", Date="Thu, 01 Jan 2015 00:00:00 GMT"), "GET", "/healthz")
        with faults_before(upstream.url, stale) as proxy:
            environment.setenv("CHARGEBACK_KUBECOST_URL", proxy.url)
            found = doctor(*REST, now=None)
    assert found["Kubecost's clock"].verdict == "failed"
    assert "days ahead of the server's" in found["Kubecost's clock"].found
    assert "NTP" in str(found["Kubecost's clock"].fix)
    assert found.exit_code == 78
    assert asked(GOOD, now=None)["Kubecost's clock"].found == "less than a minute off"
    assert asked(GOOD)["Kubecost's clock"].verdict == "not run"


def test_a_date_that_is_none_is_no_proof_of_anything(environment: pytest.MonkeyPatch) -> None:
    with serving(GOOD) as upstream:
        odd = Fault(replied(200, b"{}", Date="yesterday"), "GET", "/healthz")
        with faults_before(upstream.url, odd) as proxy:
            environment.setenv("CHARGEBACK_KUBECOST_URL", proxy.url)
            assert doctor(*REST, now=None)["Kubecost's clock"].found == "its answers have no date"
