"""The settings: read once from the environment, validated, all mistakes named at once."""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, FilePath, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.errors import ConfigurationError
from pipeline.models import Cluster, Location, sanitised
from pipeline.window import parse_duration

PREFIX = "CHARGEBACK_"

SCHEDULER_QUEUES = ("queue", "yunikorn_apache_org_queue", "volcano_sh_queue_name", "kueue_x_k8s_io_queue_name")
DEFAULT_LABELS = (*SCHEDULER_QUEUES, "team", "app_kubernetes_io_name")

_DATABASE = re.compile(r"[a-z0-9_]{1,255}", re.ASCII)
_TABLE = re.compile(r"[a-z0-9_]{1,255}\.[a-z0-9_]{1,255}", re.ASCII)
_NAMESPACE = re.compile(r"(?!AWS/)[A-Za-z0-9._/#-][A-Za-z0-9._/#: -]{0,254}", re.ASCII)
_WORKGROUP = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_CUT_ADDRESS = (
    "it is not scheme://host:port/path. If it holds a password, percent-encode the password: "
    "/ is %2F, # is %23, ? is %3F, @ is %40"
)


def _policy(text: str) -> Location | Path:
    if text.startswith("s3://"):
        return Location.parse(text)
    if not Path(text).is_dir():
        raise ValueError(f"{text!r} is no directory; write a directory's path, or s3://bucket/prefix")
    return Path(text)


def _http_url(text: str) -> str:
    """Check an address, which may hold a password: no message repeats any of it."""
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_cut = parts.port is None and parts.netloc.endswith(":")
    except ValueError:  # a port that is no number may be the first half of a password, and is in the error's text
        raise ValueError(_CUT_ADDRESS) from None
    if not is_address:
        raise ValueError("it is not an http:// or https:// address")
    if is_cut or parts.query or parts.fragment or "@" in parts.path:
        raise ValueError(_CUT_ADDRESS)
    return text


def _labels(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sanitised(label.strip()) for label in text.split(",") if label.strip()))


def _table(text: str) -> str:
    if not _TABLE.fullmatch(text):
        raise ValueError(f"{text!r} is not a table; write database.table in lower case")
    return text


def _database(text: str) -> str:
    if not _DATABASE.fullmatch(text):
        raise ValueError(f"{text!r} is not a database's name; write lower-case letters, digits and _")
    return text


def _workgroup(text: str) -> str:
    if not _WORKGROUP.fullmatch(text):
        raise ValueError(f"{text!r} is not a workgroup's name")
    return text


def _namespace(text: str) -> str:
    if not _NAMESPACE.fullmatch(text):
        raise ValueError(
            f"{text!r} is not a CloudWatch namespace of your own; write letters, digits, spaces and ._/#:- and begin "
            "with none of AWS/, a colon and a space"
        )
    return text


def _read(parse: Callable[[str], object]) -> BeforeValidator:
    """Read a setting's text with *parse*; a default is no text, and passes."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def _some_time(text: str) -> timedelta:
    duration = parse_duration(text)
    if not duration:
        raise ValueError(f"{text!r} is no time at all; write hours or days, such as 49h or 7d")
    return duration


Duration = Annotated[timedelta, _read(parse_duration), NoDecode]
SomeTime = Annotated[timedelta, _read(_some_time), NoDecode]


class Settings(BaseSettings):
    """Every setting; the kinds below say which of those without a default must be set."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    cluster_arn: Annotated[Cluster | None, _read(Cluster.from_arn), NoDecode] = Field(
        default=None, description="ARN of the EKS cluster: account, region and name come from it"
    )
    lake: Annotated[Location | None, _read(Location.parse), NoDecode] = Field(
        default=None, description="Where the tables lie: s3://bucket/prefix"
    )
    kubecost_url: Annotated[str | None, _read(_http_url)] = Field(
        default=None, description="Address of Kubecost or OpenCost", repr=False
    )
    kubecost_api_key: SecretStr | None = Field(default=None, description="Sent as X-API-KEY")
    kubecost_ca_bundle: FilePath | None = Field(default=None, description="File with the certificates of a private CA")
    kubecost_cluster_id: str | None = Field(
        default=None, description="Kubecost's own name of the cluster, if it knows several"
    )
    glue_database: Annotated[str, _read(_database)] = Field(
        default="chargeback", description="Glue database of the tables and views"
    )
    athena_workgroup: Annotated[str, _read(_workgroup)] = Field(
        default="chargeback", description="Athena workgroup, with a place for results"
    )
    cur_table: Annotated[str | None, _read(_table)] = Field(
        default=None, description="The Cost and Usage Report: database.table; without it all cost is estimated"
    )
    collect_after: Duration = Field(default=timedelta(hours=2), description="When an hour is fetched, after its end")
    settle_after: Duration = Field(default=timedelta(hours=24), description="When it is fetched once more")
    lookback: SomeTime = Field(default=timedelta(days=7), description="How far back missing hours are looked for")
    hourly_retention: Annotated[timedelta | None, _read(parse_duration), NoDecode] = Field(
        default=None, description="How long upstream keeps hours: 49h for Kubecost, 15d for OpenCost unless set"
    )
    labels: Annotated[tuple[str, ...], _read(_labels), NoDecode] = Field(
        default=DEFAULT_LABELS, description="Labels that are kept, comma-separated"
    )
    policy: Annotated[Location | Path | None, _read(_policy), NoDecode] = Field(
        default=None, description="Directory or s3:// prefix of the policy's CSV files; without it no cost has a center"
    )
    sql_url: SecretStr | None = Field(
        default=None,
        description="SQLAlchemy URL of another engine that speaks Trino's SQL; `trino://` needs the extra `trino`, "
        "and a password goes over TLS",
    )
    metrics_namespace: Annotated[str | None, _read(_namespace)] = Field(
        default=None,
        description="CloudWatch namespace to which collect, refresh and verify publish their figures; "
        "without it they log them",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        default="INFO", description="Least severe line that is logged"
    )


