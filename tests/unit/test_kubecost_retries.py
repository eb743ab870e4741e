from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import responses
from responses.registries import OrderedRegistry
from urllib3.response import BaseHTTPResponse
from urllib3.util import Retry

from pipeline.answers import OtherClustersError
from pipeline.errors import AccessDeniedError, ChargebackError, ConfigurationError, ContractError, UnavailableError
from pipeline.kubecost import KUBECOST, OPENCOST, RETRY, Kubecost, NoDataError
from pipeline.window import DAY, Window, parse_instant
from tests.mocked_kubecost import ASSETS, ASSETS_OF_OPENCOST, NODES, TEN, URL, allocation, allocations, answering


@pytest.fixture
def ordered() -> Iterator[responses.RequestsMock]:
    """A server whose answers must be asked for in their order, every one of them."""
    with responses.RequestsMock(registry=OrderedRegistry) as server:
        yield server


@pytest.fixture
def server() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as server:
        yield server


def asked(server: responses.RequestsMock, path: str) -> dict[str, list[str]]:
    """The parameters of the last request for *path*."""
    urls = [urlsplit(call.request.url or "") for call in server.calls]
    return parse_qs([url.query for url in urls if url.path == path][-1])


def test_what_may_pass_is_asked_again_until_there_is_an_answer(ordered: responses.RequestsMock) -> None:
    ordered.get(f"{URL}/model/assets", status=503, body="starting")
    ordered.get(f"{URL}/model/assets", status=429, headers={"Retry-After": "1"})
    ordered.get(f"{URL}/model/assets", json=ASSETS)
    assert Kubecost(URL).detect(TEN) == KUBECOST
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


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_the_web_page_of_a_proxy_whose_server_is_away_is_no_login_page(
    server: responses.RequestsMock, status: int
) -> None:
    page = "<html><h1>Gateway Time-out</h1></html>"
    server.get(f"{URL}/model/assets", status=status, body=page, content_type="text/html")
    with pytest.raises(UnavailableError, match=f"answered {status} after all retries: a web page$"):
        Kubecost(URL, retry=Retry(0, raise_on_status=False)).detect(TEN)


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
            assert Kubecost(f"http://127.0.0.1:{busy.server_port}", retry=policy).detect(TEN) == KUBECOST
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
    answering(server, allocation(), path="", assets=ASSETS_OF_OPENCOST)
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


def test_opencost_behind_its_own_web_server_is_told_by_its_assets(server: responses.RequestsMock) -> None:
    answering(server, allocation(), assets=ASSETS_OF_OPENCOST)
    kubecost = Kubecost(URL)
    assert kubecost.window(TEN).source == "opencost"
    assert kubecost.detect(TEN).hourly_retention == OPENCOST.hourly_retention
    assert asked(server, "/model/allocation")["includeIdle"] == ["false"]


def test_a_port_of_kubecost_without_its_web_server_is_told_by_its_assets(server: responses.RequestsMock) -> None:
    server.get(f"{URL}/model/assets", status=404, body="404 page not found")
    answering(server, allocation(), path="")
    kubecost = Kubecost(URL)
    assert kubecost.window(TEN).source == "kubecost"
    assert kubecost.detect(TEN).hourly_retention == KUBECOST.hourly_retention
    assert asked(server, "/allocation")["step"] == ["1h"]


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


def test_an_hour_in_which_only_other_clusters_have_rows_is_no_data_and_says_of_which(
    server: responses.RequestsMock,
) -> None:
    answering(server, allocation("one"), allocation("two"))
    with pytest.raises(OtherClustersError, match="about one, two and has no row of 'three'"):
        Kubecost(URL, cluster_id="three").window(TEN)


def test_an_answer_says_of_which_cluster_it_is(server: responses.RequestsMock) -> None:
    answering(server, allocation(None), allocation("one"))
    assert Kubecost(URL).window(TEN).cluster_id == "one"
    server.reset()
    answering(server, allocation(None))
    assert Kubecost(URL).window(TEN).cluster_id is None


IDLE = {"name": "one/__idle__", "properties": {"cluster": "one"}, "window": allocation()["window"], "totalCost": 5.0}


def test_idle_capacity_that_comes_unasked_is_left_out_and_said_once(
    server: responses.RequestsMock, caplog: pytest.LogCaptureFixture
) -> None:
    merged = IDLE | {"name": "__idle__"}
    answering(server, allocation(name="a"), IDLE, merged, allocation(name="__unmounted__"))
    kubecost = Kubecost(URL)
    for _ in range(2):
        assert [row.name for row in kubecost.window(TEN).allocations] == ["a", "__unmounted__"]
    assert [r.message for r in caplog.records if "idle" in r.message] == [
        "upstream sends idle capacity unasked; it is left out"
    ]


