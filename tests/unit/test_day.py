import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import footer
from pipeline.change import Change, Effect, Loss
from pipeline.day import ROW_GROUP_ROWS, Day
from pipeline.errors import ContractError
from pipeline.footer import WindowRecord, WindowState
from pipeline.models import Allocation, Cluster, Properties, VolumeShare, WindowAnswer, WireWindow
from pipeline.rows import WindowRows, window_rows
from pipeline.tables import ALLOCATIONS, LAKE_TABLES, VOLUMES, Table
from pipeline.window import DAY, HOUR, Window
from tests.conftest import CLUSTER_ARN

MIDNIGHT = datetime(2026, 11, 19, tzinfo=UTC)
NINE, TEN, ELEVEN, TWELVE = (Window.hour(MIDNIGHT + n * HOUR) for n in (9, 10, 11, 12))
WHOLE = Window(MIDNIGHT, MIDNIGHT + DAY)
EARLY, LATE = datetime(2026, 11, 19, 14, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)


@cache
def made(window: Window, collected_at: datetime = EARLY, cost: float = 1.0, pods: int = 3) -> WindowRows:
    """A window of *pods* pods, each with a volume and the labels of its job."""
    allocations = tuple(
        Allocation(
            name=f"pod-{number}",
            window=WireWindow(window.start, window.end),
            properties=Properties(
                namespace="emr",
                pod=f"pod-{number}",
                node="n1",
                labels={"team": "sales", "spark_role": "driver", "spark_app_selector": "spark-1"},
            ),
            cpu_core_hours=0.5,
            total_cost=cost,
            pvs={f"cluster=analytics:name=pvc-{number}": VolumeShare(byte_hours=1.0, cost=cost)},
        )
        for number in range(pods)
    )
    answer = WindowAnswer(window, allocations, (), "opencost")
    return window_rows(answer, Cluster.from_arn(CLUSTER_ARN), ("team",), collected_at)


def record(
    window: Window,
    collected_at: datetime = EARLY,
    state: WindowState = WindowState.COLLECTED,
    core_hours: float = 1.5,
) -> WindowRecord:
    return WindowRecord(
        start=window.start,
        end=window.end,
        state=state,
        collected_at=collected_at,
        rows=3,
        core_hours=core_hours,
        estimated_cost=3.0,
        source="opencost",
        grid=300,
    )


def day(body: bytes | None, table: Table = ALLOCATIONS) -> Day:
    return Day(table, "s3://lake/day.parquet", pq.ParquetFile(BytesIO(body)) if body else None)


def changed(body: bytes | None, change: Change | Loss, table: Table = ALLOCATIONS) -> tuple[bytes | None, Effect]:
    """The day's new body, None where nothing changed; and what the change came to."""
    sink = BytesIO()
    effect = day(body, table).rewrite([change], sink)[change.window]
    assert effect.changed == bool(sink.getvalue()), "nothing is written if and only if nothing changed"
    return sink.getvalue() or None, effect


def rewritten(body: bytes | None, of: WindowRecord, rows: pa.Table, table: Table = ALLOCATIONS) -> bytes | None:
    """The day's new body after an answer; None where nothing changed."""
    return changed(body, Change(of, rows), table)[0]


def written(windows: Sequence[Window], table: Table = ALLOCATIONS) -> bytes:
    """A day into which *windows* came in that order."""
    body: bytes | None = None
    for window in windows:
        body = rewritten(body, record(window), made(window).tables[table], table)
    assert body is not None
    return body


def rows(body: bytes) -> pa.Table:
    return pq.read_table(BytesIO(body))


def starts(body: bytes) -> list[int]:
    """The hours of the rows, as they come in the file."""
    return [start.hour for start in rows(body)["window_start"].to_pylist()]


def naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)


def test_the_first_window_of_a_day_makes_the_file() -> None:
    assert day(None).records == ()
    body = written([TEN])
    assert rows(body).equals(made(TEN).tables[ALLOCATIONS])
    assert day(body).records == (record(TEN),)


