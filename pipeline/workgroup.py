"""How Athena is asked about a workgroup."""

from dataclasses import dataclass

import boto3

from pipeline.aws import CONFIG, translated
from pipeline.errors import ConfigurationError


@dataclass(frozen=True)
class Workgroup:
    """An Athena workgroup; *results* is where queries leave theirs, None where each has to say."""

    name: str
    is_enabled: bool
    results: str | None
    scan_limit: int | None
    """Bytes that a query may scan; None without a limit."""


def find_workgroup(session: boto3.Session, name: str) -> Workgroup:
    """The workgroup *name* in the Region of *session*.

    Source: https://docs.aws.amazon.com/athena/latest/APIReference/API_GetWorkGroup.html

    Raises:
        ConfigurationError: there is none.
    """
    with translated(f"Looking for the Athena workgroup {name} (athena:GetWorkGroup)"):
        athena = session.client("athena", config=CONFIG)
        try:
            found = athena.get_work_group(WorkGroup=name)["WorkGroup"]
        except athena.exceptions.InvalidRequestException as error:  # which Athena also calls one that is not there
            raise ConfigurationError(
                f"There is no Athena workgroup {name} in {session.region_name} ({error}). Create it, or set "
                "CHARGEBACK_ATHENA_WORKGROUP."
            ) from error
    configuration = found.get("Configuration", {})
    managed = configuration.get("ManagedQueryResultsConfiguration", {}).get("Enabled", False)
    place = configuration.get("ResultConfiguration", {}).get("OutputLocation")
    return Workgroup(
        name=found["Name"],
        is_enabled=found.get("State", "ENABLED") == "ENABLED",
        results="Athena's own storage" if managed else place or None,
        scan_limit=configuration.get("BytesScannedCutoffPerQuery"),
    )
