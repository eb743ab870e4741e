"""How Glue and Athena are probed: the database, what is published there, the ledger, and the workgroup."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from pipeline.catalog import Catalog, Relation, foreign
from pipeline.errors import AccessDeniedError, ChargebackError, ConfigurationError
from pipeline.identity import Caller
from pipeline.ledger import LedgerState
from pipeline.ledger_table import PUBLISHED_TABLES
from pipeline.models import Location
from pipeline.probe import NotRunError, Once, Probe, Said, by_kind
from pipeline.publish import require_published
from pipeline.relations import views
from pipeline.tables import TABLES
from pipeline.workgroup import Workgroup

_PUBLISH = "Run `chargeback publish`."
_REFRESH = "Run `chargeback refresh` (or `collect --refresh`) after each `collect`."


@dataclass(frozen=True)
class SqlProbes:
    """The probes of the Glue *database* over the lake at *location*, and of what queries it, in *region*.

    *version* is the one that would publish. *workgroup* finds Athena's, None where another engine is asked.
    """

    catalog: Callable[[], Catalog]
    database: str
    location: Location
    region: str | None
    version: str
    ledger: Callable[[], Mapping[date, LedgerState]]
    workgroup: Callable[[], Workgroup] | None
    credentials: Once[Caller]

    def probes(self) -> Iterator[Probe]:
        """Each of them, in the order in which one needs the other."""
        needs = (self.credentials,)
        yield Probe("Glue: database", self._published, self._glue_fix, needs)
        yield Probe("Glue: tables and views", self._current, self._glue_fix, needs)
        yield Probe("Athena: workgroup", self._usable, self._athena_fix, needs)
        yield Probe("ledger", self._ledger, self._glue_fix, needs)

    @cached_property
    def _relations(self) -> Once[dict[str, Relation]]:
        def ask() -> dict[str, Relation]:
            catalog = self.catalog()
            require_published(catalog, self.database)
            return catalog.relations()

        return Once(ask, "nothing is published")

    def _published(self) -> Said:
        return Said(f"{self.database} in {self.region}: {len(self._relations())} tables and views")

    def _current(self) -> Said:
        """Whether all that this version publishes is there, as it would publish it."""
        found = self._relations.needed
        wanted = [*(table.name for table in PUBLISHED_TABLES), *(view.name for view in views("no_cur"))]
        if missing := sorted(set(wanted) - found.keys()):
            return Said(f"{', '.join(missing)} are not there", _PUBLISH, ConfigurationError)
        if theirs := foreign(found, (view.name for view in views("no_cur"))):
            return Said(
                f"{', '.join(theirs)} were not made by chargeback",
                "Set CHARGEBACK_GLUE_DATABASE to another database, or drop them (DROP VIEW or DROP TABLE, which "
                "leaves the data), and `chargeback publish`.",
                ConfigurationError,
            )
        if elsewhere := self._elsewhere(found):
            return Said(
                f"{', '.join(elsewhere)} read another lake than {self.location.uri()}",
                "Set CHARGEBACK_LAKE to the lake that was published, or run `chargeback publish` over this one.",
                ConfigurationError,
            )
        made_by = {found[table.name].made_by for table in TABLES}
        if made_by != {self.version}:
            others = ", ".join(sorted(str(version) for version in made_by - {self.version}))
            return Said(f"declared by version {others}, and this is {self.version}", _PUBLISH)
        return Said(f"all there, as version {self.version} declares them")

    def _elsewhere(self, found: Mapping[str, Relation]) -> list[str]:
        return [
            table.name for table in TABLES if found[table.name].location.rstrip("/") != self.location.uri(table.name)
        ]

    def _usable(self) -> Said:
        if self.workgroup is None:
            raise NotRunError("CHARGEBACK_SQL_URL names another engine")
        group = self.workgroup()
        if not group.is_enabled:
            return Said(f"{group.name} is disabled", "Enable it in Athena's console.", ConfigurationError)
        if group.results is None:
            return Said(
                f"{group.name} has no place for the results of queries",
                "Give it one (Athena, Workgroups, Edit: location of query results), in a bucket that is not the lake.",
                ConfigurationError,
            )
        limit = f", at most {group.scan_limit / 1e9:,.0f} GB a query" if group.scan_limit else ""
        return Said(f"{group.name}, results in {group.results}{limit}")

    def _ledger(self) -> Said:
        _ = self._relations.needed
        counts = Counter(self.ledger().values())
        if not counts:
            return Said("no day yet", _REFRESH)
        told = ", ".join(f"{counts[state]} {state}" for state in LedgerState if counts[state])
        return Said(f"days: {told}", None if set(counts) == {LedgerState.CURRENT} else _REFRESH)

    def _glue_fix(self, error: ChargebackError) -> str:
        return by_kind(
            {
                AccessDeniedError: "Allow the role to read Glue (glue:GetDatabase, GetTable, GetTables, GetPartitions) "
                f"on the catalog, the database {self.database} and its tables, and in Lake Formation, if it governs "
                "them. A role that only collects needs none: give `doctor` the option --collect-only.",
                ConfigurationError: "Run `chargeback publish` once, or set CHARGEBACK_GLUE_DATABASE and "
                "AWS_DEFAULT_REGION to where it was published.",
            },
            otherwise=f"See that the pod may reach glue.{self.region}.amazonaws.com on port 443.",
        )(error)

    def _athena_fix(self, error: ChargebackError) -> str:
        return by_kind(
            {
                AccessDeniedError: "Allow the role athena:GetWorkGroup, StartQueryExecution, GetQueryExecution, "
                "GetQueryResults and StopQueryExecution on the workgroup. A role that only collects needs none: give "
                "`doctor` the option --collect-only.",
                ConfigurationError: f"Create the workgroup in {self.region}, with a place for results, or set "
                "CHARGEBACK_ATHENA_WORKGROUP or AWS_DEFAULT_REGION to where it is; `infra/` has a template.",
            },
            otherwise=f"See that the pod may reach athena.{self.region}.amazonaws.com on port 443.",
        )(error)