@pytest.mark.parametrize("windows", [(NINE, TEN, ELEVEN), (ELEVEN, TEN, NINE), (NINE, ELEVEN, TEN)])
def test_a_window_goes_before_after_or_between_those_that_are_there(windows: tuple[Window, ...]) -> None:
    body = written(windows)
    assert starts(body) == [9] * 3 + [10] * 3 + [11] * 3
    assert [one.window for one in day(body).records] == [NINE, TEN, ELEVEN]


def test_a_window_replaces_its_own_rows_and_no_others() -> None:
    body = rewritten(written([NINE, TEN, ELEVEN]), record(TEN, LATE), made(TEN, LATE, 2.0, 5).tables[ALLOCATIONS])
    assert body is not None
    assert starts(body) == [9] * 3 + [10] * 5 + [11] * 3
    assert rows(body)["total_cost"].to_pylist() == [1.0] * 3 + [2.0] * 5 + [1.0] * 3
    assert rows(body)["collected_at"].to_pylist() == [naive(EARLY)] * 3 + [naive(LATE)] * 5 + [naive(EARLY)] * 3
    assert [one.collected_at for one in day(body).records] == [EARLY, LATE, EARLY]


def test_a_window_without_rows_takes_the_rows_of_its_time_away() -> None:
    nothing = made(TEN, LATE, pods=0).tables[ALLOCATIONS]
    body = rewritten(written([NINE, TEN]), record(TEN, LATE), nothing)
    assert body is not None
    assert starts(body) == [9] * 3
    assert [one.window for one in day(body).records] == [NINE, TEN]


def test_a_day_window_takes_the_place_of_the_days_hours() -> None:
    body = rewritten(written([NINE, TEN]), record(WHOLE, LATE, core_hours=3.0), made(WHOLE, LATE).tables[ALLOCATIONS])
    assert body is not None
    assert starts(body) == [0] * 3
    assert [one.window for one in day(body).records] == [WHOLE]


def test_equal_rows_change_nothing_and_nothing_is_written() -> None:
    body = written([NINE, TEN])
    assert rewritten(body, record(TEN), made(TEN).tables[ALLOCATIONS]) is None
    assert rewritten(body, record(TEN, LATE), made(TEN, LATE).tables[ALLOCATIONS]) is None, "it only came later"


def test_rows_that_differ_are_written_even_if_the_record_is_the_same() -> None:
    body = rewritten(written([TEN]), record(TEN), made(TEN, cost=2.0).tables[ALLOCATIONS])
    assert body is not None
    assert rows(body)["total_cost"].to_pylist() == [2.0] * 3


def test_equal_rows_keep_the_time_of_their_collection_while_the_window_settles() -> None:
    before = written([NINE, TEN])
    settled = record(TEN, LATE, WindowState.SETTLED)
    body = rewritten(before, settled, made(TEN, LATE).tables[ALLOCATIONS])
    assert body is not None
    assert rows(body).equals(rows(before))
    assert day(body).records == (record(NINE), record(TEN, EARLY, WindowState.SETTLED))
    assert rewritten(body, settled, made(TEN, LATE).tables[ALLOCATIONS]) is None


def worse(window: Window, state: WindowState = WindowState.SETTLED) -> Change:
    return Change(record(window, LATE, state, core_hours=1.0), made(window, LATE, 9.0).tables[ALLOCATIONS])


def test_a_worse_answer_leaves_the_rows_and_is_remembered_as_rejected() -> None:
    before = written([NINE, TEN])
    body, effect = changed(before, worse(TEN))
    assert body is not None
    assert rows(body).equals(rows(before))
    assert day(body).records == (record(NINE), record(TEN, state=WindowState.REJECTED))
    assert not effect.taken
    assert "the newer answer has 1.000 core-hours, the stored one 1.500" in str(effect.error)
    assert changed(body, worse(TEN))[0] is None


def test_only_allocations_tells_what_was_rejected_or_lost() -> None:
    body = written([NINE, TEN], VOLUMES)
    assert (
        changed(body, Change(record(TEN, LATE, core_hours=1.0), made(TEN, LATE, 9.0).tables[VOLUMES]), VOLUMES)[0]
        is None
    )
    assert changed(body, Loss(WHOLE, (ELEVEN,), LATE), VOLUMES)[0] is None


