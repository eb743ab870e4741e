"""How Kubecost or OpenCost is probed: whether it answers, with what, and how long it keeps it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from pipeline.answers import GRID, LABELS, PROVIDER_IDS, NoDataError, OtherClustersError, Traits
from pipeline.clock_probe import Clock, compared
from pipeline.errors import AccessDeniedError, ChargebackError, ConfigurationError, ContractError, UnavailableError
from pipeline.kubecost import KUBECOST, Dialect, Kubecost
from pipeline.models import Cluster, WindowAnswer
from pipeline.plan import Schedule, span
from pipeline.probe import NotRunError, Once, Probe, Said, by_kind
from pipeline.rows import WindowRows, window_rows
from pipeline.tables import ALLOCATIONS
from pipeline.window import DAY, HOUR, Window, ceil_hour, rfc3339

_DAYS = timedelta(days=3)
_ELSEWHERE = ("other", "platform")

_CLUSTER_ID = (
    "Set CHARGEBACK_KUBECOST_CLUSTER_ID to the name that Kubecost gives this cluster, or unset it if Kubecost knows no "
    "other."
)
_fix = by_kind(
    {
        AccessDeniedError: "Put a key that Kubecost takes into the secret chargeback-kubecost, as api-key; it becomes "
        "CHARGEBACK_KUBECOST_API_KEY.",
        OtherClustersError: _CLUSTER_ID,
        NoDataError: "See that Kubecost and the Prometheus behind it run, and have run in that hour; on a new "
        "installation, wait until an hour is CHARGEBACK_COLLECT_AFTER old.",
        ConfigurationError: "Correct the setting that is named. An address is that of the Service, as `kubectl get "
        "services --all-namespaces` shows it: http://SERVICE.NAMESPACE:PORT, such as "
        "http://kubecost-cost-analyzer.kubecost:9090 or http://opencost.opencost:9003.",
        ContractError: "Open the address from inside the cluster: it has to be the API of Kubecost or OpenCost, past "
        "any login page, so take the Service's own address, not the Ingress', or give an API key.",
        UnavailableError: "See that the Service, its port and its pods are there (kubectl get endpoints), and that a "
        "NetworkPolicy lets this pod reach them.",
    },
    otherwise="Look at the logs of Kubecost's pods.",
)


def _answer_fix(error: ChargebackError) -> str:
    """Of one that answers, it is the cluster that may be wrongly set, no longer the address."""
    return _CLUSTER_ID if isinstance(error, ConfigurationError) else _fix(error)


@dataclass(frozen=True)
class KubecostProbes:
    """The probes of the server that *connect* reaches, at the time *now*, about *cluster*.

    *labels* and *schedule* are those that `collect` goes by; *clock* is None where `--now` took its place. *collected*
    says whether the lake has an hour.
    """

    connect: Callable[[], Kubecost]
    cluster: Cluster
    labels: tuple[str, ...]
    schedule: Schedule
    now: datetime
    clock: Clock | None
    collected: Callable[[Window], bool]

    def probes(self) -> Iterator[Probe]:
        """Each of them, in the order in which one needs the other."""
        yield Probe("Kubecost", self._flavour, _fix)
        yield Probe("Kubecost's clock", self._time, _fix)
        yield Probe("Kubecost: newest hour", self._hour, _answer_fix)
        yield Probe("Kubecost: labels", self._labels, _fix)
        yield Probe("Kubecost: provider IDs", lambda: self._trait(PROVIDER_IDS, "given"), _fix)
        yield Probe("Kubecost: nodes", self._nodes, _fix)
        yield Probe("Kubecost: time grid", self._grid, _fix)
        yield Probe("Kubecost: retention", self._retention, _fix)

    @cached_property
    def _server(self) -> Once[Kubecost]:
        return Once(self.connect, "nothing can be asked of Kubecost")

    @cached_property
    def _dialect(self) -> Once[Dialect]:
        return Once(lambda: self._server().detect(self._newest), "Kubecost does not answer")

    @cached_property
    def _answer(self) -> Once[WindowAnswer]:
        def ask() -> WindowAnswer:
            _ = self._dialect.needed
            return self._server().window(self._newest)

        return Once(ask, "there is no answer to look at")

    @cached_property
    def _rows(self) -> Once[WindowRows]:
        return Once(
            lambda: window_rows(self._answer.needed, self.cluster, self.labels, self.now),
            "there is no answer to look at",
        )

    @cached_property
    def _traits(self) -> Once[Traits]:
        return Once(lambda: Traits.of(self._answer.needed), "there is no answer to look at")

    @cached_property
    def _newest(self) -> Window:
        """The newest hour that `collect` would ask for."""
        newest = span(self.schedule, self.now, None, None).newest_hour
        if newest is None:
            raise NotRunError(
                "CHARGEBACK_LOOKBACK is shorter than CHARGEBACK_COLLECT_AFTER: there is no hour to ask of"
            )
        return newest

    def _flavour(self) -> Said:
        dialect, server = self._dialect(), self._server()
        name = "Kubecost" if dialect.source == KUBECOST.source else "OpenCost"
        return Said(f"{name} at {server.server}{dialect.path}")

    def _time(self) -> Said:
        """By any answer: a login page has a date, too."""

        def there() -> datetime | None:
            try:
                self._dialect()
            except UnavailableError as error:
                raise NotRunError("Kubecost does not answer") from error
            except ChargebackError:
                pass
            return self._server.needed.server_time()

        return compared(self.clock, there)

    def _hour(self) -> Said:
        answer = self._answer()
        named = f", of the cluster {answer.cluster_id!r}" if answer.cluster_id else ""
        return Said(
            f"{_told(self._newest)}: {len(answer.allocations):,} containers on {len(answer.nodes):,} nodes{named}"
        )

    def _labels(self) -> Said:
        wrong = self._traits.needed.advice().get(LABELS)
        if wrong:
            return Said(*wrong, ContractError)
        kinds = self._rows.needed.tables[ALLOCATIONS]["workload_kind"].to_pylist()
        ours = sum(kind not in _ELSEWHERE for kind in kinds)
        return Said(f"given; {ours:,} of {len(kinds):,} containers are Spark's or Flink's in that hour")

    def _trait(self, trait: str, otherwise: str) -> Said:
        wrong = self._traits.needed.advice().get(trait)
        return Said(*wrong) if wrong else Said(otherwise)

    def _nodes(self) -> Said:
        rows = self._rows.needed
        if rows.nodes_unmatched:
            return Said(
                f"nodes that pods ran on and that are no asset: {rows.nodes_unmatched:,}",
                "Their pods' cost stays estimated. See that Kubecost's node metrics come from every node, and that its "
                "pods did not run out of memory.",
            )
        if rows.joined_by_name:
            return Said(
                f"containers that found their node by its name only: {rows.joined_by_name:,}",
                "Nothing, as long as nodes' names are not used again within an hour; else take a version of Kubecost "
                "or OpenCost that gives the provider ID in each row.",
            )
        return Said("every container found its node")

    def _grid(self) -> Said:
        grid = self._traits.needed.grid
        if grid is None:
            raise NotRunError("every pod ran through the whole hour, which shows no grid")
        return self._trait(GRID, "finer than 5 minutes")

    @property
    def retention(self) -> timedelta:
        """How long `collect` counts on hours to be kept."""
        if self.schedule.hourly_retention is not None:
            return self.schedule.hourly_retention
        try:
            return self._dialect().hourly_retention
        except ChargebackError:
            return KUBECOST.hourly_retention

    def _retention(self) -> Said:
        """Whether the oldest hour that `collect` would ask for is still there."""
        _ = self._dialect.needed
        kept = _length(self.retention)
        oldest = Window.hour(ceil_hour(self.now - self.retention))
        if oldest >= self._newest:
            raise NotRunError(f"hours are kept for {kept}, which ends before CHARGEBACK_COLLECT_AFTER")
        try:
            answer = self._server().window(oldest)
        except ContractError as error:
            if type(error) is NoDataError and not self.collected(oldest):
                return Said(f"nothing of {_told(oldest)}, {kept} back, nor was that hour ever collected")
            return Said(
                str(error),
                f"If Kubecost was installed after that hour, nothing. Else it keeps hours for less than {kept}: set "
                "CHARGEBACK_HOURLY_RETENTION to what it keeps, so that older ones come from their day's set.",
            )
        return Said(f"{_told(oldest)}, {kept} back, is still there: {len(answer.allocations):,} containers")


def _length(length: timedelta) -> str:
    return f"{length // DAY} d" if length >= _DAYS and not length % DAY else f"{length // HOUR} h"


def _told(hour: Window) -> str:
    return rfc3339(hour.start).replace(":00Z", "Z")
