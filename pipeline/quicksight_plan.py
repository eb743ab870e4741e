"""The dashboard in QuickSight: what has to stand there, in which order, and who may do what with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from pipeline.catalog import Catalog
from pipeline.errors import ConfigurationError
from pipeline.publish import require_published
from pipeline.quicksight import QuickSight
from pipeline.quicksight_columns import asked_of, columns
from pipeline.quicksight_definition import Definition
from pipeline.quicksight_fields import ColumnType, Spec
from pipeline.relations import relations_read
from pipeline.settings import LakeSettings
from pipeline.story import Story

# What QuickSight's console grants who owns a resource, and who views a dashboard.
# Source: https://docs.aws.amazon.com/quicksight/latest/developerguide/dashboard-permissions.html
_SOURCE_OWNER = (
    "DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource",
    "UpdateDataSource", "DeleteDataSource", "UpdateDataSourcePermissions",
)  # fmt: skip
_SET_OWNER = (
    "DescribeDataSet", "DescribeDataSetPermissions", "PassDataSet", "DescribeIngestion", "ListIngestions",
    "UpdateDataSet", "DeleteDataSet", "CreateIngestion", "CancelIngestion", "UpdateDataSetPermissions",
    "CreateRefreshSchedule", "UpdateRefreshSchedule", "DeleteRefreshSchedule", "DescribeRefreshSchedule",
    "ListRefreshSchedules", "DescribeDataSetRefreshProperties", "PutDataSetRefreshProperties",
    "DeleteDataSetRefreshProperties",
)  # fmt: skip
_DASHBOARD_READER = ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard")
_DASHBOARD_OWNER = (
    *_DASHBOARD_READER, "UpdateDashboardPermissions", "DescribeDashboardPermissions", "UpdateDashboard",
    "DeleteDashboard", "UpdateDashboardPublishedVersion",
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where the dashboard stands, and what it reads; *role* is what QuickSight asks Athena as, None for its own."""

    partition: str
    region: str
    account_id: str
    database: str
    workgroup: str
    role: str | None = None

    @property
    def prefix(self) -> str:
        """What every ID begins with: of two databases of an account, only one is called like the product."""
        return "chargeback" if self.database == "chargeback" else f"chargeback-{self.database}"

    @property
    def data_source_id(self) -> str:
        """The one data source of all data sets."""
        return f"{self.prefix}-athena"

    def arn(self, kind: str, resource_id: str) -> str:
        """The ARN of a data source (`datasource`), a data set (`dataset`) or a dashboard."""
        return f"arn:{self.partition}:quicksight:{self.region}:{self.account_id}:{kind}/{resource_id}"


@dataclass(frozen=True)
class Plan:
    """What has to stand in QuickSight, as its API takes it."""

    data_source: Spec
    data_sets: tuple[Spec, ...]
    refresh: Spec
    dashboard: Spec

    def as_json(self) -> Spec:
        """All of it, for people and other tools; account and permissions are not in it."""
        return {
            "DataSource": self.data_source,
            "DataSets": list(self.data_sets),
            "RefreshSchedule": self.refresh,
            "Dashboard": self.dashboard,
        }


def plan(story: Story, place: Place) -> Plan:
    """What has to stand in QuickSight for *story*.

    Raises:
        ConfigurationError: the story's files contradict each other or the views.
    """
    typed = columns(story)
    arns = {name: place.arn("dataset", f"{place.prefix}-{name}") for name in typed}
    shown: Spec = {
        "DashboardId": place.prefix,
        "Name": story.title,
        "Definition": Definition(story, typed, place.prefix).written(arns),
        "ValidationStrategy": {"Mode": "STRICT"},
        "DashboardPublishOptions": {
            "AdHocFilteringOption": {"AvailabilityStatus": "ENABLED"},
            "ExportToCSVOption": {"AvailabilityStatus": "ENABLED"},
            "SheetControlsOption": {"VisibilityState": "EXPANDED"},
        },
    }
    data_sets = tuple(_data_set(story, name, place, known) for name, known in typed.items())
    return Plan(_data_source(story, place), data_sets, _refresh(story, place), shown)