def test_a_day_that_is_wholly_lost_is_a_file_without_rows() -> None:
    body, effect = changed(None, Loss(WHOLE, (TEN,), LATE))
    assert body is not None
    assert rows(body).num_rows == 0
    assert pq.read_schema(BytesIO(body)).remove_metadata().equals(ALLOCATIONS.schema)
    assert [(one.window, one.state) for one in day(body).records] == [(TEN, WindowState.LOST)]
    assert "1 hours of 2026-11-19 are lost: upstream has nothing" in str(effect.error)


# What others wrote since a change was planned


def of_day(core_hours: float, *gaps: Window) -> Change:
    return Change(record(WHOLE, LATE, WindowState.SETTLED, core_hours), made(WHOLE, LATE).tables[ALLOCATIONS], gaps)


def test_an_hour_never_comes_beside_a_days_set_not_even_one_that_is_recollected() -> None:
    body = changed(None, of_day(24.0, NINE, TEN))[0]
    for again in (False, True):
        change = Change(record(TEN, LATE), made(TEN, LATE).tables[ALLOCATIONS], even_if_worse=again)
        assert changed(body, change) == (None, Effect())
    assert changed(body, Loss(WHOLE, (TEN,), LATE)) == (None, Effect())


def test_a_days_set_whose_gaps_others_have_filled_leaves_the_hours() -> None:
    assert changed(written([NINE, TEN]), of_day(24.0, NINE, TEN)) == (None, Effect())


def test_a_days_set_that_is_worse_than_the_hours_that_came_meanwhile_leaves_them_and_the_rest_is_lost() -> None:
    body, effect = changed(written([NINE, TEN]), of_day(2.9, NINE, ELEVEN))
    assert body is not None
    assert starts(body) == [9] * 3 + [10] * 3
    states = {one.window: one.state for one in day(body).records}
    assert states == {NINE: WindowState.COLLECTED, TEN: WindowState.COLLECTED, ELEVEN: WindowState.LOST}
    assert "1 hours of 2026-11-19 are lost: the day's set has 2.900" in str(effect.error)
    assert not changed(body, of_day(2.9, ELEVEN))[1].changed, "an hour is lost once"


def test_an_hour_that_was_given_up_for_lost_is_taken_when_a_slower_run_brings_it() -> None:
    body = changed(written([NINE]), Loss(WHOLE, (TEN,), LATE))[0]
    found = rewritten(body, record(TEN, LATE), made(TEN, LATE).tables[ALLOCATIONS])
    assert found is not None
    assert [one.state for one in day(found).records] == [WindowState.COLLECTED] * 2
    assert starts(found) == [9] * 3 + [10] * 3


def test_no_hour_is_given_up_for_lost_that_others_have_fetched() -> None:
    assert changed(written([NINE, TEN]), Loss(WHOLE, (NINE, TEN), LATE)) == (None, Effect())


def test_what_is_final_is_not_made_provisional_by_a_run_that_began_earlier() -> None:
    settled = rewritten(written([NINE]), record(TEN, LATE, WindowState.SETTLED), made(TEN, LATE).tables[ALLOCATIONS])
    assert changed(settled, worse(TEN, WindowState.COLLECTED)) == (None, Effect())


def test_two_days_sets_of_one_day_are_compared_like_two_answers_for_an_hour() -> None:
    body = changed(None, of_day(24.0, NINE, TEN))[0]
    assert changed(body, of_day(23.9, NINE, TEN))[1].taken, "within the tolerance"
    rejected, effect = changed(body, of_day(20.0, NINE, TEN))
    assert rejected is not None
    assert [one.state for one in day(rejected).records] == [WindowState.REJECTED]
    assert "the newer answer has 20.000" in str(effect.error)


def test_each_change_of_a_batch_tells_for_itself_whether_anything_changed() -> None:
    sink = BytesIO()
    changes = [Change(record(window), made(window).tables[ALLOCATIONS]) for window in (NINE, TEN, ELEVEN)]
    effects = day(written([NINE, TEN])).rewrite(changes, sink)
    assert [effects[window].changed for window in (NINE, TEN, ELEVEN)] == [False, False, True]
    assert all(effect.taken for effect in effects.values())


