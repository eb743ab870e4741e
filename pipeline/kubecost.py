"""How Kubecost and OpenCost are asked about a window, and which of their answers are refused.

Source: https://github.com/opencost/opencost (pkg/costmodel/router.go) and Kubecost's API documentation. The two differ
in base path and parameters; shapes are read alike: assets as a list or as one object, with `status` or without.
"""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from pipeline.errors import AccessDeniedError, ConfigurationError, ContractError, UnavailableError
from pipeline.models import Allocation, Asset, WindowAnswer, WireWindow
from pipeline.window import HOUR, Window, rfc3339

log = logging.getLogger(__name__)

RETRY = Retry(
    total=4,
    backoff_factor=0.5,
    backoff_jitter=0.5,
    status_forcelist=(429, 500, 502, 503, 504),
    allowed_methods=("GET",),
    respect_retry_after_header=True,
    raise_on_status=False,
)
"""About 7 seconds in all, `Retry-After` apart; what fails longer is left to the next run, which finds the gap."""

CONNECT_SECONDS = 10
READ_SECONDS = 310  # Kubecost's own proxy gives up after 300
_MESSAGE_LENGTH = 300  # OpenCost repeats whole PromQL queries: 33 kB have been seen


class NoDataError(ContractError):
    """A well-formed answer without any row: right before history began, wrong after."""


@dataclass(frozen=True)
class Dialect:
    """One flavour of the API: where it lies, what an allocation request carries, how long it keeps hours by default."""

    source: str
    path: str
    allocation_parameters: Mapping[str, str]
    hourly_retention: timedelta


KUBECOST = Dialect(
    "kubecost",
    "/model",
    {
        "accumulate": "false",
        "idle": "false",
        "shareTenancyCosts": "false",
        "external": "false",
    },
    timedelta(hours=49),
)
OPENCOST = Dialect("opencost", "", {"accumulate": "false", "includeIdle": "false"}, timedelta(days=15))


class _AllocationAnswer(msgspec.Struct, frozen=True):
    code: int
    data: list[dict[str, Allocation] | None] | None = None
    message: str | None = None


class _AssetAnswer(msgspec.Struct, frozen=True):
    code: int
    data: list[dict[str, Asset] | None] | dict[str, Asset] | None = None
    message: str | None = None


class _ErrorAnswer(msgspec.Struct, frozen=True):
    message: str | None = None


_Answer = TypeVar("_Answer", _AllocationAnswer, _AssetAnswer)

_ALLOCATION = msgspec.json.Decoder(_AllocationAnswer)
_ASSETS = msgspec.json.Decoder(_AssetAnswer)
_ERROR = msgspec.json.Decoder(_ErrorAnswer)


