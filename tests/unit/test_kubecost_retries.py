from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses
from responses.matchers import header_matcher
from responses.registries import OrderedRegistry
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from pipeline.errors import AccessDeniedError, ChargebackError, ConfigurationError, ContractError, UnavailableError
from pipeline.kubecost import KUBECOST, OPENCOST, RETRY, Kubecost
from pipeline.window import DAY, Window, parse_instant

URL = "http://kubecost.example:9090"
TEN = Window.hour(parse_instant("2026-11-19T10:00Z"))
ASSETS = {"code": 200, "data": [{"n1": {"type": "Node", "properties": {"cluster": "one", "name": "n1"}}}]}


@pytest.fixture
def ordered() -> Iterator[responses.RequestsMock]:
    """A server whose answers must be asked for in their order, every one of them."""
    with responses.RequestsMock(registry=OrderedRegistry) as server:
        yield server


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as server:
        yield server


def allocation(cluster: str | None = "one", name: str = "row") -> dict[str, Any]:
    of = {"node": "n1", "pod": name} | ({"cluster": cluster} if cluster else {})
    return {"name": name, "window": {"start": "2026-11-19T10:00:00Z", "end": "2026-11-19T11:00:00Z"}, "properties": of}


def allocations(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"code": 200, "data": [{str(number): row for number, row in enumerate(rows)}]}


def answering(server: responses.RequestsMock, *rows: dict[str, Any], path: str = "/model") -> None:
    server.get(f"{URL}{path}/assets", json=ASSETS)
    server.get(f"{URL}{path}/allocation", json=allocations(*rows))


def asked(server: responses.RequestsMock, path: str) -> dict[str, list[str]]:
    """The parameters of the last request for *path*."""
    urls = [urlsplit(call.request.url or "") for call in server.calls]
    return parse_qs([url.query for url in urls if url.path == path][-1])


def test_what_may_pass_is_asked_again_until_there_is_an_answer(ordered: responses.RequestsMock) -> None:
    ordered.get(f"{URL}/model/assets", status=503, body="starting")
    ordered.get(f"{URL}/model/assets", status=429, headers={"Retry-After": "1"})
    ordered.get(f"{URL}/model/assets", json=ASSETS)
    assert Kubecost(URL).detect(TEN) is KUBECOST
    assert len(ordered.calls) == 3


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_what_does_not_pass_is_unavailable_after_all_retries(server: responses.RequestsMock, status: int) -> None:
    server.get(f"{URL}/model/assets", status=status, body="try\nlater")
    with pytest.raises(UnavailableError, match=rf"/model/assets answered {status} after all retries: try later"):
        Kubecost(URL).detect(TEN)
    assert len(server.calls) == 1 + 4


@pytest.mark.parametrize(
    ("status", "error", "said"),
    [
        (400, ContractError, "answered 400: no"),
        (401, AccessDeniedError, "answered 401: it wants other credentials. Check CHARGEBACK_KUBECOST_API_KEY"),
        (403, AccessDeniedError, "answered 403: it wants other credentials. Check CHARGEBACK_KUBECOST_API_KEY"),
        (418, ContractError, "answered 418: no"),
        (501, UnavailableError, "answered 501 after all retries: no"),
    ],
)
def test_what_will_not_change_is_asked_once(
    server: responses.RequestsMock, status: int, error: type[ChargebackError], said: str
) -> None:
    server.get(f"{URL}/model/assets", status=status, json={"message": "no"})
    with pytest.raises(error, match=said):
        Kubecost(URL).detect(TEN)
    assert len(server.calls) == 1


def test_a_path_that_is_not_there_is_asked_for_once_in_each_dialect(ordered: responses.RequestsMock) -> None:
    ordered.get(f"{URL}/model/assets", status=404)
    ordered.get(f"{URL}/assets", status=404)
    with pytest.raises(ConfigurationError, match=f"There is no Kubecost at {URL}: neither /model/assets nor /assets"):
        Kubecost(URL).detect(TEN)


class Noting(Retry):
    """Retries as it should, but notes how long the server asked to wait instead of waiting."""

    waits: ClassVar[list[float | None]] = []

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        heeded = response is not None and self.respect_retry_after_header
        self.waits.append(self.get_retry_after(response) if response and heeded else None)


