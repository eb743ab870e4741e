import json
from types import SimpleNamespace
from typing import Any

import pytest
from moto.emrcontainers.models import EMRContainersBackend

from pipeline.errors import AccessDeniedError, ContractError, TemporaryError, UnavailableError
from pipeline.tables import JOB_RUNS
from tests.captures import Answer, Answering, Request, json_answer, serving
from tests.emr_account import (
    objects,
    refreshed,
    rows,
)


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The AWS SDK's pauses between attempts, noted and not waited for."""
    pauses: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=pauses.append))
    return pauses


VC = "vc1"
ARN = f"arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/{VC}"
ONE = {
    "id": VC,
    "arn": ARN,
    "name": "sales",
    "state": "RUNNING",
    "createdAt": "2026-10-01T00:00:00Z",
    "containerProvider": {"type": "EKS", "id": "analytics", "info": {"eksInfo": {"namespace": "emr-sales"}}},
}
THROTTLED = Answer(
    429, "application/json", json.dumps({"__type": "TooManyRequestsException", "message": "Rate exceeded"}).encode()
)


def job(number: int) -> dict[str, Any]:
    return {
        "id": f"j{number}",
        "arn": f"{ARN}/jobruns/j{number}",
        "virtualClusterId": VC,
        "state": "RUNNING",
        "createdAt": "2026-10-02T00:00:00Z",
    }


def answering(job_runs: Answering) -> Answering:
    """EMR with one virtual cluster, no endpoint, and these *job_runs*."""

    def answer(request: Request) -> Answer:
        if request.path == "/virtualclusters":
            return json_answer({"virtualClusters": [ONE]})
        return json_answer({"endpoints": []}) if request.path.endswith("/endpoints") else job_runs(request)

    return answer


def refreshed_from(server: Answering, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    with serving(server) as upstream:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_CONTAINERS", upstream.url)
        try:
            refreshed()
        finally:
            asked = upstream.requests
    return asked


def page(request: Request) -> Answer:
    number = int(request.parameters.get("nextToken", ["0"])[0])
    return json_answer({"jobRuns": [job(number)]} | ({"nextToken": str(number + 1)} if number < 4 else {}))


def test_every_page_is_read_and_a_throttled_one_asked_for_again(
    account: EMRContainersBackend, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    throttles = iter([THROTTLED, THROTTLED])

    def answer(request: Request) -> Answer:
        third = request.parameters.get("nextToken") == ["2"]
        return next(throttles, page(request)) if third else page(request)

    asked = refreshed_from(answering(answer), monkeypatch)
    assert [row["job_run_id"] for row in rows(JOB_RUNS)] == ["j0", "j1", "j2", "j3", "j4"]
    assert sum(request.path.endswith("/jobruns") for request in asked) == 5 + 2
    assert len(no_waiting) == 2


def test_the_cluster_is_asked_for_by_name_and_job_runs_by_time(
    account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = refreshed_from(answering(page), monkeypatch)
    again = refreshed_from(answering(page), monkeypatch)
    assert first[0].parameters == {"containerProviderId": ["analytics"], "containerProviderType": ["EKS"]}
    since = [r.parameters.get("createdAfter") for r in (*first, *again) if r.path.endswith("/jobruns")]
    assert since == [None] * 5 + [["2026-10-01T23:00:00Z"]] * 5


def test_throttling_after_all_retries_is_temporary_and_writes_nothing(
    account: EMRContainersBackend, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TemporaryError, match="job runs of the virtual cluster vc1 failed: Rate exceeded"):
        refreshed_from(answering(lambda _: THROTTLED), monkeypatch)
    assert len(no_waiting) == 4
    assert objects() == {}


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDeniedException", AccessDeniedError),
        (400, "ValidationException", ContractError),
        (500, "InternalServerException", UnavailableError),
    ],
)
def test_each_error_of_the_api_is_told_by_what_the_operator_should_do(
    status: int,
    code: str,
    error: type[Exception],
    account: EMRContainersBackend,
    no_waiting: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refused = json_answer({"__type": code, "message": "no"}, status)
    with pytest.raises(error, match=f"Listing the job runs of the virtual cluster vc1 failed: no \\({code}\\)"):
        refreshed_from(answering(lambda _: refused), monkeypatch)
    assert objects() == {}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"createdAt": None}, "JobRun j0 that cannot be read: Object missing required field `createdAt`"),
        ({"state": None}, "`state`"),
        ({"arn": None}, "`arn`"),
        ({"virtualClusterId": None}, "`virtualClusterId`"),
    ],
)
def test_an_answer_that_lacks_what_a_row_needs_is_refused_by_the_name_of_the_field(
    change: dict[str, None], named: str, account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {name: value for name, value in job(0).items() if name not in change}
    with pytest.raises(ContractError, match=named):
        refreshed_from(answering(lambda _: json_answer({"jobRuns": [broken]})), monkeypatch)
    assert objects() == {}
