"""What Trino's client says of answers that a Trino 476 gave, and of servers that are none, in one sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import (
    AccessDeniedError,
    ChargebackError,
    ConfigurationError,
    ContractError,
    TemporaryError,
    UnavailableError,
)
from pipeline.warehouse import Warehouse
from tests.contract.test_private_ca import authority, serving_with
from tests.fault_proxy import Exchange, Fault, faults_before, replied

pytestmark = pytest.mark.trino

NOBODY = "http://127.0.0.1:1"
FAILURES = [
    (
        "COLUMN_NOT_FOUND",
        "USER_ERROR",
        "line 1:8: Column 'nope' cannot be resolved",
        ContractError,
        "COLUMN_NOT_FOUND: line 1:8: Column 'nope' cannot be resolved.",
    ),
    ("DIVISION_BY_ZERO", "USER_ERROR", "Division by zero", ContractError, "DIVISION_BY_ZERO: Division by zero."),
    (
        "HIVE_BAD_DATA",
        "EXTERNAL",
        "Not valid Parquet file: s3://lake/x\nExpected magic number: PAR1",
        ContractError,
        "HIVE_BAD_DATA: Not valid Parquet file: s3://lake/x.",
    ),
    (
        "PERMISSION_DENIED",
        "USER_ERROR",
        "Access Denied: Cannot create view awsdatacatalog.chargeback.v",
        AccessDeniedError,
        "PERMISSION_DENIED: Access Denied: Cannot create view awsdatacatalog.chargeback.v.",
    ),
    (
        "SERVER_STARTING_UP",
        "INTERNAL_ERROR",
        "Trino server is still initializing",
        TemporaryError,
        "SERVER_STARTING_UP: Trino server is still initializing. Try again later.",
    ),
]
REFUSALS = [
    (401, b"Basic authentication or X-Trino-Original-User or X-Trino-User must be sent", AccessDeniedError),
    (403, b"Access Denied: User test cannot impersonate user root", AccessDeniedError),
    (404, b"", ConfigurationError),
    (503, b"", UnavailableError),
    (200, b"<html>Sign in</html>", ConfigurationError),
    (200, b"{}", ConfigurationError),
]


def failure(name: str, kind: str, message: str) -> dict[str, Any]:
    """A query's last answer, as Trino gives it."""
    error = {"message": message, "errorCode": 1, "errorName": name, "errorType": kind, "failureInfo": {"stack": []}}
    return {"id": "q", "infoUri": f"{NOBODY}/ui/query.html?q", "stats": {"state": "FAILED"}, "error": error}


def queued(url: str) -> dict[str, Any]:
    """A query's first answer, which says where the next one is."""
    return {"id": "q", "infoUri": url, "nextUri": f"{url}/v1/statement/executing/q", "stats": {"state": "QUEUED"}}


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """A server that gives one answer, whatever it is asked; yields where it is, as in an SQLAlchemy URL."""
    with faults_before(NOBODY, Fault(replied(status, body), None, times=None)) as server:
        yield server.url.removeprefix("http://")


def asked(url: str) -> ChargebackError:
    """What becomes of a query there."""
    with pytest.raises(ChargebackError) as failed:
        Warehouse(url).query("SELECT nope FROM nodes", "The check ledger_is_whole")
    assert "hunter2" not in str(failed.value)
    return failed.value


@pytest.mark.parametrize(("name", "kind", "message", "error", "reason"), FAILURES, ids=[case[0] for case in FAILURES])
def test_a_query_that_trino_fails_is_told_with_its_own_name_and_message(
    name: str, kind: str, message: str, error: type[ChargebackError], reason: str
) -> None:
    def answer(exchange: Exchange) -> None:
        where = f"http://{exchange.headers['Host']}"
        body = queued(where) if exchange.command == "POST" else failure(name, kind, message)
        replied(200, json.dumps(body).encode(), Content_Type="application/json")(exchange)

    with faults_before(NOBODY, Fault(answer, None, times=None)) as server:
        found = asked(f"{server.url.replace('http://', 'trino://test@')}/awsdatacatalog/chargeback")
    assert isinstance(found, error)
    assert str(found) == f"The check ledger_is_whole failed: {reason}"


@pytest.mark.parametrize(("status", "body", "error"), REFUSALS, ids=str)
def test_an_answer_that_is_no_querys_names_the_setting_and_the_server(
    status: int, body: bytes, error: type[ChargebackError]
) -> None:
    with answering(status, body) as place:
        found = asked(f"trino://test:hunter2@{place}/awsdatacatalog/chargeback?allow_insecure_auth=true")
    assert type(found) is error
    assert f"the Trino of CHARGEBACK_SQL_URL, {place}," in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize("password", ["hunter2", "@hunter2", "hunter2@"])
def test_a_server_that_is_not_there_is_unavailable(password: str) -> None:
    found = asked(f"trino://test:{password}@127.0.0.1:1/awsdatacatalog/chargeback?allow_insecure_auth=true")
    assert isinstance(found, UnavailableError)
    assert str(found) == (
        "The check ledger_is_whole failed: the Trino of CHARGEBACK_SQL_URL, 127.0.0.1:1, cannot be reached "
        "(ConnectionRefusedError). Is the address right, and the server up?"
    )


def test_a_password_goes_over_tls_to_a_server_that_can_be_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # to which requests gives way
        monkeypatch.delenv(name, raising=False)
    ours = authority(tmp_path, "our-ca")
    with serving_with(ours.sign(tmp_path)) as server:
        url = f"{server.replace('https://', 'trino://test:hunter2@')}/awsdatacatalog/chargeback"
        stranger = asked(url)
        known = asked(f'{url}?verify="{ours.bundle}"')
    assert isinstance(stranger, ConfigurationError)
    assert "cannot be trusted" in str(stranger)
    assert "(HTTP 501)" in str(known), "it was asked, and has no queries"


@pytest.mark.parametrize("url", ["trino://:hunter2@host/catalog/schema", "trino://test@host/a/b/c", "trino:///a/b"])
def test_a_url_that_the_client_cannot_use_is_named_without_being_shown(url: str) -> None:
    with pytest.raises(ConfigurationError, match="CHARGEBACK_SQL_URL is not as its dialect wants it") as failed:
        Warehouse(url)
    assert url not in str(failed.value)