class Kubecost:
    """A Kubecost or OpenCost server; which of the two, the first request finds out.

    *url* is the server's address; user and password in it are sent but never shown. *cluster_id* is Kubecost's own
    name of the cluster, needed where a server speaks of several.
    """

    def __init__(
        self,
        url: str,
        *,
        cluster_id: str | None = None,
        api_key: str | None = None,
        ca_bundle: str | None = None,
        retry: Retry = RETRY,
    ) -> None:
        self._base = url.rstrip("/").removesuffix("/model")
        self._shown = without_credentials(self._base)
        self._cluster_id = cluster_id
        self._session = _session(api_key, ca_bundle, retry)
        self._dialect: Dialect | None = None

    def window(self, window: Window) -> WindowAnswer:
        """Ask for all containers and nodes of *window*, unaggregated, in two calls at once.

        Raises:
            NoDataError: the server knows nothing of that time.
            ContractError: the answer is none that may be written.
            UnavailableError: no answer after all retries.
            AccessDeniedError: the server wants other credentials.
            ConfigurationError: there is no Kubecost at that address, or several clusters and no cluster ID.
        """
        dialect = self.detect(window)
        with ThreadPoolExecutor(max_workers=2) as calls:
            asked = calls.submit(self._get, dialect, "/assets", _parameters(window))
            allocations = self._allocations(
                self._get(dialect, "/allocation", _allocation_query(dialect, window)), window
            )
            nodes = self._nodes(asked.result(), window)
        return WindowAnswer(window, allocations, nodes, dialect.source)

    def detect(self, window: Window) -> Dialect:
        """Find the dialect by asking about *window*: OpenCost's own port answers 404 to Kubecost's paths."""
        if self._dialect is not None:
            return self._dialect
        for dialect in (KUBECOST, OPENCOST):
            response = self._request(dialect, "/assets", _parameters(window))
            if response.status_code != requests.codes.not_found:
                self._body(response, dialect, "/assets")  # a login page is no sign of either
                self._dialect = dialect
                log.info("upstream found", extra={"source": dialect.source, "url": self._shown})
                return dialect
        raise ConfigurationError(
            f"There is no Kubecost at {self._shown}: neither /model/assets nor /assets exists there. "
            "Set CHARGEBACK_KUBECOST_URL to its address, such as http://kubecost-cost-analyzer.kubecost:9090."
        )

    def _get(self, dialect: Dialect, path: str, parameters: Mapping[str, str]) -> bytes:
        return self._body(self._request(dialect, path, parameters), dialect, path)

    def _body(self, response: requests.Response, dialect: Dialect, path: str) -> bytes:
        """The body of an answer that is JSON and says 200."""
        where = f"{self._shown}{dialect.path}{path}"
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        status = response.status_code
        if status in (requests.codes.unauthorized, requests.codes.forbidden):
            raise AccessDeniedError(
                f"{where} answered {status}: it wants other credentials. Check CHARGEBACK_KUBECOST_API_KEY."
            )
        if kind == "text/html":
            raise ContractError(
                f"{where} answered with a web page instead of JSON (status {status}): a login page, or not Kubecost's "
                "address. Check CHARGEBACK_KUBECOST_URL and CHARGEBACK_KUBECOST_API_KEY."
            )
        if status >= requests.codes.internal_server_error or status == requests.codes.too_many_requests:
            raise UnavailableError(f"{where} answered {status} after all retries: {_said(response)}")
        if status != requests.codes.ok:
            raise ContractError(f"{where} answered {status}: {_said(response)}")
        if kind != "application/json":
            raise ContractError(f"{where} answered with {kind or 'no content type'} instead of JSON: {_said(response)}")
        return response.content

    def _request(self, dialect: Dialect, path: str, parameters: Mapping[str, str]) -> requests.Response:
        url = f"{self._base}{dialect.path}{path}"
        with self._translated(url):
            return self._session.get(url, params=parameters, timeout=(CONNECT_SECONDS, READ_SECONDS))

    @contextmanager
    def _translated(self, url: str) -> Iterator[None]:
        """Turn what requests raises into our errors: every one of its errors derives from RequestException."""
        where = without_credentials(url)
        try:
            yield
        except requests.exceptions.SSLError as error:
            raise ConfigurationError(
                f"{where} showed a certificate that is not trusted. Set CHARGEBACK_KUBECOST_CA_BUNDLE to its CA."
            ) from error
        except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
            raise ConfigurationError(f"{where} is not an address. Check CHARGEBACK_KUBECOST_URL.") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise UnavailableError(f"{where} broke off in the middle of its answer; nothing of it was used.") from error
        except requests.exceptions.Timeout as error:
            raise UnavailableError(f"{where} did not answer in time.") from error
        except requests.exceptions.RequestException as error:
            raise UnavailableError(
                f"{where} cannot be reached ({type(_root(error)).__name__}). Is the address right, and the server up?"
            ) from error

    def _allocations(self, body: bytes, window: Window) -> tuple[Allocation, ...]:
        answer = self._decoded(_ALLOCATION, body, "/allocation")
        sets = [rows for rows in answer.data or () if rows]
        if not sets:
            raise NoDataError(f"{self._shown} has no allocations for {window}.")
        if len(answer.data or ()) != 1:
            raise ContractError(f"{self._shown} answered with {len(answer.data or ())} windows instead of {window}.")
        rows = self._of_cluster(sets[0])
        for row in rows:
            self._check_window(row.window, window)
        if not any(row.properties and row.properties.node for row in rows):
            raise ContractError(
                f"{self._shown} answered for {window} with no row that has a node: its query for the pods failed."
            )
        return rows

    def _nodes(self, body: bytes, window: Window) -> tuple[Asset, ...]:
        answer = self._decoded(_ASSETS, body, "/assets")
        sets = [answer.data] if isinstance(answer.data, dict) else answer.data or []
        assets = self._of_cluster({key: asset for found in sets for key, asset in (found or {}).items()})
        nodes = tuple(asset for asset in assets if asset.type == "Node")
        for node in nodes:
            if node.window:
                self._check_window(node.window, window)
        if not nodes:
            raise ContractError(f"{self._shown} has no node assets for {window}, although it has allocations.")
        return nodes

    def _decoded(self, decoder: "msgspec.json.Decoder[_Answer]", body: bytes, path: str) -> _Answer:
        try:
            answer = decoder.decode(body)
        except msgspec.DecodeError as error:
            raise ContractError(
                f"{self._shown} gave an answer to {path} that cannot be read: {_cut(str(error))}"
            ) from error
        if answer.code != requests.codes.ok:
            raise ContractError(f"{self._shown} answered {path} with code {answer.code}: {_cut(answer.message or '')}")
        return answer

    def _of_cluster(self, rows: "Mapping[str, _Row]") -> "tuple[_Row, ...]":
        """The rows of our cluster: all of them, unless they speak of several."""
        clusters = {row.properties.cluster for row in rows.values() if row.properties and row.properties.cluster}
        if self._cluster_id is not None:
            if clusters and self._cluster_id not in clusters:
                raise ConfigurationError(
                    f"{self._shown} knows no cluster {self._cluster_id!r}, only {_listed(clusters)}. "
                    "Set CHARGEBACK_KUBECOST_CLUSTER_ID to one of them."
                )
            return tuple(r for r in rows.values() if r.properties and r.properties.cluster == self._cluster_id)
        if len(clusters) > 1:
            raise ConfigurationError(
                f"{self._shown} speaks of several clusters: {_listed(clusters)}. "
                "Set CHARGEBACK_KUBECOST_CLUSTER_ID to the one that CHARGEBACK_CLUSTER_ARN names."
            )
        return tuple(rows.values())

    def _check_window(self, got: WireWindow, asked: Window) -> None:
        if (got.start, got.end) != (asked.start, asked.end):
            raise ContractError(
                f"{self._shown} answered for {rfc3339(got.start)},{rfc3339(got.end)} instead of {asked}: "
                "it has no data of that resolution for that time."
            )


_Row = TypeVar("_Row", Allocation, Asset)


def without_credentials(url: str) -> str:
    """*url* as it may be shown: without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _session(api_key: str | None, ca_bundle: str | None, retry: Retry) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    if api_key:
        session.headers["X-API-KEY"] = api_key
    if ca_bundle:
        session.verify = ca_bundle
    return session


def _parameters(window: Window) -> dict[str, str]:
    return {"window": str(window)}


def _allocation_query(dialect: Dialect, window: Window) -> dict[str, str]:
    step = {} if dialect is OPENCOST else {"step": "1h" if window.length == HOUR else "1d"}  # 1.x gives days else
    return {**_parameters(window), **step, **dialect.allocation_parameters}


def _said(response: requests.Response) -> str:
    """What the server said went wrong, short enough to read."""
    try:
        message = _ERROR.decode(response.content).message
    except msgspec.DecodeError:
        message = response.text
    return _cut(message or "") or "it gave no reason"


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_LENGTH else f"{line[:_MESSAGE_LENGTH]}… ({len(text)} characters)"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _root(error: BaseException) -> BaseException:
    """The error at the bottom: requests and urllib3 wrap the one that says what happened."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return reason if isinstance(reason, BaseException) else error
