"""How QuickSight is told of data sources, data sets, refresh schedules and dashboards: made, or brought up to date."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import ClientError

from pipeline.aws import CONFIG, code, translated
from pipeline.errors import ConfigurationError, ContractError, TemporaryError

Request = Mapping[str, Any]
Grants = Sequence[Mapping[str, Any]]
"""Permissions, each a principal with what it may do."""

_ABSENT = "ResourceNotFoundException"
_BUSY = frozenset({"ConflictException", "ResourceExistsException"})
_ADVICE = {
    _ABSENT: "Is the account subscribed to QuickSight, and is this the Region of its lake?",
    "LimitExceededException": "Buy SPICE capacity, or delete what is not needed any more.",
    "UnsupportedUserEditionException": "Dashboards as code need QuickSight's Enterprise edition.",
}
"""What to do about errors that are nobody's but the account's."""

_PAUSE = 1.0
"""Seconds between two looks at what QuickSight is making."""

_LOOKS = 120


@dataclass(frozen=True)
class _Kind:
    """A kind of resource: its *noun*, and what its operations and its ID are called."""

    noun: str
    operation: str
    key: str


_DATA_SOURCE = _Kind("data source", "data_source", "DataSourceId")
_DATA_SET = _Kind("data set", "data_set", "DataSetId")
_DASHBOARD = _Kind("dashboard", "dashboard", "DashboardId")


class QuickSight:
    """QuickSight in one *account_id* and the Region of *session*.

    Source: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_Operations.html
    """

    def __init__(self, session: boto3.Session, account_id: str, pause: Callable[[float], None] = time.sleep) -> None:
        with translated("Connecting to QuickSight"):
            # Any: what the operations are called follows from the kind of resource.
            self._client: Any = session.client("quicksight", config=CONFIG)
        self._account = account_id
        self._pause = pause

    def put_data_source(self, request: Request, grants: Grants) -> bool:
        """Make a data source, or bring it up to date, and wait until it stands; says whether it is new.

        Raises:
            ConfigurationError: QuickSight cannot reach Athena with it.
            TemporaryError: it is still being made.
        """
        is_new, _ = self._put(_DATA_SOURCE, request, grants)
        source_id = request["DataSourceId"]
        what = f"the data source {source_id}"
        found = self._settled(what, lambda: self._described(_DATA_SOURCE, source_id)["DataSource"])
        if found["Status"].endswith("FAILED"):
            said = found.get("ErrorInfo", {})
            raise ConfigurationError(
                f"QuickSight cannot use {what}: {said.get('Message', 'no reason given')} "
                f"({said.get('Type', 'UNKNOWN')}). May its role ask Athena in this workgroup?"
            )
        return is_new

    def put_data_set(self, request: Request, grants: Grants) -> bool:
        """Make a data set, or bring it up to date, which fills SPICE anew; says whether it is new."""
        is_new, _ = self._put(_DATA_SET, request, grants)
        return is_new

    def put_refresh(self, data_set_id: str, schedule: Request) -> bool:
        """Make a data set's refresh *schedule*, or bring it up to date; says whether it is new."""
        what = f"the refresh schedule {schedule['ScheduleId']} of {data_set_id}"
        named = {"AwsAccountId": self._account, "DataSetId": data_set_id}
        stands = self._stands(what, "describe_refresh_schedule", {**named, "ScheduleId": schedule["ScheduleId"]})
        verb = "update" if stands else "create"
        self._asked(what, f"{verb}_refresh_schedule", {**named, "Schedule": schedule})
        return not stands

    def put_dashboard(self, request: Request, grants: Grants) -> bool:
        """Make a dashboard, or a version of it that then is the published one; says whether it is new.

        Raises:
            ContractError: QuickSight found mistakes in its definition; the version that was published stays.
            TemporaryError: it is still being made.
        """
        is_new, answer = self._put(_DASHBOARD, request, grants)
        dashboard_id = request["DashboardId"]
        number = int(answer["VersionArn"].rpartition("/")[2])
        what = f"version {number} of the dashboard {dashboard_id}"
        made = self._settled(
            what, lambda: self._described(_DASHBOARD, dashboard_id, VersionNumber=number)["Dashboard"]["Version"]
        )
        if made["Status"].endswith("FAILED"):
            mistakes = "; ".join(f"{each.get('Message')} ({each.get('Type')})" for each in made.get("Errors", []))
            raise ContractError(f"QuickSight refuses {what}: {mistakes or 'no reason given'}.")
        if not is_new:
            named = {"AwsAccountId": self._account, "DashboardId": dashboard_id, "VersionNumber": number}
            self._asked(what, "update_dashboard_published_version", named)
        return is_new

    def _put(self, kind: _Kind, request: Request, grants: Grants) -> tuple[bool, dict[str, Any]]:
        """Create or update a resource; whether it is new, and what QuickSight answered."""
        named = {"AwsAccountId": self._account, kind.key: request[kind.key]}
        what = f"the {kind.noun} {request[kind.key]}"
        if not self._stands(what, f"describe_{kind.operation}", named):
            permissions = {"Permissions": grants} if grants else {}
            asked = {**named, **request, **permissions}
            return True, self._asked(what, f"create_{kind.operation}", asked)
        update = f"update_{kind.operation}"
        taken = self._members(update)
        answer = self._asked(what, update, {**named, **{key: request[key] for key in request if key in taken}})
        if grants:
            self._asked(what, f"{update}_permissions", {**named, "GrantPermissions": grants})
        return False, answer

    def _members(self, operation: str) -> set[str]:
        """What a request of this operation may hold: some things are said only when a resource is made."""
        name = self._client.meta.method_to_api_mapping[operation]
        return set(self._client.meta.service_model.operation_model(name).input_shape.members)

    def _described(self, kind: _Kind, resource_id: str, **more: object) -> Any:  # noqa: ANN401  as QuickSight answers
        named = {"AwsAccountId": self._account, kind.key: resource_id, **more}
        return self._asked(f"the {kind.noun} {resource_id}", f"describe_{kind.operation}", named)

    def _stands(self, what: str, operation: str, named: Request) -> bool:
        with self._asking(what, operation):
            try:
                getattr(self._client, operation)(**named)
            except ClientError as error:
                if code(error) == _ABSENT:
                    return False
                raise
        return True

    def _asked(self, what: str, operation: str, request: Request) -> dict[str, Any]:
        with self._asking(what, operation):
            answer: dict[str, Any] = getattr(self._client, operation)(**request)
        return answer

    @contextmanager
    def _asking(self, what: str, operation: str) -> Iterator[None]:
        right = self._client.meta.method_to_api_mapping[operation]
        doing = f"Asking QuickSight for {what} (quicksight:{right})"
        with translated(doing):
            try:
                yield
            except ClientError as error:
                said = error.response.get("Error", {}).get("Message", "no reason given")
                if code(error) in _BUSY:
                    raise TemporaryError(f"{doing} failed: it is being changed just now. {said} Try again.") from error
                if advice := _ADVICE.get(code(error)):
                    raise ConfigurationError(f"{doing} failed: {said} {advice}") from error
                raise

    def _settled(self, what: str, look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What *look* sees once it is no longer in progress."""
        for _ in range(_LOOKS):
            found = look()
            if not found["Status"].endswith("IN_PROGRESS"):
                return found
            self._pause(_PAUSE)
        raise TemporaryError(f"QuickSight is still making {what}. Run `chargeback dashboards` again in some minutes.")
