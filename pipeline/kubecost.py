"""How Kubecost and OpenCost are asked about a window over HTTP, in the dialect that the server speaks."""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import BoundedSemaphore, Lock
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url
from urllib3.util import Retry

from pipeline.answers import (
    Body,
    NoDataError,
    OutOfStoreError,
    Question,
    Traits,
    cut,
    has_one_set,
    is_out_of_store,
    message_of,
)
from pipeline.errors import AccessDeniedError, ConfigurationError, ContractError, UnavailableError
from pipeline.models import WindowAnswer
from pipeline.window import HOUR, Window

__all__ = ["KUBECOST", "OPENCOST", "RETRY", "Dialect", "Kubecost", "NoDataError"]

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

AT_ONCE = 2
"""Requests under way at a time, of all windows together: Kubecost's queries are heavy on the Prometheus behind it."""

CONNECT_SECONDS = 10
_PART = 1 << 20
READ_SECONDS = 310  # Kubecost's own proxy gives up after 300
_KEY_HEADER = "X-API-KEY"


@dataclass(frozen=True)
class Dialect:
    """One flavour of the API: where it lies, what an allocation request carries, how long it keeps hours by default.

    Source: https://github.com/opencost/opencost (pkg/costmodel/router.go) and Kubecost's API documentation.
    """

    source: str
    path: str
    has_steps: bool
    allocation_parameters: Mapping[str, str]
    hourly_retention: timedelta