class Busy(BaseHTTPRequestHandler):
    """Asks for patience twice, and then answers."""

    answers: ClassVar[list[tuple[int, str]]] = [(429, "7"), (503, "11"), (200, "0")]

    def do_GET(self) -> None:
        status, patience = self.answers.pop(0)
        self.send_response(status)
        self.send_header("Retry-After", patience)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"code": 200, "data": []}')

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_a_server_that_asks_for_patience_gets_it() -> None:
    policy = Noting(
        total=RETRY.total,
        status_forcelist=RETRY.status_forcelist,
        allowed_methods=RETRY.allowed_methods,
        respect_retry_after_header=RETRY.respect_retry_after_header,
        raise_on_status=RETRY.raise_on_status,
    )
    with HTTPServer(("127.0.0.1", 0), Busy) as busy:
        thread = Thread(target=busy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            assert Kubecost(f"http://127.0.0.1:{busy.server_port}", retry=policy).detect(TEN) is KUBECOST
        finally:
            busy.shutdown()
            thread.join()
    assert Noting.waits == [7, 11]


def test_the_time_between_retries_grows_and_is_not_the_same_for_all() -> None:
    assert RETRY.backoff_factor > 0
    assert RETRY.backoff_jitter > 0
    assert RETRY.total == 4


def test_kubecost_is_asked_for_plain_hours_without_idle_or_shared_cost(server: responses.RequestsMock) -> None:
    answering(server, allocation())
    assert Kubecost(URL).window(TEN).source == KUBECOST.source == "kubecost"
    window = {"window": ["2026-11-19T10:00:00Z,2026-11-19T11:00:00Z"]}
    assert asked(server, "/model/allocation") == window | {
        "step": ["1h"],
        "accumulate": ["false"],
        "idle": ["false"],
        "shareTenancyCosts": ["false"],
        "external": ["false"],
    }
    assert asked(server, "/model/assets") == window


def test_opencost_is_asked_in_its_own_words(server: responses.RequestsMock) -> None:
    server.get(f"{URL}/model/assets", status=404, body="404 page not found")
    answering(server, allocation(), path="")
    assert Kubecost(URL).window(TEN).source == OPENCOST.source == "opencost"
    window = {"window": ["2026-11-19T10:00:00Z,2026-11-19T11:00:00Z"]}
    assert asked(server, "/allocation") == window | {"accumulate": ["false"], "includeIdle": ["false"]}
    assert asked(server, "/assets") == window


def test_a_day_is_asked_for_in_steps_of_a_day(server: responses.RequestsMock) -> None:
    row = allocation() | {"window": {"start": "2026-11-19T00:00:00Z", "end": "2026-11-20T00:00:00Z"}}
    answering(server, row)
    midnight = parse_instant("2026-11-19")
    assert len(Kubecost(URL).window(Window(midnight, midnight + DAY)).allocations) == 1
    assert asked(server, "/model/allocation")["step"] == ["1d"]
    assert asked(server, "/model/allocation")["window"] == ["2026-11-19T00:00:00Z,2026-11-20T00:00:00Z"]


@pytest.mark.parametrize("address", [URL, f"{URL}/", f"{URL}/model", f"{URL}/model/"])
def test_the_address_may_end_with_a_slash_or_with_model(server: responses.RequestsMock, address: str) -> None:
    answering(server, allocation())
    assert len(Kubecost(address).window(TEN).allocations) == 1


def test_the_dialect_is_looked_for_once(server: responses.RequestsMock) -> None:
    answering(server, allocation())
    kubecost = Kubecost(URL)
    kubecost.window(TEN)
    kubecost.window(TEN)
    assert len(server.calls) == 1 + 2 + 2


def test_the_api_key_goes_along_with_every_request(server: responses.RequestsMock) -> None:
    match = [header_matcher({"X-API-KEY": "key-1"})]
    server.get(f"{URL}/model/assets", json=ASSETS, match=match)
    server.get(f"{URL}/model/allocation", json=allocations(allocation()), match=match)
    assert len(Kubecost(URL, api_key="key-1").window(TEN).allocations) == 1


def test_without_a_key_none_is_sent(server: responses.RequestsMock) -> None:
    answering(server, allocation())
    Kubecost(URL).window(TEN)
    assert not any("X-API-KEY" in call.request.headers for call in server.calls)


def test_of_several_clusters_none_is_guessed(server: responses.RequestsMock) -> None:
    answering(server, allocation("one"), allocation("two"))
    with pytest.raises(ConfigurationError, match="speaks of several clusters: one, two"):
        Kubecost(URL).window(TEN)


def test_with_a_cluster_id_only_that_clusters_rows_and_nodes_come(server: responses.RequestsMock) -> None:
    nodes = {name: {"type": "Node", "properties": {"cluster": name, "name": name}} for name in ("one", "two")}
    server.get(f"{URL}/model/assets", json={"code": 200, "data": [nodes]})
    rows = (allocation("one", "a"), allocation("two", "b"), allocation("one", "c"))
    server.get(f"{URL}/model/allocation", json=allocations(*rows))
    answer = Kubecost(URL, cluster_id="one").window(TEN)
    assert [row.name for row in answer.allocations] == ["a", "c"]
    assert [node.properties and node.properties.name for node in answer.nodes] == ["one"]


def test_a_cluster_id_that_the_server_does_not_know_is_a_setting_to_correct(server: responses.RequestsMock) -> None:
    answering(server, allocation("one"), allocation("two"))
    with pytest.raises(ConfigurationError, match="knows no cluster 'three', only one"):
        Kubecost(URL, cluster_id="three").window(TEN)


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
    server.get(f"{address}/model/assets", **failure)
    with pytest.raises(ChargebackError, match=f"{URL}/model/assets") as failed:
        Kubecost(address).detect(TEN)
    assert "hunter2" not in str(failed.value)
    assert server.calls[0].request.headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://finops:hunter2@kubecost:port", "http://kubecost:port/model/assets is not an address"),
        ("http://finops:hunter2@127.0.0.1:9", "http://127.0.0.1:9/model/assets cannot be reached"),
    ],
)
def test_an_address_that_leads_nowhere_is_shown_without_its_credentials(address: str, said: str) -> None:
    with pytest.raises(ChargebackError, match=said) as failed:
        Kubecost(address, retry=Retry(0)).detect(TEN)
    assert "hunter2" not in str(failed.value)