def test_rows_that_can_no_longer_be_read_are_refused_and_nothing_is_written() -> None:
    body = bytearray(written([NINE, TEN]))
    body[4:400] = bytes(396)
    sink = BytesIO()
    with pytest.raises(ContractError, match=r"s3://lake/day\.parquet cannot be read"):
        day(bytes(body)).rewrite([Change(record(ELEVEN), made(ELEVEN).tables[ALLOCATIONS])], sink)


@pytest.mark.parametrize("table", LAKE_TABLES, ids=lambda table: table.name)
@settings(deadline=None, max_examples=25)
@given(order=st.permutations([NINE, TEN, ELEVEN, TWELVE]), again=st.sampled_from([NINE, TEN, ELEVEN, TWELVE]))
def test_whatever_the_order_of_the_windows_the_bytes_are_the_same(
    table: Table, order: list[Window], again: Window
) -> None:
    expected = written([NINE, TEN, ELEVEN, TWELVE], table)
    assert written(order, table) == expected
    other = made(again, LATE, 9.0, 7).tables[table]
    detour = rewritten(written(order, table), record(again, LATE), other, table)
    if table.name == "nodes":  # no asset came with the pods: the rows are equal, none
        assert detour is None
        return
    assert rewritten(detour, record(again), made(again).tables[table], table) == expected, "there and back again"


ROWS = 90_000


@cache
def many(window: Window) -> pa.Table:
    """So many rows of `volumes` that a row group ends inside a window."""
    one = made(window, pods=1).tables[VOLUMES]
    numbers = pa.array(range(ROWS), pa.float64())
    columns = [
        numbers if field.name == "gib_hours" else pa.repeat(one[field.name][0].cast(field.type), ROWS)
        for field in VOLUMES.schema
    ]
    return pa.Table.from_arrays(columns, schema=VOLUMES.schema)


def large_day(windows: Sequence[Window]) -> bytes:
    body: bytes | None = None
    for window in windows:
        body = rewritten(body, record(window), many(window), VOLUMES)
    assert body is not None
    return body


def test_row_groups_are_cut_by_row_number_whatever_way_the_rows_came() -> None:
    body = large_day([NINE, TEN, ELEVEN])
    metadata = pq.ParquetFile(BytesIO(body)).metadata
    assert ROW_GROUP_ROWS == 131_072
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [131_072, 131_072, 7_856]
    assert rows(body)["gib_hours"].to_pylist() == [*range(ROWS)] * 3, "no row is lost where the groups are cut"
    assert large_day([ELEVEN, NINE, TEN]) == body
    small = rewritten(body, record(TEN, LATE), made(TEN, LATE).tables[VOLUMES], VOLUMES)
    assert small is not None
    assert starts(small) == [9] * ROWS + [10] * 3 + [11] * ROWS
    assert rewritten(small, record(TEN), many(TEN), VOLUMES) == body


def test_a_file_is_compressed_with_zstd_and_texts_are_in_dictionaries() -> None:
    metadata = pq.ParquetFile(BytesIO(written([TEN]))).metadata
    columns = [metadata.row_group(0).column(n) for n in range(metadata.num_columns)]
    assert {column.compression for column in columns} == {"ZSTD"}
    dictionaries = {column.path_in_schema: column.has_dictionary_page for column in columns}
    assert dictionaries["namespace"]
    assert dictionaries["labels.key_value.key"]
    assert not dictionaries["total_cost"]


