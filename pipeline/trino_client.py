"""How Trino's client is told to connect, and what its errors mean to an operator."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from pipeline.errors import (
    AccessDeniedError,
    ChargebackError,
    ConfigurationError,
    StatementFailedError,
    TemporaryError,
    UnavailableError,
)

_CREDENTIALS = frozenset({"access_token", "cert", "externalAuthentication"})
_STATUS = re.compile(r"error (?P<status>\d{3})\b")  # the client tells it in words only
_DENIED = frozenset({401, 403})
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429
_PATIENCE = frozenset({"NO_NODES_AVAILABLE", "QUERY_QUEUE_FULL", "SERVER_SHUTTING_DOWN", "SERVER_STARTING_UP"})


def speaks(url: URL) -> bool:
    """Whether it is Trino's client that reaches *url*."""
    return url.get_backend_name() == "trino"


def connect_arguments(url: URL) -> dict[str, str]:
    """What the client has to be told besides *url*: it sends credentials over TLS, of which a URL cannot speak.

    Raises:
        ValueError: *url* names no host.
    """
    if not url.host:
        raise ValueError("there is no host")
    secret = url.password is not None or not _CREDENTIALS.isdisjoint(url.query)
    return {"http_scheme": "https"} if secret and url.query.get("allow_insecure_auth") != "true" else {}


@contextmanager
def translated(what: str, url: URL) -> Iterator[None]:
    """Turn the client's errors into ours, saying that it was *what* that failed; *url* is shown without its secrets."""
    from trino.exceptions import HttpError  # of the extra `trino`, without which there is no engine to ask

    try:
        yield
    except DBAPIError as error:
        raise _meaning(error.orig, what, _place(url)) from error
    except (HttpError, ValueError, LookupError) as error:  # which the client lets through as they are
        raise _meaning(error, what, _place(url)) from error


def _meaning(error: BaseException | None, what: str, place: str) -> ChargebackError:
    from trino.exceptions import TrinoAuthError, TrinoConnectionError, TrinoQueryError

    match error:
        case TrinoQueryError():
            return _of_query(error, what)
        case TrinoConnectionError():
            return _of_connection(error, what, place)
        case TrinoAuthError():
            return AccessDeniedError(f"{what} failed: {place} asks for other credentials. {error}")
        case ValueError() | LookupError():
            return ConfigurationError(f"{what} failed: what answers at {place} does not speak as Trino does.")
    if found := _STATUS.match(str(error)):
        return _of_status(int(found["status"]), what, place)
    return StatementFailedError(what, str(error))


def _of_query(error: Any, what: str) -> ChargebackError:  # noqa: ANN401  of the client, which is not always installed
    reason = f"{error.error_name}: {error.message}"
    if error.error_name == "PERMISSION_DENIED":
        return AccessDeniedError(f"{what} failed: {reason}.")
    if error.error_name in _PATIENCE:
        return TemporaryError(f"{what} failed: {reason}. Try again later.")
    return StatementFailedError(what, reason)


def _of_connection(error: BaseException, what: str, place: str) -> ChargebackError:
    root = _root(error)
    if "SSL" in type(root).__name__:
        return ConfigurationError(
            f"{what} failed: {place} cannot be trusted ({root}). If a private CA signed its certificate, append "
            '?verify="/path/to/the/CA.pem" to the URL.'
        )
    return UnavailableError(
        f"{what} failed: {place} cannot be reached ({type(root).__name__}). Is the address right, and the server up?"
    )


def _of_status(status: int, what: str, place: str) -> ChargebackError:
    if status in _DENIED:
        return AccessDeniedError(f"{what} failed: {place} refuses the user or the password (HTTP {status}).")
    if status >= _SERVER_ERROR or status == _TOO_MANY_REQUESTS:
        return UnavailableError(f"{what} failed: {place} is not able to answer (HTTP {status}).")
    return ConfigurationError(f"{what} failed: what answers at {place} is no Trino (HTTP {status}).")


def _place(url: URL) -> str:
    """Where Trino is, as it may be shown: what stands before an `@` may be half of a password."""
    port = f":{url.port}" if url.port else ""
    return f"the Trino of CHARGEBACK_SQL_URL, {(url.host or '').rpartition('@')[2]}{port},"


def _root(error: BaseException) -> BaseException:
    """The error at the bottom: the client, requests and urllib3 wrap the one that says what happened."""
    while below := error.__cause__ or error.__context__:
        error = below
    return error
