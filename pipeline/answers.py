"""Which answers of Kubecost and OpenCost may be written, and what they show of the server that gave them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from math import isfinite
from typing import TypeVar

import msgspec

from pipeline.errors import ConfigurationError, ContractError
from pipeline.models import (
    ALLOCATION,
    COARSE_GRID,
    NOBODY,
    Allocation,
    Allocations,
    Asset,
    WindowAnswer,
    WireWindow,
    time_grid,
)
from pipeline.window import Window

Body = bytes | bytearray

LABELS, PROVIDER_IDS, GRID = "labels", "provider IDs", "time grid"
"""What of a server's answers may want a setting of it."""

_LOOKED_AT = 1000
_MESSAGE_LENGTH = 300  # OpenCost repeats whole PromQL queries: 33 kB have been seen
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_IDLE = "__idle__"
_OUT_OF_STORE = ("boundary error", "does not have coverage")  # of Kubecost's stores, in an answer with status 500


class NoDataError(ContractError):
    """Nothing is known of the time: no row in a well-formed answer, or a store that does not reach that far.

    Right before history began, wrong after.
    """


class OutOfStoreError(NoDataError):
    """The server says that none of its stores reaches to the time."""


class OtherClustersError(NoDataError):
    """The rows of the time are those of other clusters, *named*, and none is of the one that is *wanted*."""

    def __init__(self, server: str, window: Window, wanted: str, named: str) -> None:
        super().__init__(f"{server} answered for {window} about {named} and has no row of {wanted!r}.")
        self.wanted = wanted
        self._server = server
        self._named = named

    def of_a_name_never_seen(self) -> ConfigurationError:
        """What it means where no hour ever had a row of that name."""
        return ConfigurationError(
            f"{self._server} has rows of {self._named}, and in no hour any of {self.wanted!r}. "
            "CHARGEBACK_KUBECOST_CLUSTER_ID must be Kubecost's own name of the cluster in CHARGEBACK_CLUSTER_ARN."
        )


class _AllocationAnswer(msgspec.Struct, frozen=True):
    code: int
    data: list[dict[str, msgspec.Raw] | None] | None = None
    message: str | None = None


class _AssetAnswer(msgspec.Struct, frozen=True):
    code: int
    data: list[dict[str, Asset] | None] | dict[str, Asset] | None = None
    message: str | None = None


class _AnyAnswer(msgspec.Struct, frozen=True):
    data: msgspec.Raw = msgspec.Raw(b"null")
    message: str | None = None


class _Read(msgspec.Struct, frozen=True, gc=False):
    """A row as it came, and what is checked of it."""

    encoded: msgspec.Raw
    cluster: str | None
    window: WireWindow
    is_idle: bool
    has_node: bool
    cpu_core_hours: float
    total_cost: float


_Answer = TypeVar("_Answer", _AllocationAnswer, _AssetAnswer)
_Row = TypeVar("_Row", _Read, Asset)

_ALLOCATIONS = msgspec.json.Decoder(_AllocationAnswer)
_ASSETS = msgspec.json.Decoder(_AssetAnswer)
_ANY = msgspec.json.Decoder(_AnyAnswer)


