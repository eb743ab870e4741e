"""Whose credentials the AWS SDK found, and why it found none."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any

import boto3
from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError

from pipeline.aws import CONFIG, code, translated
from pipeline.errors import AccessDeniedError, ChargebackError

OF_THE_INSTANCE = "iam-role"
"""The AWS SDK's name of credentials that come from the instance's metadata, so from the node and not for the pod."""

_WEB_IDENTITY = "AssumeRoleWithWebIdentity"
_CLOCK = ("Signature expired", "Signature not yet current", "RequestTimeTooSkewed")


@dataclass(frozen=True)
class Caller:
    """Who AWS says we are; *method* is the AWS SDK's name of where the credentials came from."""

    account_id: str
    arn: str
    method: str
    server_time: datetime | None


class Refusal(Enum):
    """Why AWS does not know us."""

    NO_CREDENTIALS = auto()
    NO_TRUST = auto()  # of the role, in the service account of IRSA
    NO_PROVIDER = auto()  # of OpenID Connect, in the account
    NO_TOKEN = auto()  # where the environment says that it lies
    AGENT = auto()  # of EKS Pod Identity: it is not there, or gives none
    CLOCK = auto()
    OTHER = auto()


class _TokenError(AccessDeniedError):
    """The file with the pod's token cannot be read."""


def caller(session: boto3.Session) -> Caller:
    """Ask AWS who we are, which needs no right.

    Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html

    Raises:
        AccessDeniedError: the SDK finds no credentials, or AWS takes none of them; `refusal` says why.
        UnavailableError: AWS cannot be reached.
    """
    what = "Asking AWS whose credentials these are (sts:GetCallerIdentity)"
    try:
        with translated(what):
            found = session.get_credentials()
            answer = session.client("sts", config=CONFIG).get_caller_identity()
    except OSError as error:  # of the token's file, which the SDK lets through as it is
        raise _TokenError(f"{what} failed: {error}.") from error
    return Caller(answer["Account"], answer["Arn"], found.method if found else "", _date(answer))


def refusal(error: ChargebackError) -> Refusal:
    """Why `caller` failed."""
    match error.__cause__:
        case NoCredentialsError():
            return Refusal.NO_CREDENTIALS
        case CredentialRetrievalError():
            return Refusal.AGENT
        case ClientError() as cause if any(sign in str(cause) for sign in _CLOCK):
            return Refusal.CLOCK
        case ClientError() as cause if cause.operation_name == _WEB_IDENTITY:
            return Refusal.NO_PROVIDER if code(cause) == "InvalidIdentityToken" else Refusal.NO_TRUST
    return Refusal.NO_TOKEN if isinstance(error, _TokenError) else Refusal.OTHER


def server_time(error: ChargebackError) -> datetime | None:
    """What time it is at AWS, by an answer that said no; None where there was no answer."""
    return _date(error.__cause__.response) if isinstance(error.__cause__, ClientError) else None


def _date(answer: Any) -> datetime | None:  # noqa: ANN401  each operation of botocore has a type of its own
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(text) if text else None
