from collections import Counter
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from benchmarks.reading.bill_lines import Bill, bill
from benchmarks.reading.estate import HOURS, Month, months
from benchmarks.reading.lake_rows import LakeRows
from benchmarks.reading.least import File, Scan, least_bytes, scans, tail_bytes
from benchmarks.reading.sample_rows import COLUMNS, hour_file
from pipeline import footer
from pipeline.day import Day
from pipeline.demo.bill.columns import CUR_2
from pipeline.tables import ALLOCATIONS, JOB_RUNS, LAKE_TABLES, NODES, TABLES, VIRTUAL_CLUSTERS, VOLUMES, Table

POD_HOURS = 60_000
LINES = 20_000


@pytest.fixture(scope="module")
def month() -> Month:
    (one,) = months(1, POD_HOURS)
    return one


@pytest.fixture(scope="module")
def day(month: Month) -> dict[Table, pq.ParquetFile]:
    return {table: pq.ParquetFile(BytesIO(body)) for table, body in written(month).items()}


@pytest.fixture(scope="module")
def lines(month: Month, tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    directory = tmp_path_factory.mktemp("bill")
    return pa.concat_tables(pq.read_table(path) for path in bill([month], LINES).write(directory))


def written(month: Month) -> dict[Table, bytes]:
    bodies = {}
    for table, changes in LakeRows(month).day(3):
        body = BytesIO()
        Day(table, table.name, None).rewrite(changes, body)
        bodies[table] = body.getvalue()
    return bodies


def test_clusters_have_the_pod_hours_among_them() -> None:
    few, many = months(1, 72_000), months(4, 72_000)
    assert [one.containers * HOURS for one in few] == [72_000]
    assert [one.containers * HOURS for one in many] == [18_000] * 4
    assert len({one.cluster.arn for one in many}) == 4


def test_a_day_has_the_lakes_schema_and_every_hour(day: dict[Table, pq.ParquetFile], month: Month) -> None:
    assert tuple(day) == LAKE_TABLES
    for table, file in day.items():
        assert file.schema_arrow.remove_metadata() == table.schema
        records = footer.decode(file.metadata.metadata, table.name)
        assert [record.rows for record in records] == [file.metadata.num_rows // 24] * 24
    assert day[ALLOCATIONS].metadata.num_rows == 24 * month.containers


def test_rows_are_in_the_lakes_order(day: dict[Table, pq.ParquetFile]) -> None:
    for table, file in day.items():
        rows = file.read()
        assert rows.num_rows
        assert rows.equals(rows.sort_by([(name, "ascending") for name in table.order]))


def test_the_same_month_gives_the_same_bytes() -> None:
    bodies = [written(one) for one in (*months(1, POD_HOURS), *months(1, POD_HOURS))]
    assert bodies[0] == bodies[1]


def test_what_emr_lists_are_the_runs_in_the_lake(month: Month, day: dict[Table, pq.ParquetFile]) -> None:
    listed = LakeRows(month).inventory()
    assert set(listed) == {JOB_RUNS, VIRTUAL_CLUSTERS} <= set(TABLES)
    seen = set(day[ALLOCATIONS].read()["job_run_id"].drop_null().to_pylist())
    assert seen
    assert seen <= set(listed[JOB_RUNS]["job_run_id"].to_pylist())


def test_no_instance_is_asked_for_more_than_it_has(day: dict[Table, pq.ParquetFile]) -> None:
    asked = (
        day[ALLOCATIONS].read().group_by(["window_start", "instance_id"]).aggregate([("cpu_core_request_hours", "sum")])
    )
    had = day[NODES].read().select(["window_start", "instance_id", "cpu_core_hours"])
    both = asked.join(had, ["window_start", "instance_id"])
    assert both.num_rows == had.num_rows
    assert pc.all(pc.less_equal(both["cpu_core_request_hours_sum"], both["cpu_core_hours"])).as_py()


def test_the_bill_is_as_long_as_asked_for_with_all_columns(lines: pa.Table) -> None:
    assert lines.schema.remove_metadata() == CUR_2
    assert lines.num_rows == pytest.approx(LINES, rel=0.05)
    hours = lines["line_item_usage_start_date"]
    assert hours.equals(hours.take(pc.sort_indices(hours)))


def test_every_instance_volume_and_run_of_a_day_is_billed(lines: pa.Table, day: dict[Table, pq.ParquetFile]) -> None:
    billed = Counter(lines["line_item_resource_id"].to_pylist())
    nodes, volumes = day[NODES].read(), day[VOLUMES].read()
    runs = {arn.rpartition("/")[2] for arn in billed if arn and ":emr-containers:" in arn}
    assert set(nodes["instance_id"].to_pylist()) <= billed.keys()
    assert set(volumes["volume_id"].to_pylist()) <= billed.keys()
    assert set(day[ALLOCATIONS].read()["emr_internal_id"].drop_null().to_pylist()) <= runs


def test_what_a_line_costs_follows_from_how_much_it_bills(month: Month, tmp_path: Path) -> None:
    made = bill([month], LINES)
    (path,) = made.write(tmp_path)
    rows = pq.read_table(path).filter(pc.field("line_item_usage_type") == "EMR-EKS-EC2-vCPUHours").to_pylist()
    assert rows
    for row in rows:
        assert row["line_item_unblended_cost"] == pytest.approx(row["line_item_usage_amount"] * 0.01012)
        assert dict(row["discount"])["edp_discount"] == row["discount_total_discount"]
    assert isinstance(made, Bill)
    assert 0 < made.own_lines < len(made)


def test_the_sample_has_a_line_for_each_pod_on_emr(day: dict[Table, pq.ParquetFile]) -> None:
    rows = day[ALLOCATIONS].read()
    hour = rows.filter(pc.equal(rows["window_start"], rows["window_start"][0]))
    made = pa.csv.read_csv(BytesIO(hour_file(hour)))
    pods = set(hour.filter(pc.is_valid(hour["emr_internal_id"]))["pod"].to_pylist())
    assert tuple(made.column_names) == COLUMNS
    assert Counter(made["pod_name"].to_pylist()) == Counter(pods)
    assert pc.sum(made["totalCost"]).as_py() > 0


def test_the_least_is_each_needed_chunk_once() -> None:
    body = BytesIO()
    rows = pa.table(
        {"id": ["a", "b"], "cost": [1.0, 2.0], "tags": pa.array([[("k", "v")], []], pa.map_("string", "string"))}
    )
    pq.write_table(rows, body, row_group_size=1)
    metadata = pq.read_metadata(BytesIO(body.getvalue()))
    sizes = Counter[str]()
    for group in range(2):
        for chunk in range(metadata.num_columns):
            column = metadata.row_group(group).column(chunk)
            sizes[column.path_in_schema.partition(".")[0]] += column.total_compressed_size
    asked = [
        Scan("db", "pods", frozenset({"id", "usage_date"}), ("usage_date=2026-10-01", "usage_date=2026-10-02")),
        Scan("db", "pods", frozenset({"id", "tags"}), ("usage_date=2026-10-02",)),
        Scan("db", "runs", frozenset({"cost"}), None),
        Scan("db", "bill", frozenset({"cost"}), ()),
    ]
    least = least_bytes(asked, lambda _: [File(metadata, len(body.getvalue()))])
    assert least == 2 * sizes["id"] + sizes["tags"] + sizes["cost"]


def test_the_end_of_a_file_is_read_each_time_and_of_a_small_file_all() -> None:
    body = BytesIO()
    pq.write_table(pa.table({"id": ["a"]}), body)
    metadata = pq.read_metadata(BytesIO(body.getvalue()))
    twice = [Scan("db", "pods", frozenset({"id"}), None)] * 2
    assert tail_bytes(twice, lambda _: [File(metadata, 600), File(metadata, 1 << 30)]) == 2 * (600 + 49152)


def test_what_is_scanned_is_what_trinos_plan_says() -> None:
    columns = [{"name": "pod", "type": "varchar"}]
    whole = {"partitioned": False, "partitionIds": ["<UNPARTITIONED>"]}
    some = {"partitioned": True, "partitionIds": ["usage_date=2026-10-01"]}
    plan = [{"schema": "db", "table": "t", "columns": columns, "connectorInfo": info} for info in (whole, some)]
    assert scans(plan) == [
        Scan("db", "t", frozenset({"pod"}), None),
        Scan("db", "t", frozenset({"pod"}), ("usage_date=2026-10-01",)),
    ]
