import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.emr import JobRun, VirtualCluster
from pipeline.inventory import Question, merged, question, table_of
from pipeline.models import Cluster
from pipeline.tables import (
    INVENTORY_TABLES,
    JOB_RUNS,
    LAKE_TABLES,
    MANAGED_ENDPOINTS,
    TABLES,
    VIRTUAL_CLUSTERS,
    Column,
    Table,
)
from pipeline.window import DAY, HOUR
from tests.conftest import CLUSTER_ARN

CLUSTER = Cluster.from_arn(CLUSTER_ARN)
NOON = datetime(2026, 11, 19, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HERE = "arn:aws:emr-containers:us-east-1:111122223333:/virtualclusters/vc1"
CONTRACT = {
    VIRTUAL_CLUSTERS: "virtual_cluster_id name namespace state created_at tags",
    JOB_RUNS: """
        job_run_id virtual_cluster_id name namespace state state_details failure_reason created_at finished_at
        release_label execution_role_arn tags
        """,
    MANAGED_ENDPOINTS: """
        managed_endpoint_id virtual_cluster_id name namespace state state_details failure_reason created_at
        release_label execution_role_arn tags
        """,
}


def run(
    job: str = "j1",
    state: str = "RUNNING",
    created: datetime = NOON,
    finished: datetime | None = None,
    tags: Mapping[str, str] | None = None,
) -> JobRun:
    return JobRun(
        arn=f"{HERE}/jobruns/{job}",
        job_run_id=job,
        virtual_cluster_id="vc1",
        state=state,
        created_at=created,
        finished_at=finished,
        tags=dict(tags or {}),
    )


def rows(*runs: JobRun, now: datetime = NOON) -> pa.Table:
    return table_of(JOB_RUNS, runs, CLUSTER, now)


NOTHING = rows()


def together(stored: pa.Table, listed: pa.Table) -> pa.Table:
    return merged(JOB_RUNS, stored, listed)


def states(table: pa.Table) -> dict[str, str]:
    return dict(zip(table["job_run_id"].to_pylist(), table["state"].to_pylist(), strict=True))


def naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


# What the tables are


def expected_type(column: Column) -> pa.DataType:
    if column.name.endswith("_at"):
        return pa.timestamp("ms")
    return pa.map_(pa.string(), pa.string()) if column.name == "tags" else pa.string()


@pytest.mark.parametrize("table", INVENTORY_TABLES, ids=lambda table: table.name)
def test_every_column_that_others_rely_on_is_there_and_says_what_it_is(table: Table) -> None:
    assert set(CONTRACT[table].split()) | {"arn", "cluster_arn", "collected_at"} <= set(table.schema.names)
    for column in table.columns:
        assert column.type == expected_type(column)
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", column.name)
        assert len("Pod name") < len(column.comment) <= 255, "Glue takes no longer comment"


def test_the_inventory_is_unpartitioned_and_the_windows_tables_are_not() -> None:
    assert [table.partitioned for table in INVENTORY_TABLES] == [False] * 3
    assert [table.partitioned for table in LAKE_TABLES] == [True] * 3
    assert {table.name for table in (*LAKE_TABLES, *INVENTORY_TABLES)} == {
        "allocations", "nodes", "volumes", "job_runs", "virtual_clusters", "managed_endpoints"
    }  # fmt: skip
    assert {*TABLES} > {*LAKE_TABLES, *INVENTORY_TABLES}


def test_virtual_clusters_are_written_last_for_those_that_ended_are_asked_about_no_more() -> None:
    assert INVENTORY_TABLES[-1] is VIRTUAL_CLUSTERS


# How records become rows


def test_times_are_utc_whatever_zone_they_came_in_and_are_cut_to_milliseconds() -> None:
    tokyo = timezone(timedelta(hours=9))
    created = datetime(2026, 11, 19, 21, 0, 0, 123_999, tzinfo=tokyo)
    (row,) = rows(run(created=created)).to_pylist()
    assert row["created_at"] == datetime(2026, 11, 19, 12, 0, 0, 123_000)  # noqa: DTZ001  as the lake has it
    assert row["collected_at"] == naive(NOON)


def test_tags_are_in_one_order_whatever_order_they_came_in() -> None:
    assert rows(run(tags={"b": "1", "a": "2"})).equals(rows(run(tags={"a": "2", "b": "1"})))


def test_what_emr_does_not_say_is_null() -> None:
    bare = VirtualCluster(arn=HERE, state="RUNNING", created_at=NOON, virtual_cluster_id="vc1")
    (row,) = table_of(VIRTUAL_CLUSTERS, [bare], CLUSTER, NOON).to_pylist()
    assert (row["name"], row["namespace"], row["tags"]) == (None, None, [])
    assert row["cluster_arn"] == CLUSTER_ARN


# How rows meet those that the lake has


def test_a_row_that_is_listed_no_more_stays() -> None:
    stored = rows(run("old", "COMPLETED"))
    assert states(together(stored, rows(run("new"), now=NOON + HOUR))) == {"old": "COMPLETED", "new": "RUNNING"}
    assert together(stored, NOTHING).equals(stored)


def test_a_newer_row_replaces_the_stored_one() -> None:
    found = together(rows(run()), rows(run(state="FAILED", finished=NOON + MINUTE), now=NOON + HOUR))
    assert [(row["state"], row["collected_at"]) for row in found.to_pylist()] == [("FAILED", naive(NOON + HOUR))]


def test_a_row_that_says_nothing_new_keeps_its_time_and_the_table_its_bytes() -> None:
    stored = rows(run(tags={"a": "b"}))
    assert together(stored, rows(run(tags={"a": "b"}), now=NOON + HOUR)).equals(stored)


def test_a_stale_answer_never_takes_a_job_run_out_of_its_final_state() -> None:
    stored = rows(run(state="COMPLETED"))
    assert together(stored, rows(run(state="RUNNING"), now=NOON + HOUR)).equals(stored)


def test_new_tags_on_a_finished_job_run_are_taken() -> None:
    found = together(rows(run(state="COMPLETED")), rows(run(state="COMPLETED", tags={"a": "b"}), now=NOON + HOUR))
    assert found["tags"].to_pylist() == [[("a", "b")]]


def test_rows_are_in_the_order_of_their_creation() -> None:
    found = together(rows(run("b"), run("c", created=NOON - HOUR)), rows(run("a"), now=NOON + HOUR))
    assert found["job_run_id"].to_pylist() == ["c", "a", "b"]


# What is asked

ENDED = run("ended", "COMPLETED")


@pytest.mark.parametrize(
    ("known", "since", "ids"),
    [
        ([], None, ()),
        ([ENDED], NOON - HOUR, ()),
        ([ENDED, run("earlier", "FAILED", NOON - 9 * HOUR)], NOON - HOUR, ()),
        ([ENDED, run("going", "RUNNING", NOON - 9 * HOUR)], NOON - 10 * HOUR, ()),
        ([ENDED, run("going", "CANCEL_PENDING", NOON - DAY)], NOON - DAY - HOUR, ()),
        ([ENDED, run("streaming", "RUNNING", NOON - 40 * DAY)], NOON - HOUR, ("streaming",)),
        ([ENDED, run("a", "PENDING", NOON - 2 * HOUR), run("b", "SUBMITTED", NOON - 2 * DAY)], NOON - 3 * HOUR, ("b",)),
        ([run("only", "RUNNING", NOON - 40 * DAY)], NOON - 40 * DAY - HOUR, ()),
    ],
)
def test_job_runs_are_listed_from_the_newest_or_the_oldest_unfinished_of_a_day_and_older_ones_asked_for_alone(
    known: list[JobRun], since: datetime | None, ids: tuple[str, ...]
) -> None:
    assert question(rows(*known), ended=False) == Question(listed=True, since=since, ids=ids)


def test_of_a_virtual_cluster_that_ended_only_unfinished_job_runs_are_asked_for() -> None:
    known = rows(ENDED, run("going"), run("old", created=NOON - 9 * DAY))
    assert question(known, ended=True) == Question(listed=False, since=None, ids=("going", "old"))
    assert question(NOTHING, ended=True) == Question(listed=False, since=None, ids=())


# Whatever happens

_LIFE = ("PENDING", "SUBMITTED", "RUNNING", "COMPLETED")


@dataclass(frozen=True)
class Life:
    """A job run of which EMR says another thing from each of the *changes* on, minutes after noon.

    EMR lists it some minutes, the *lag*, after it was created, until it has ended and EMR has *forgotten* it.
    """

    job: str
    changes: tuple[int, ...]
    lag: int
    forgotten: int

    def at(self, minute: int) -> JobRun | None:
        """What EMR lists at a minute."""
        passed = sum(change <= minute for change in self.changes)
        if not passed or (minute >= self.forgotten and passed == len(_LIFE)):
            return None
        finished = NOON + self.changes[-1] * MINUTE if passed == len(_LIFE) else None
        return run(self.job, _LIFE[passed - 1], NOON + (self.changes[0] - self.lag) * MINUTE, finished)


@st.composite
def lives(draw: st.DrawFn) -> list[Life]:
    instants = st.lists(st.integers(0, 40_000), min_size=len(_LIFE), max_size=len(_LIFE), unique=True).map(sorted)
    return [
        Life(f"j{number}", tuple(draw(instants)), draw(st.integers(0, 59)), draw(st.integers(0, 60_000)))
        for number in range(draw(st.integers(1, 8)))
    ]


def listing(of: list[Life], minute: int) -> list[JobRun]:
    return [found for life in of if (found := life.at(minute))]


@settings(deadline=None)
@given(lives(), st.lists(st.integers(0, 45_000), min_size=1, max_size=8, unique=True).flatmap(st.permutations))
def test_refreshes_in_any_order_and_any_number_end_in_the_same_rows(of: list[Life], minutes: list[int]) -> None:
    answers = {minute: rows(*listing(of, minute), now=NOON + minute * MINUTE) for minute in minutes}
    in_order, shuffled = NOTHING, NOTHING
    for minute in sorted(minutes):
        in_order = together(in_order, answers[minute])
    for minute in [*minutes, *reversed(minutes)]:
        shuffled = together(shuffled, answers[minute])
    assert shuffled.equals(in_order)


@settings(deadline=None)
@given(lives(), st.lists(st.integers(0, 45_000), min_size=1, max_size=12, unique=True).map(sorted))
def test_what_is_asked_for_brings_all_that_listing_everything_would(of: list[Life], minutes: list[int]) -> None:
    little, everything = NOTHING, NOTHING
    for minute in minutes:
        listed, now = listing(of, minute), NOON + minute * MINUTE
        asked = question(little, ended=False)
        since = asked.since
        answer = [r for r in listed if since is None or r.created_at > since or r.job_run_id in asked.ids]
        little = together(little, rows(*answer, now=now))
        everything = together(everything, rows(*listed, now=now))
    assert little.equals(everything)


@settings(deadline=None)
@given(lives(), st.lists(st.integers(0, 45_000), min_size=2, max_size=8, unique=True).map(sorted))
def test_no_row_is_ever_lost_and_no_final_state_ever_left(of: list[Life], minutes: list[int]) -> None:
    steps = [NOTHING]
    for minute in minutes:
        steps.append(together(steps[-1], rows(*listing(of, minute), now=NOON + minute * MINUTE)))
    for before, after in pairwise(map(states, steps)):
        assert before.keys() <= after.keys()
        assert all(after[job] == "COMPLETED" for job, state in before.items() if state == "COMPLETED")
