import re
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
import requests
import responses
from responses.matchers import header_matcher
from urllib3.util import Retry

from pipeline.errors import ChargebackError, ConfigurationError, ContractError
from pipeline.kubecost import Kubecost
from tests.mocked_kubecost import ASSETS, TEN, URL, allocation, allocations, answering


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as server:
        yield server


def test_the_api_key_goes_along_with_every_request(server: responses.RequestsMock) -> None:
    match = [header_matcher({"X-API-KEY": "key-1"})]
    server.get(f"{URL}/model/assets", json=ASSETS, match=match)
    server.get(f"{URL}/model/allocation", json=allocations(allocation()), match=match)
    assert len(Kubecost(URL, api_key="key-1").window(TEN).allocations) == 1


def test_without_a_key_none_is_sent(server: responses.RequestsMock) -> None:
    answering(server, allocation())
    Kubecost(URL).window(TEN)
    assert not any("X-API-KEY" in call.request.headers for call in server.calls)


def basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


def secrets_in(error: BaseException | None) -> list[str]:
    """What an error, and all that led to it, say of the key or the password."""
    said = []
    while error is not None:
        said += [text for text in (str(error), repr(error.args)) if "hunter2" in text or "key-1" in text]
        error = error.__cause__ or error.__context__
    return said


FAILURES: dict[str, dict[str, Any]] = {
    "bad request": {"status": 400},
    "other credentials": {"status": 401},
    "unavailable": {"status": 503},
    "a web page": {"body": "<html>", "content_type": "text/html"},
    "text": {"body": "hello", "content_type": "text/plain"},
    "no connection": {"body": requests.exceptions.ConnectionError("refused")},
    "no answer in time": {"body": requests.exceptions.ReadTimeout("slow")},
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_credentials_in_the_address_are_sent_and_never_shown(
    server: responses.RequestsMock, failure: dict[str, Any]
) -> None:
    address = URL.replace("//", "//finops:hunter2@")
    server.get(f"{URL}/model/assets", **failure)
    with pytest.raises(ChargebackError, match=f"{URL}/model/assets") as failed:
        Kubecost(address, api_key="key-1").detect(TEN)
    assert not secrets_in(failed.value)
    assert server.calls[0].request.headers["Authorization"] == basic("finops", "hunter2")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://finops:hunter2@kubecost:port", "http://kubecost:port/model/assets is not an address"),
        ("http://finops:hunter2@127.0.0.1:9", "http://127.0.0.1:9/model/assets cannot be reached"),
        ("http://finops:2/hunter2@127.0.0.1:9", "http://127.0.0.1:9/model/assets cannot be reached"),
        ("http://finops:hunter2#x@127.0.0.1:9", "http://127.0.0.1:9/model/assets cannot be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_shown_without_its_credentials(address: str, said: str) -> None:
    with pytest.raises(ChargebackError, match=said) as failed:
        Kubecost(address, api_key="key-1", retry=Retry(0)).detect(TEN)
    assert not secrets_in(failed.value)


@pytest.mark.parametrize(
    ("user", "password"), [("finops", "p@ss:w/rd"), ("jörg", "hunter2"), ("finops", "пароль"), ("finops", "")]
)
def test_any_password_can_be_written_into_the_address(server: responses.RequestsMock, user: str, password: str) -> None:
    answering(server, allocation())
    Kubecost(f"http://{quote(user, '')}:{quote(password, '')}@kubecost.example:9090").window(TEN)
    sent = {call.request.headers["Authorization"] for call in server.calls}
    assert sent == {basic(user, password)}
    assert not any("@" in (call.request.url or "") for call in server.calls)


@pytest.mark.parametrize("key", ["key-1\n", " key-1", "key-1\r\nX-Other: yes", "key-1é", "key-1\u2028", "key-1\x00"])
def test_a_key_that_no_header_may_hold_is_refused_and_never_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="CHARGEBACK_KUBECOST_API_KEY holds what no HTTP header") as failed:
        Kubecost(URL, api_key=key)
    assert not secrets_in(failed.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed_so_that_the_key_goes_nowhere_else(server: responses.RequestsMock, status: int) -> None:
    login = "https://sso.example/login?token=hunter2#hunter2"
    server.get(f"{URL}/model/assets", status=status, headers={"Location": login}, body="<html>")
    said = rf"/model/assets answered {status} and leads to https://sso.example/login, where the key is not sent"
    with pytest.raises(ContractError, match=said) as failed:
        Kubecost(URL, api_key="key-1").detect(TEN)
    assert not secrets_in(failed.value)


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/model/assets/", f"{URL}/model/assets/"),
        ("https://finops:hunter2@kubecost.example/model/assets", "https://kubecost.example/model/assets"),
        ("https://sso.example/@finops", "https://sso.example/@finops"),
        ("http://[", "what is no address"),
    ],
)
def test_where_a_redirect_leads_is_said_whole_and_without_credentials(
    server: responses.RequestsMock, location: str, shown: str
) -> None:
    server.get(f"{URL}/model/assets", status=301, headers={"Location": location})
    with pytest.raises(ContractError, match=re.escape(f"leads to {shown}, where")) as failed:
        Kubecost(URL).detect(TEN)
    assert not secrets_in(failed.value)