class LakeSettings(Settings):
    """What every command needs that knows the lake."""

    cluster_arn: Annotated[Cluster, _read(Cluster.from_arn), NoDecode]
    lake: Annotated[Location, _read(Location.parse), NoDecode]


class CollectSettings(LakeSettings):
    """What collecting needs besides."""

    kubecost_url: Annotated[str, _read(_http_url)] = Field(repr=False)  # it may hold a password


_Settings = TypeVar("_Settings", bound=Settings)


def read_settings(kind: type[_Settings]) -> _Settings:
    """Read the settings from the environment; *kind* says which must be set.

    Raises:
        ConfigurationError: something is missing, malformed or misspelt; it names everything.
    """
    mistakes = list(_unknown())
    try:
        settings = kind()
    except ValidationError as error:
        mistakes += [_mistake(details["loc"], details["msg"]) for details in error.errors(include_input=False)]
        raise ConfigurationError(_sentence(mistakes)) from error
    if mistakes:
        raise ConfigurationError(_sentence(mistakes))
    return settings


def _unknown() -> Iterator[str]:
    """A name with our prefix that is no setting: most likely one misspelt."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known:
            close = get_close_matches(name, known, n=1)
            yield f"{name} is not a setting" + (f" (did you mean {close[0]}?)" if close else "")


def _mistake(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]).upper()
    name = name if name.startswith(PREFIX) else PREFIX + name
    return f"{name} is not set" if message == "Field required" else f"{name}: {message.removeprefix('Value error, ')}"


def _sentence(mistakes: Sequence[str]) -> str:
    if len(mistakes) == 1:
        return f"The settings are not right: {mistakes[0]}."
    return "The settings are not right:" + "".join(f"\n  - {mistake}" for mistake in mistakes)


def page() -> str:
    """The page of the docs that lists every setting, in Markdown."""
    lines = [
        "# Settings",
        "",
        "Written by `make docs` from `pipeline/settings.py`; do not edit.",
        "",
        "Settings are read once, from the environment. All mistakes are named at once, with exit code 78; a name that",
        "begins with `CHARGEBACK_` and is no setting is one. AWS credentials, region and endpoint come from the AWS",
        "SDK's own chain.",
        "",
        "| setting | what it is | default |",
        "| --- | --- | --- |",
    ]
    for name, field in Settings.model_fields.items():
        lines.append(f"| `{PREFIX}{name.upper()}` | {field.description} | {_default(name, field.default)} |")
    needed = ", ".join(f"`{PREFIX}{name.upper()}`" for name in CollectSettings.model_fields if _is_needed(name))
    lines += ["", f"`collect` and `doctor` need {needed}; the other commands need the first two; `demo` needs none."]
    return "\n".join(lines) + "\n"


def _is_needed(name: str) -> bool:
    return CollectSettings.model_fields[name].is_required()


def _default(name: str, value: object) -> str:
    if _is_needed(name):
        return "none: must be set"
    if isinstance(value, timedelta):
        hours = int(value.total_seconds() // 3600)
        return f"`{hours // 24}d`" if hours % 24 == 0 and hours > 24 else f"`{hours}h`"
    if isinstance(value, tuple):
        return " ".join(f"`{label}`" for label in value)
    return "none" if value is None else f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