KUBECOST = Dialect(
    "kubecost",
    "/model",
    has_steps=True,
    allocation_parameters={
        "accumulate": "false",
        "idle": "false",
        "shareTenancyCosts": "false",
        "external": "false",
    },
    hourly_retention=timedelta(hours=49),
)
OPENCOST = Dialect(
    "opencost",
    "",
    has_steps=False,
    allocation_parameters={"accumulate": "false", "includeIdle": "false"},
    hourly_retention=timedelta(days=15),
)


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
        self.server = without_credentials(url).rstrip("/").removesuffix("/model")
        self.cluster_id = cluster_id
        self._ca_bundle = ca_bundle
        self._session = _session(api_key, get_auth_from_url(url), retry)
        self._dialect: Dialect | None = None
        self._asking = BoundedSemaphore(AT_ONCE)
        self._describing = Lock()
        self._described = False
        self._warned_of_idle = False

    def window(self, window: Window) -> WindowAnswer:
        """Ask for all containers and nodes of *window*, unaggregated, in two calls at once.

        May be called from several threads; no more than `AT_ONCE` requests are under way.

        Raises:
            NoDataError: the server knows nothing of that time; it may speak of other clusters.
            ContractError: the answer is none that may be written.
            UnavailableError: no answer after all retries.
            AccessDeniedError: the server wants other credentials.
            ConfigurationError: there is no Kubecost at that address, or several clusters and no cluster ID.
        """
        dialect = self.detect(window)
        question = Question(self.server, window, self.cluster_id)
        with ThreadPoolExecutor(max_workers=2) as calls:
            asked = calls.submit(self._get, dialect, "/assets", _parameters(window))
            allocations = question.allocations(self._get(dialect, "/allocation", _allocation_query(dialect, window)))
            assets = asked.result()
        answer = WindowAnswer(window, allocations, question.nodes(assets), dialect.source, allocations.cluster_id)
        self._describe(answer, assets)
        if allocations.idle:
            self._warn_of_idle(allocations.idle, window)
        return answer

    def detect(self, window: Window) -> Dialect:
        """Find the dialect by asking about *window*: OpenCost's own port answers 404 to Kubecost's paths."""
        if self._dialect is not None:
            return self._dialect
        for dialect in (KUBECOST, OPENCOST):
            with self._asked(dialect, "/assets", _parameters(window)) as response:
                if response.status_code != HTTPStatus.NOT_FOUND:
                    self._dialect = _flavour(self._answered(response, dialect, "/assets"), dialect)
                    log.info("upstream found", extra={"source": self._dialect.source, "url": self.server})
                    return self._dialect
        raise ConfigurationError(
            f"There is no Kubecost at {self.server}: neither /model/assets nor /assets exists there. "
            "Set CHARGEBACK_KUBECOST_URL to its address, such as http://kubecost-cost-analyzer.kubecost:9090."
        )

    def server_time(self) -> datetime | None:
        """What time it is on the server, by the date of any answer, good or bad; None where it sends none."""
        with self._asked(self._dialect or KUBECOST, "/healthz", {}) as response:
            text = response.headers.get("Date")
        try:
            return parsedate_to_datetime(text) if text else None
        except ValueError:
            return None

    def _answered(self, response: requests.Response, dialect: Dialect, path: str) -> Body:
        """The body of the probe's answer; a server whose stores do not reach to that hour has shown itself, too."""
        try:
            return self._body(response, dialect, path)
        except NoDataError:
            return b""

    def _describe(self, answer: WindowAnswer, assets: Body) -> None:
        """Say once what the server's answers are like, and what should be set."""
        with self._describing:
            if self._described:
                return
            self._described = True
        traits = Traits.of(answer)
        log.info(
            "upstream answers",
            extra={
                "source": answer.source,
                "assets": "object" if has_one_set(assets) else "list",
                "adjustments": traits.adjustments,
                "labels": traits.labels,
                "provider_ids": traits.provider_ids,
                "grid": traits.grid or "unknown",
            },
        )
        for wrong, advice in traits.advice().values():
            log.warning("upstream needs a setting", extra={"because": wrong, "advice": advice})

    def _warn_of_idle(self, rows: int, window: Window) -> None:
        """Say once that the server does not heed what it is asked."""
        with self._describing:
            if self._warned_of_idle:
                return
            self._warned_of_idle = True
        log.warning("upstream sends idle capacity unasked; it is left out", extra={"window": window, "rows": rows})

    def _get(self, dialect: Dialect, path: str, parameters: Mapping[str, str]) -> Body:
        with self._asked(dialect, path, parameters) as response:
            return self._body(response, dialect, path)

    def _body(self, response: requests.Response, dialect: Dialect, path: str) -> Body:
        """The body of an answer that is JSON and says 200."""
        where = f"{self.server}{dialect.path}{path}"
        status = response.status_code
        if response.is_redirect:
            raise ContractError(_leads_away(where, response))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            raise AccessDeniedError(
                f"{where} answered {status}: it wants other credentials. Check CHARGEBACK_KUBECOST_API_KEY."
            )
        kind = _kind(response)
        if kind == "text/html" and not _may_pass(status):
            raise ContractError(
                f"{where} answered with a web page instead of JSON (status {status}): a login page, or not Kubecost's "
                "address. Check CHARGEBACK_KUBECOST_URL and CHARGEBACK_KUBECOST_API_KEY."
            )
        if status != HTTPStatus.OK:
            raise _refusal(where, response)
        if kind != "application/json":
            raise ContractError(f"{where} answered with {kind or 'no content type'} instead of JSON: {_said(response)}")
        return _whole(response)

    @contextmanager
    def _asked(self, dialect: Dialect, path: str, parameters: Mapping[str, str]) -> Iterator[requests.Response]:
        """Ask, and follow no redirect: it would carry the key to another host. The body is still to be read."""
        url = f"{self.server}{dialect.path}{path}"
        with (
            _translated(url),
            self._asking,
            self._session.get(
                url,
                params=parameters,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
                verify=self._ca_bundle,  # per request: a session's own bundle gives way to REQUESTS_CA_BUNDLE
            ) as response,
        ):
            yield response


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn what requests raises into our errors: every one of its errors derives from RequestException."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        raise ConfigurationError(
            f"{url} cannot be trusted ({cut(str(_root(error)))}). If a private CA signed its certificate, set "
            "CHARGEBACK_KUBECOST_CA_BUNDLE to the CA's certificates."
        ) from error
    except (requests.exceptions.InvalidURL, requests.exceptions.MissingSchema) as error:
        raise ConfigurationError(f"{url} is not an address. Check CHARGEBACK_KUBECOST_URL.") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise UnavailableError(f"{url} broke off in the middle of its answer; nothing of it was used.") from error
    except requests.exceptions.Timeout as error:
        raise UnavailableError(f"{url} did not answer in time.") from error
    except requests.exceptions.RequestException as error:
        raise UnavailableError(
            f"{url} cannot be reached ({type(_root(error)).__name__}). Is the address right, and the server up?"
        ) from error