@dataclass(frozen=True)
class Question:
    """What was asked: for *window*, of the server shown as *server*, about *cluster_id* or the only cluster it has.

    Reading an answer raises NoDataError where it has none, ConfigurationError where it is about several clusters of
    which none was asked for, and ContractError where it may not be written.
    """

    server: str
    window: Window
    cluster_id: str | None

    def allocations(self, body: Body) -> Allocations:
        """The rows of an answer to `/allocation`: one set, of this window, in which pods have nodes.

        Each row is read, and none of them kept but as it came: labels are most of a row, and few of them are needed.
        Idle capacity, which some servers add although it was declined, is no pod's: it is left out.
        """
        answer = self._decoded(_ALLOCATIONS, body, "/allocation")
        sets = [rows for rows in answer.data or () if rows]
        if not sets:
            raise NoDataError(f"{self.server} has no allocations for {self.window}.")
        if len(answer.data or ()) != 1:
            raise ContractError(f"{self.server} answered with {len(answer.data or ())} windows, not {self.window}.")
        read = [self._read(name, row) for name, row in sets[0].items()]
        found = [row for row in read if not row.is_idle]
        rows = self._of_cluster(found)
        if not rows:
            raise self._without_rows(found)
        for row in rows:
            self._check_window(row.window)
        self._check_totals(rows)
        if not any(row.has_node for row in rows):
            raise ContractError(
                f"{self.server} answered for {self.window} with no row that has a node: its query for the pods failed."
            )
        cluster_id = next((row.cluster for row in rows if row.cluster), None)
        return Allocations((row.encoded for row in rows), cluster_id, len(read) - len(found))

    def _read(self, name: str, encoded: msgspec.Raw) -> _Read:
        try:
            row = ALLOCATION.decode(encoded)
        except _UNREADABLE as error:
            said = cut(f"{error}, in the row {name}")
            raise ContractError(f"{self.server} gave an answer to /allocation that cannot be read: {said}") from error
        of = row.properties or NOBODY
        return _Read(
            encoded=encoded,
            cluster=of.cluster,
            window=row.window,
            is_idle=_IDLE in row.name and not of.pod,
            has_node=bool(of.node),
            cpu_core_hours=row.cpu_core_hours or 0.0,
            total_cost=row.total_cost or 0.0,
        )

    def _without_rows(self, found: Iterable[_Read]) -> NoDataError:
        named = {row.cluster for row in found if row.cluster}
        if self.cluster_id is None or not named:
            return NoDataError(f"{self.server} has no allocations for {self.window}.")
        return OtherClustersError(self.server, self.window, self.cluster_id, _listed(named))

    def nodes(self, body: Body) -> tuple[Asset, ...]:
        """The nodes in an answer to `/assets`, a list of sets or one set; disks and load balancers are passed over."""
        answer = self._decoded(_ASSETS, body, "/assets")
        sets = [answer.data] if isinstance(answer.data, dict) else answer.data or []
        assets = (asset for found in sets for asset in (found or {}).values())
        nodes = self._of_cluster([asset for asset in assets if asset.type == "Node"])
        for node in nodes:
            if node.window:
                self._check_window(node.window)
        if not nodes:
            raise ContractError(f"{self.server} has no node assets for {self.window}, although it has allocations.")
        return nodes

    def _decoded(self, decoder: "msgspec.json.Decoder[_Answer]", body: Body, path: str) -> _Answer:
        try:
            answer = decoder.decode(body)
        except _UNREADABLE as error:
            said = cut(str(error))
            raise ContractError(f"{self.server} gave an answer to {path} that cannot be read: {said}") from error
        message = answer.message or ""
        if is_out_of_store(message):
            raise OutOfStoreError(f"{self.server} keeps no data of {self.window}: {cut(message)}")
        if answer.code != HTTPStatus.OK:
            raise ContractError(f"{self.server} answered {path} with code {answer.code}: {cut(message)}")
        return answer

    def _of_cluster(self, rows: "Iterable[_Row]") -> "tuple[_Row, ...]":
        """The rows of our cluster: all of them, unless they speak of several."""
        rows = tuple(rows)
        if self.cluster_id is not None:
            self._refuse_nameless(self.cluster_id, rows)
            return tuple(row for row in rows if _cluster(row) == self.cluster_id)
        clusters = {cluster for row in rows if (cluster := _cluster(row))}
        if len(clusters) > 1:
            raise ConfigurationError(
                f"{self.server} speaks of several clusters: {_listed(clusters)}. "
                "Set CHARGEBACK_KUBECOST_CLUSTER_ID to the one that CHARGEBACK_CLUSTER_ARN names."
            )
        return rows

    def _refuse_nameless(self, wanted: str, rows: "Iterable[_Read | Asset]") -> None:
        """Refuse what cannot be told apart: a row that names no cluster may be ours, or another's."""
        nameless = sum(1 for row in rows if not _cluster(row))
        if nameless:
            raise ContractError(
                f"{self.server} answered for {self.window} with {nameless} rows that name no cluster, which may belong "
                f"to {wanted!r} or not. If it knows only this cluster, unset CHARGEBACK_KUBECOST_CLUSTER_ID."
            )

    def _check_totals(self, rows: Iterable[_Read]) -> None:
        """Refuse numbers that do not add up to one, in whatever order: nothing could be compared with their sum."""
        for field in ("cpu_core_hours", "total_cost"):
            if not isfinite(sum(abs(getattr(row, field)) for row in rows)):
                raise ContractError(f"{self.server} answered for {self.window} with a {field} beyond all numbers.")

    def _check_window(self, got: WireWindow) -> None:
        if (got.start, got.end) != (self.window.start, self.window.end):
            raise ContractError(
                f"{self.server} answered for {got.start.isoformat()},{got.end.isoformat()} instead of {self.window}: "
                "it has no data of that resolution for that time."
            )