def place(settings: LakeSettings, region: str, role: str | None) -> Place:
    """The settings' own account and database, in the *region* that is spoken to."""
    cluster = settings.cluster_arn
    return Place(cluster.partition, region, cluster.account_id, settings.glue_database, settings.athena_workgroup, role)


def read_by(story: Story) -> frozenset[str]:
    """The tables and views that the data sets read."""
    return frozenset(chain.from_iterable(relations_read(select) for select in story.selects.values()))


def require_readable(story: Story, catalog: Catalog, database: str) -> None:
    """Raise ConfigurationError unless all that the data sets read was published to the *database*."""
    require_published(catalog, database)
    if missing := read_by(story) - catalog.relations().keys():
        raise ConfigurationError(
            f"The Glue database {database} lacks {', '.join(sorted(missing))}: an older release was published. "
            "Run `chargeback publish` first."
        )


def deploy(quicksight: QuickSight, planned: Plan, owners: Sequence[str], readers: Sequence[str]) -> Iterator[str]:
    """Make all that is planned or bring it up to date, in the order in which one needs the other.

    Yields a line for each resource that stands. What fails leaves the rest as it is; the next run goes on with it.
    """
    yield _line(quicksight.put_data_source(planned.data_source, _grants(owners, _SOURCE_OWNER)), planned.data_source)
    for data_set in planned.data_sets:
        is_new = quicksight.put_data_set(data_set, _grants(owners, _SET_OWNER))
        quicksight.put_refresh(data_set["DataSetId"], planned.refresh)
        yield _line(is_new, data_set)
    grants = [*_grants(owners, _DASHBOARD_OWNER), *_grants(readers, _DASHBOARD_READER)]
    yield _line(quicksight.put_dashboard(planned.dashboard, grants), planned.dashboard)


def _data_source(story: Story, place: Place) -> Spec:
    athena: Spec = {"WorkGroup": place.workgroup}
    if place.role:
        athena["RoleArn"] = place.role
    return {
        "DataSourceId": place.data_source_id,
        "Name": f"{story.title}: Athena",
        "Type": "ATHENA",
        "DataSourceParameters": {"AthenaParameters": athena},
        "SslProperties": {"DisableSsl": False},
    }


def _data_set(story: Story, name: str, place: Place, typed: Mapping[str, ColumnType]) -> Spec:
    sql = {
        "DataSourceArn": place.arn("datasource", place.data_source_id),
        "Name": name,
        "SqlQuery": asked_of(story.selects[name], place.database),
        "Columns": [{"Name": column, "Type": kind} for column, kind in typed.items()],
    }
    return {
        "DataSetId": f"{place.prefix}-{name}",
        "Name": f"{story.title}: {story.data_sets[name].title}",
        "ImportMode": "SPICE",
        "PhysicalTableMap": {f"{name}-sql": {"CustomSql": sql}},
    }


def _refresh(story: Story, place: Place) -> Spec:
    when = {"Interval": "DAILY", "TimeOfTheDay": story.refresh_at, "Timezone": "UTC"}
    return {"ScheduleId": f"{place.prefix}-daily", "ScheduleFrequency": when, "RefreshType": "FULL_REFRESH"}


def _grants(principals: Sequence[str], actions: Sequence[str]) -> list[Spec]:
    allowed = [f"quicksight:{action}" for action in actions]
    return [{"Principal": principal, "Actions": allowed} for principal in principals]


def _line(is_new: bool, resource: Spec) -> str:
    [resource_id] = [value for key, value in resource.items() if key in {"DataSourceId", "DataSetId", "DashboardId"}]
    return f"{'made' if is_new else 'updated'} {resource_id}"