def test_an_hour_with_nothing_but_idle_capacity_is_no_data(server: responses.RequestsMock) -> None:
    answering(server, IDLE)
    with pytest.raises(NoDataError, match="has no allocations for"):
        Kubecost(URL).window(TEN)


BOUNDARY = (
    "boundary error: requested [2026-11-19T10:00:00+0000, 2026-11-19T11:00:00+0000); supported "
    "[2026-11-20T00:00:00+0000, 2026-11-21T12:00:00+0000): Store[1h]: store does not have coverage to perform query"
)


@pytest.mark.parametrize(
    "failure",
    [
        {"status": 500, "json": {"code": 500, "data": None, "message": BOUNDARY}},
        {"status": 500, "body": f"Error getting assets: {BOUNDARY}", "content_type": "text/plain"},
        {"status": 200, "json": {"code": 500, "data": None, "message": BOUNDARY}},
        {"status": 400, "json": {"code": 400, "message": "Store[1d]: store does not have coverage to perform query"}},
    ],
)
@pytest.mark.parametrize("path", ["/model/allocation", "/model/assets"])
def test_an_hour_that_no_store_reaches_is_no_data(
    server: responses.RequestsMock, path: str, failure: dict[str, Any]
) -> None:
    server.get(f"{URL}{path}", **failure)
    other = (
        ("/model/assets", ASSETS) if path == "/model/allocation" else ("/model/allocation", allocations(allocation()))
    )
    server.get(f"{URL}{other[0]}", json=other[1])
    with pytest.raises(NoDataError, match="keeps no data of"):
        Kubecost(URL, retry=Retry(0, raise_on_status=False)).window(TEN)


def test_a_server_that_has_nothing_of_the_hour_has_shown_its_dialect_all_the_same(
    server: responses.RequestsMock,
) -> None:
    server.get(f"{URL}/model/assets", status=500, json={"code": 500, "message": BOUNDARY})
    assert Kubecost(URL, retry=Retry(0, raise_on_status=False)).detect(TEN) == KUBECOST


@pytest.mark.parametrize("nameless", [{"node": "n1"}, None])
def test_with_a_cluster_id_a_row_that_names_no_cluster_is_refused_not_dropped(
    server: responses.RequestsMock, nameless: dict[str, Any] | None
) -> None:
    answering(server, allocation("one"), allocation() | {"properties": nameless})
    with pytest.raises(ContractError, match="1 rows that name no cluster, which may belong to 'one' or not"):
        Kubecost(URL, cluster_id="one").window(TEN)


def test_with_a_cluster_id_a_node_that_names_no_cluster_is_refused_and_a_bucket_is_not(
    server: responses.RequestsMock,
) -> None:
    bucket = {"bucket": {"type": "Cloud", "properties": {"providerID": "logs"}}}
    answering(server, allocation("one"), assets={"code": 200, "data": [NODES | bucket]})
    assert len(Kubecost(URL, cluster_id="one").window(TEN).nodes) == 1
    server.reset()
    answering(server, allocation("one"), assets={"code": 200, "data": [NODES | {"n2": {"type": "Node"}}]})
    with pytest.raises(ContractError, match="1 rows that name no cluster"):
        Kubecost(URL, cluster_id="one").window(TEN)


def test_without_a_cluster_id_rows_that_name_no_cluster_are_the_only_ones_there_are(
    server: responses.RequestsMock,
) -> None:
    answering(server, allocation(None, "a"), allocation("one", "b"))
    assert [row.name for row in Kubecost(URL).window(TEN).allocations] == ["a", "b"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"code": 200, "data": [{"row": ',
        b'{"code": 200, "data": [{"\xff": {}}]}',
        b'{"code": 200, "data": [{}], "more": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"code": 1e999}',
        b'{"code": 200, "data": [{"row": {"name": "row", "window": {"start": "null", "end": "null"}}}]}',
    ],
    ids=["empty", "truncated", "no UTF-8", "too deep", "too large", "an open window"],
)
def test_what_cannot_be_read_is_one_sentence(server: responses.RequestsMock, body: bytes) -> None:
    server.get(f"{URL}/model/assets", json=ASSETS)
    server.get(f"{URL}/model/allocation", body=body, content_type="application/json")
    with pytest.raises(ContractError, match="gave an answer to /allocation that cannot be read"):
        Kubecost(URL).window(TEN)


def test_an_answer_about_the_beginning_of_time_is_refused_like_any_other(server: responses.RequestsMock) -> None:
    window = {"start": "0001-01-01T00:00:00+14:00", "end": "9999-12-31T23:59:59-14:00"}
    answering(server, allocation() | {"window": window})
    with pytest.raises(ContractError, match="answered for 0001-01-01T00:00:00"):
        Kubecost(URL).window(TEN)