@dataclass(frozen=True)
class Traits:
    """What an answer shows of its server; *grid* is None where it does not show."""

    adjustments: bool
    labels: bool
    provider_ids: bool
    grid: timedelta | None

    @classmethod
    def of(cls, answer: WindowAnswer) -> "Traits":
        """Look at the first rows of *answer*."""
        rows = answer.allocations[:_LOOKED_AT]
        properties = [row.properties for row in rows if row.properties]
        return cls(
            adjustments=any(getattr(row, field) for row in rows for field in _ADJUSTMENTS),
            labels=any(of.labels for of in properties),
            provider_ids=any(of.provider_id for of in properties),
            grid=time_grid(answer.window, (row.minutes for row in rows)),
        )

    def advice(self) -> "dict[str, tuple[str, str]]":
        """What is wrong with the server's answers, by trait, each with what to set."""
        wrong = {}
        if not self.labels:
            wrong[LABELS] = "no row has labels", _LABELS_ADVICE
        if not self.provider_ids:
            wrong[PROVIDER_IDS] = "no row has a provider ID", _PROVIDER_IDS_ADVICE
        if self.grid == COARSE_GRID:
            wrong[GRID] = "pod times lie on a grid of 5 minutes", _GRID_ADVICE
        return wrong


_ADJUSTMENTS = tuple(field for field in Allocation.__struct_fields__ if field.endswith("_adjustment"))
_LABELS_ADVICE = (
    "No pod can be told from another. If kube-state-metrics gives the labels, start it with "
    "--metric-labels-allowlist=namespaces=[*],nodes=[*],pods=[*]."
)
_PROVIDER_IDS_ADVICE = "Nodes are found by their names. OpenCost 1.119.0 leaves the IDs out: take another version."
_GRID_ADVICE = (
    "Up to 5 minutes of every pod are lost. Set PROMETHEUS_QUERY_RESOLUTION_SECONDS=60 on OpenCost, "
    "ETL_RESOLUTION_SECONDS=60 on Kubecost and on OpenCost before 2025."
)


def has_one_set(body: Body) -> bool | None:
    """Whether assets come as one object, as OpenCost gives them, or as a list of sets; None where none is shown."""
    try:
        first = bytes(_ANY.decode(body).data)[:1]
    except _UNREADABLE:
        return None
    return {b"{": True, b"[": False}.get(first)


def message_of(body: Body, text: str) -> str:
    """What an error's *body* says, or else its *text*."""
    try:
        return _ANY.decode(body).message or ""
    except _UNREADABLE:
        return text


def is_out_of_store(message: str) -> bool:
    """Whether a server's *message* says that none of its stores reaches to the time asked for."""
    return any(sign in message for sign in _OUT_OF_STORE)


def cut(text: str) -> str:
    """*text* on one line, short enough to read; what a terminal would obey instead of show is a `?`."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= _MESSAGE_LENGTH else f"{line[:_MESSAGE_LENGTH]}… ({len(text)} characters)"


def _cluster(row: _Read | Asset) -> str | None:
    if isinstance(row, _Read):
        return row.cluster
    return row.properties.cluster if row.properties else None


def _listed(names: "set[str]") -> str:
    return cut(", ".join(sorted(names)))