def without_credentials(url: str) -> str:
    """*url* as it may be shown: without user and password, even one that is cut by a `/`, `#` or `?`."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


class _Session(requests.Session):
    """A session that has no eye for redirects: even one that does not follow them fails on a bad address."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Know of none."""


def _session(api_key: str | None, credentials: tuple[str, str], retry: Retry) -> requests.Session:
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    if api_key:
        session.headers[_KEY_HEADER] = _checked(api_key)
    if any(credentials):
        user, password = credentials
        session.auth = HTTPBasicAuth(user.encode(), password.encode())  # as text, requests takes Latin-1 only
    return session


def _checked(api_key: str) -> str:
    """Refuse a key that no header may hold before requests does, which shows it."""
    if not (api_key.isascii() and api_key.isprintable() and api_key == api_key.strip()):
        raise ConfigurationError(
            "CHARGEBACK_KUBECOST_API_KEY holds what no HTTP header may hold, perhaps a line break at its end. "
            "Set it to the key alone."
        )
    return api_key


def _flavour(assets: Body, found: Dialect) -> Dialect:
    """OpenCost behind its own web server has Kubecost's paths, Kubecost's inner ports have OpenCost's.

    Only OpenCost gives its assets as one object.
    """
    is_one_set = has_one_set(assets)
    if is_one_set is None:
        return found
    return replace(OPENCOST if is_one_set else KUBECOST, path=found.path)


def _parameters(window: Window) -> dict[str, str]:
    return {"window": str(window)}


def _allocation_query(dialect: Dialect, window: Window) -> dict[str, str]:
    step = {"step": "1h" if window.length == HOUR else "1d"} if dialect.has_steps else {}  # 1.x gives days else
    return {**_parameters(window), **step, **dialect.allocation_parameters}


def _whole(response: requests.Response) -> bytearray:
    """The body in one piece; `content` gathers it in small ones, and then holds it twice."""
    body = bytearray()
    for part in response.iter_content(_PART):
        body += part
    return body


def _kind(response: requests.Response) -> str:
    return response.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _may_pass(status: int) -> bool:
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS


def _refusal(where: str, response: requests.Response) -> Exception:
    """What an answer with a status other than 200 means."""
    status = response.status_code
    said = _said(response)
    if is_out_of_store(message_of(response.content, response.text)):
        return OutOfStoreError(f"{where} keeps no data of that time: {said}")
    if _may_pass(status):
        return UnavailableError(f"{where} answered {status} after all retries: {said}")
    return ContractError(f"{where} answered {status}: {said}")


def _leads_away(where: str, response: requests.Response) -> str:
    return (
        f"{where} answered {response.status_code} and leads to {_target(response)}, where the key is not sent. If that "
        "is a login page, check CHARGEBACK_KUBECOST_API_KEY; if it is Kubecost, set CHARGEBACK_KUBECOST_URL to it."
    )


def _target(response: requests.Response) -> str:
    """Where a redirect leads, as it may be shown: its query may hold a token."""
    try:
        target = urlsplit(urljoin(response.url, response.headers["Location"]))
    except ValueError:
        return "what is no address"
    return urlunsplit(target._replace(netloc=target.netloc.rpartition("@")[2], query="", fragment=""))


def _said(response: requests.Response) -> str:
    """What the server said went wrong, short enough to read; the proxy in front of it gives 502 to 504 as web pages."""
    if _kind(response) == "text/html":
        return "a web page"
    return cut(message_of(response.content, response.text)) or "it gave no reason"


def _root(error: BaseException) -> BaseException:
    """The error at the bottom: requests and urllib3 wrap the one that says what happened."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return reason if isinstance(reason, BaseException) else error
