"""What botocore's errors mean to an operator."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    PaginationError,
)
from botocore.parsers import ResponseParserError

from pipeline.errors import (
    AccessDeniedError,
    ChargebackError,
    ConfigurationError,
    ContractError,
    TemporaryError,
    UnavailableError,
)

CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, user_agent_extra="emr-eks-chargeback")

_DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AccessDeniedOnAssumeRole",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidIdentityToken",
        "SignatureDoesNotMatch",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
_PATIENCE = frozenset(
    {
        "ConcurrentModificationException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_ABSENT = frozenset({"EntityNotFoundException", "NoSuchBucket", "PermanentRedirect", "AuthorizationHeaderMalformed"})
_SERVER_ERROR = 500


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn botocore's errors into ours, saying that it was *what* (such as `Writing s3://…`) that failed."""
    try:
        yield
    except ClientError as error:
        raise _of_client_error(error, what) from error
    except (EndpointConnectionError, HTTPClientError, IncompleteReadError) as error:
        raise UnavailableError(f"{what} failed: AWS cannot be reached. {error}") from error
    except (PaginationError, ResponseParserError) as error:
        raise ContractError(f"{what} failed: the answer cannot be read. {error}") from error
    except BotoCoreError as error:
        raise _of_configuration(error, what) from error


def code(error: ClientError) -> str:
    """The code by which AWS names an error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def _of_client_error(error: ClientError, what: str) -> ChargebackError:
    name, said = code(error), error.response.get("Error", {}).get("Message", "no reason given")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    sentence = f"{what} failed: {said} ({name})."
    if name in _DENIED:
        return AccessDeniedError(f"{sentence} Check the role's policy and the credentials.")
    if name in _ABSENT:
        return ConfigurationError(f"{sentence} Does it exist, in this region, and is it spelled right?")
    if name in _PATIENCE:
        return TemporaryError(f"{sentence} Try again later.")
    if status >= _SERVER_ERROR:
        return UnavailableError(sentence)
    return ContractError(sentence)


def _of_configuration(error: BotoCoreError, what: str) -> ChargebackError:
    """NoCredentialsError and its kin, a missing region, a profile that is not there."""
    if "Credential" in type(error).__name__ or "Token" in type(error).__name__:
        return AccessDeniedError(f"{what} failed: {error}. Give AWS credentials: a role for the pod, or a profile.")
    return ConfigurationError(f"{what} failed: {error}")