def older(window: Window, without: str) -> bytes:
    """A file as an earlier version wrote it: one column is missing, another one was of a narrower type."""
    table = made(window).tables[ALLOCATIONS].drop_columns(without)
    place = table.schema.get_field_index("minutes")
    table = table.set_column(place, "minutes", pa.nulls(table.num_rows, pa.float32()))
    sink = BytesIO()
    with pq.ParquetWriter(sink, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({footer.KEY.decode(): footer.encode([record(window)]).decode()})
    return sink.getvalue()


def test_a_column_that_an_older_file_lacks_is_null_in_its_rows() -> None:
    body = rewritten(older(NINE, "spark_role"), record(TEN), made(TEN).tables[ALLOCATIONS])
    assert body is not None
    assert pq.read_schema(BytesIO(body)).remove_metadata().equals(ALLOCATIONS.schema)
    assert rows(body)["spark_role"].to_pylist() == [None] * 3 + ["driver"] * 3
    assert rows(body)["total_cost"].to_pylist() == [1.0] * 6
    assert [one.window for one in day(body).records] == [NINE, TEN]


def parquet(table: pa.Table, metadata: dict[str, str] | None = None) -> bytes:
    sink = BytesIO()
    with pq.ParquetWriter(sink, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(metadata or {"author": "somebody else"})
    return sink.getvalue()


FOREIGN = {
    "other columns": pa.table({"product": ["EMR"], "cost": [1.0]}),
    "a column of ours with something else in it": pa.table({"window_start": ["this morning"]}),
    "no rows": ALLOCATIONS.schema.empty_table(),
}


@pytest.mark.parametrize("table", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_somebody_else_wrote_is_refused_and_nothing_is_written(table: pa.Table) -> None:
    sink = BytesIO()
    with pytest.raises(ContractError, match=r"s3://lake/day\.parquet was not written by chargeback"):
        day(parquet(table)).rewrite([Change(record(TEN), made(TEN).tables[ALLOCATIONS])], sink)
    assert sink.getvalue() == b""


@pytest.mark.parametrize("text", ["", "{", "{}", '[{"start": "2026-11-19T10:00:00Z"}]', '[{"state": "maybe"}]'])
def test_a_footer_that_cannot_be_read_is_refused(text: str) -> None:
    body = parquet(made(TEN).tables[ALLOCATIONS], {footer.KEY.decode(): text})
    with pytest.raises(ContractError, match=r"s3://lake/day\.parquet has a footer that cannot be read"):
        _ = day(body).records


def test_the_footer_lists_the_windows_for_programs_of_others_too() -> None:
    body = rewritten(written([TEN]), record(NINE, LATE, WindowState.SETTLED), made(NINE, LATE).tables[ALLOCATIONS])
    assert body is not None
    listed = json.loads(pq.read_metadata(BytesIO(body)).metadata[b"chargeback.windows"])
    assert listed == [
        {
            "start": "2026-11-19T09:00:00Z",
            "end": "2026-11-19T10:00:00Z",
            "state": "settled",
            "collected_at": "2026-11-21T12:00:00Z",
            "rows": 3,
            "core_hours": 1.5,
            "estimated_cost": 3.0,
            "source": "opencost",
            "grid": 300,
        },
        {
            "start": "2026-11-19T10:00:00Z",
            "end": "2026-11-19T11:00:00Z",
            "state": "collected",
            "collected_at": "2026-11-19T14:00:00Z",
            "rows": 3,
            "core_hours": 1.5,
            "estimated_cost": 3.0,
            "source": "opencost",
            "grid": 300,
        },
    ]


@settings(deadline=None)
@given(st.permutations([record(NINE), record(TEN, LATE, WindowState.LOST), record(ELEVEN)]))
def test_records_come_back_as_they_were_written_in_the_order_of_time(records: list[WindowRecord]) -> None:
    read = footer.decode({footer.KEY: footer.encode(records)}, "a day")
    assert read == tuple(sorted(records, key=lambda one: one.start))
    assert footer.encode(records) == footer.encode(reversed(records))


def test_a_record_without_a_grid_says_so() -> None:
    unknown = msgspec.structs.replace(record(TEN), grid=None)
    assert footer.decode({footer.KEY: footer.encode([unknown])}, "a day") == (unknown,)


@pytest.mark.parametrize(
    ("window", "left"),
    [
        (TEN, [NINE, ELEVEN]),
        (WHOLE, []),
        (Window(TEN.start, ELEVEN.end), [NINE]),
        (Window(TEN.start + timedelta(minutes=30), ELEVEN.start), [NINE, ELEVEN]),
        (TWELVE, [NINE, TEN, ELEVEN]),
    ],
)
def test_records_that_overlap_a_window_give_way_to_it(window: Window, left: list[Window]) -> None:
    records = [record(one) for one in (NINE, TEN, ELEVEN)]
    assert [one.window for one in footer.without(records, window)] == left
    assert [one.window for one in footer.within(records, window) if one.window in left] == []
