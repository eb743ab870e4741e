import json
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.config import Config
from moto.emrcontainers.models import EMRContainersBackend

from pipeline.aws import CONFIG
from pipeline.errors import AccessDeniedError, ChargebackError, ContractError, TemporaryError, UnavailableError
from pipeline.inventory import Refreshed
from pipeline.tables import JOB_RUNS, VIRTUAL_CLUSTERS
from tests.captures import Answer, Answering, Request, json_answer, serving
from tests.emr_account import refreshed, rows
from tests.fault_proxy import Fault, faults_before, reset_before


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


def asking(
    server: Answering, monkeypatch: pytest.MonkeyPatch, config: Config = CONFIG
) -> tuple[list[Request], Refreshed]:
    """Refresh the lake from *server*; what it was asked, and what came of it."""
    with serving(server) as upstream:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_CONTAINERS", upstream.url)
        done = refreshed(config=config)
    return upstream.requests, done


def refreshed_from(server: Answering, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    asked, done = asking(server, monkeypatch)
    assert done.errors == ()
    return asked


def failing(server: Answering, monkeypatch: pytest.MonkeyPatch, config: Config = CONFIG) -> ChargebackError:
    """The one error of a refresh."""
    (error,) = asking(server, monkeypatch, config)[1].errors
    return error


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


def test_throttling_after_all_retries_is_temporary_and_nothing_more_is_asked(
    account: EMRContainersBackend, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, done = asking(answering(lambda _: THROTTLED), monkeypatch)
    (error,) = done.errors
    assert isinstance(error, TemporaryError)
    assert "job runs of the virtual cluster vc1 failed: Rate exceeded" in str(error)
    assert len(no_waiting) == 4
    assert [request.path for request in asked] == ["/virtualclusters"] + [f"/virtualclusters/{VC}/jobruns"] * 5
    assert [row["virtual_cluster_id"] for row in rows(VIRTUAL_CLUSTERS)] == [VC]


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
    failed = failing(answering(lambda _: refused), monkeypatch)
    assert isinstance(failed, error)
    assert f"Listing the job runs of the virtual cluster vc1 failed: no ({code})" in str(failed)


# Answers that break the contract

UNREADABLE = {
    "a web page": (Answer(200, "text/html", b"<html>"), "JSON is malformed"),
    "nothing": (Answer(200, "application/json", b""), "Input data was truncated"),
    "half an answer": (Answer(200, "application/json", b'{"jobRuns":[{'), "Input data was truncated"),
    "no UTF-8": (Answer(200, "application/json", b'{"jobRuns":[{"name":"\xff"}]}'), "utf-8"),
    "too deep": (Answer(200, "application/json", b'{"jobRuns":[],"x":' + b"[" * 100_000), "recursion"),
    "an empty object": (json_answer({}), "Object missing required field `jobRuns`"),
    "a list": (json_answer([]), "Expected `object`, got `array`"),
    "null": (json_answer(None), "Expected `object`, got `null`"),
    "null for the job runs": (json_answer({"jobRuns": None}), "`$.jobRuns`"),
    "texts for job runs": (json_answer({"jobRuns": ["j0"]}), "`$.jobRuns[0]`"),
    "a number for a token": (json_answer({"jobRuns": [], "nextToken": 7}), "`$.nextToken`"),
    "one token twice": (json_answer({"jobRuns": [], "nextToken": "t"}), "The same next token was received twice"),
}
for name, value in {"createdAt": "yesterday", "finishedAt": "soon", "tags": [1], "id": 7, "state": None}.items():
    UNREADABLE[f"{value!r} for {name}"] = (json_answer({"jobRuns": [job(0) | {name: value}]}), f"`$.jobRuns[0].{name}`")
for name in ("createdAt", "state", "arn", "virtualClusterId"):
    without = {key: value for key, value in job(0).items() if key != name}
    UNREADABLE[f"no {name}"] = (json_answer({"jobRuns": [without]}), f"required field `{name}` - at `$.jobRuns[0]`")


@pytest.mark.parametrize(("answer", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_an_answer_that_cannot_be_read_is_told_by_the_call_and_the_field(
    answer: Answer, said: str, account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = failing(answering(lambda _: answer), monkeypatch)
    assert isinstance(error, ContractError)
    assert str(error).startswith("Listing the job runs of the virtual cluster vc1 failed: ")
    assert said in str(error)
    assert rows(JOB_RUNS) == []


def test_a_field_that_the_lake_does_not_keep_may_hold_anything(
    account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = job(0) | {"jobDriver": 7, "configurationOverrides": [], "tags": None, "name": None}
    refreshed_from(answering(lambda _: json_answer({"jobRuns": [odd]})), monkeypatch)
    (row,) = rows(JOB_RUNS)
    assert (row["job_run_id"], row["name"], row["tags"], row["namespace"]) == ("j0", None, [], "emr-sales")


# A network that fails

IMPATIENT = Config(read_timeout=0.3, retries={"mode": "standard", "total_max_attempts": 2})


def test_an_api_that_does_not_answer_in_time_is_unavailable_and_is_asked_nothing_more(
    account: EMRContainersBackend, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = Event()

    def never(request: Request) -> Answer:
        ended.wait(60)
        return page(request)

    with serving(answering(never)) as upstream:
        monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_CONTAINERS", upstream.url)
        done = refreshed(config=IMPATIENT)
        ended.set()
    (error,) = done.errors
    assert isinstance(error, UnavailableError)
    assert "Read timeout" in str(error)
    assert [request.path.rpartition("/")[2] for request in upstream.requests] == [
        "virtualclusters",
        "jobruns",
        "jobruns",
    ]
    assert len(rows(VIRTUAL_CLUSTERS)) == 1


def test_a_connection_that_breaks_is_tried_again_and_is_unavailable_in_the_end(
    account: EMRContainersBackend, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(answering(page)) as behind:
        for times, errors in ((1, []), (None, [UnavailableError])):
            with faults_before(behind.url, Fault(reset_before, "GET", "/jobruns", times=times)) as proxy:
                monkeypatch.setenv("AWS_ENDPOINT_URL_EMR_CONTAINERS", proxy.url)
                assert [type(error) for error in refreshed(config=IMPATIENT).errors] == errors
    assert len(rows(JOB_RUNS)) == 5


# One virtual cluster among others

OTHER = ONE | {"id": "vc2", "arn": ARN.replace(VC, "vc2"), "name": "risk"}


def of_two(of_other: Answering, state: str = "RUNNING") -> Answering:
    """EMR with two virtual clusters; about the second one *of_other* answers."""

    def answer(request: Request) -> Answer:
        if request.path == "/virtualclusters":
            return json_answer({"virtualClusters": [OTHER | {"state": state}, ONE]})
        return of_other(request) if "/vc2/" in request.path else answering(page)(request)

    return answer


def test_a_virtual_cluster_that_is_deleted_meanwhile_has_nothing_to_list(
    account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = json_answer({"__type": "ResourceNotFoundException", "message": "Virtual cluster not found"}, 404)
    refreshed_from(of_two(lambda _: gone), monkeypatch)
    assert len(rows(JOB_RUNS)) == 5
    assert {row["virtual_cluster_id"] for row in rows(VIRTUAL_CLUSTERS)} == {VC, "vc2"}


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (json_answer({"__type": "AccessDeniedException", "message": "not for you"}, 403), AccessDeniedError),
        (json_answer({}), ContractError),
    ],
    ids=["access denied", "unreadable"],
)
def test_what_fails_for_one_virtual_cluster_stops_no_other(
    refusal: Answer, error: type[Exception], account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asking(of_two(lambda _: refusal), monkeypatch)[1]
    assert [type(failed) for failed in done.errors] == [error, error], "job runs and endpoints"
    assert all("vc2" in str(failed) for failed in done.errors)
    assert len(rows(JOB_RUNS)) == 5


def test_a_virtual_cluster_that_ended_is_asked_again_until_its_last_job_runs_are_known(
    account: EMRContainersBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusal = json_answer({"__type": "AccessDeniedException", "message": "not for you"}, 403)
    assert asking(of_two(lambda _: refusal, "TERMINATED"), monkeypatch)[1].errors
    last = json_answer({"jobRuns": [job(9) | {"virtualClusterId": "vc2", "arn": f"{OTHER['arn']}/jobruns/j9"}]})
    nothing = json_answer({"endpoints": []})
    refreshed_from(of_two(lambda r: last if r.path.endswith("/jobruns") else nothing, "TERMINATED"), monkeypatch)
    assert "j9" in {row["job_run_id"] for row in rows(JOB_RUNS)}
