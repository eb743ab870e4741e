from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from tests.end_to_end.athena_stack import TYPES, Stack, running_stack

BY_DAY = {
    "projection__enabled": "true",
    "projection__usage_date__type": "date",
    "projection__usage_date__format": "yyyy-MM-dd",
    "projection__usage_date__range": "2026-10-01,NOW",
}


@pytest.fixture(scope="module")
def stack(moto_url: str) -> Iterator[Stack]:
    with running_stack(moto_url) as stack:
        yield stack


def day_table(day: int, **columns: Any) -> pa.Table:
    return pa.table({"job": [f"job-{day}"], "cost": [float(day)], **columns})


def test_projection_decides_which_days_exist_and_predicates_which_are_read(stack: Stack) -> None:
    stack.create(
        "projected",
        {"job": "string", "cost": "double", "team": "string"},
        {"usage_date": "date"},
        projection__enabled="true",
        projection__usage_date__type="date",
        projection__usage_date__format="yyyy-MM-dd",
        projection__usage_date__range="2026-10-13,NOW+1DAYS",
        storage__location__template="s3://lake/projected/usage_date=${usage_date}/",
    )
    sizes = {
        day: stack.put(f"projected/usage_date=2026-10-{day}/o.parquet", day_table(day)) for day in (12, 13, 20, 22)
    }
    sizes[21] = stack.put("projected/usage_date=2026-10-21/o.parquet", day_table(21, team=["x"]))
    stack.put("projected/stray.parquet", day_table(1))
    stack.put("projected/usage_date=2026-10-20/_temporary", day_table(1))
    whole = stack.finished("SELECT * FROM projected ORDER BY usage_date")
    assert stack.result(whole) == [
        ["job-13", "13.0", None, "2026-10-13"],
        ["job-20", "20.0", None, "2026-10-20"],
        ["job-21", "21.0", "x", "2026-10-21"],
    ]
    for predicate in ("usage_date = DATE '2026-10-20'", "usage_date BETWEEN DATE '2026-10-14' AND current_date"):
        part = stack.finished(f"SELECT * FROM projected WHERE {predicate}")
        assert stack.result(part) == [["job-20", "20.0", None, "2026-10-20"]]
        assert 0 < part["Statistics"]["DataScannedInBytes"] < whole["Statistics"]["DataScannedInBytes"] / 2


def test_excluded_partitions_and_unused_columns_are_not_read(stack: Stack) -> None:
    stack.create("sized", {"job": "string", "wide": "string"}, {"usage_date": "date"}, **BY_DAY)
    wide = ["%032x" % (n * 2654435761 % 2**128) for n in range(20000)]
    for day in (1, 2):
        stack.put(f"sized/usage_date=2026-10-0{day}/o.parquet", pa.table({"job": ["a"] * 20000, "wide": wide}))
    scanned = {
        sql: stack.finished(sql)["Statistics"]["DataScannedInBytes"]
        for sql in (
            "SELECT max(wide) FROM sized",
            "SELECT max(wide) FROM sized WHERE usage_date = DATE '2026-10-01'",
            "SELECT max(job) FROM sized WHERE usage_date = DATE '2026-10-01'",
        )
    }
    everything, one_day, one_column = scanned.values()
    assert one_day == pytest.approx(everything / 2, rel=0.01)
    assert one_column < one_day / 5
    assert stack.finished("SELECT max(wide) FROM sized")["Statistics"]["DataScannedInBytes"] == everything


def test_an_excluded_partition_may_hold_anything(stack: Stack) -> None:
    stack.create("half_broken", {"job": "string"}, {"usage_date": "date"}, **BY_DAY)
    stack.put("half_broken/usage_date=2026-10-01/o.parquet", pa.table({"job": ["a"]}))
    stack.s3.put_object(Bucket="lake", Key="half_broken/usage_date=2026-10-02/o.parquet", Body=b"no Parquet")
    good = stack.finished("SELECT job FROM half_broken WHERE usage_date = DATE '2026-10-01'")
    assert stack.result(good) == [["a"]]
    assert stack.reason("SELECT job FROM half_broken") == (
        "HIVE_BAD_DATA: Not valid Parquet file: s3://lake/half_broken/usage_date=2026-10-02/o.parquet"
    )


def test_enum_and_integer_projections_bound_the_values(stack: Stack) -> None:
    stack.create(
        "regional",
        {"cost": "double"},
        {"region": "string", "month": "int"},
        projection__enabled="true",
        projection__region__type="enum",
        projection__region__values="eu-west-1,us-east-1",
        projection__month__type="integer",
        projection__month__range="1,12",
    )
    for region, month in (("eu-west-1", 1), ("eu-west-1", 13), ("mars", 1)):
        stack.put(f"regional/region={region}/month={month}/o.parquet", pa.table({"cost": [1.0]}))
    assert stack.result(stack.finished("SELECT region, month FROM regional")) == [["eu-west-1", "1"]]


def test_registered_partitions_are_the_only_ones(stack: Stack) -> None:
    stack.create("registered", {"job": "string"}, {"billing_period": "string"})
    stack.put("elsewhere/2026-09/o.parquet", pa.table({"job": ["september"]}))
    stack.put("registered/billing_period=2026-10/o.parquet", pa.table({"job": ["october"]}))
    storage = {"Columns": [{"Name": "job", "Type": "string"}], "Location": "s3://lake/elsewhere/2026-09"}
    stack.glue.create_partition(
        DatabaseName="costs",
        TableName="registered",
        PartitionInput={"Values": ["2026-09"], "StorageDescriptor": storage},
    )
    assert stack.result(stack.finished("SELECT * FROM registered")) == [["september", "2026-09"]]
    assert stack.result(stack.finished("SELECT * FROM registered WHERE billing_period = '2026-10'")) == []


def test_a_table_without_objects_is_empty(stack: Stack) -> None:
    stack.create("nothing_yet", TYPES, {"usage_date": "date"})
    assert stack.result(stack.finished("SELECT count(*), sum(cost) FROM nothing_yet")) == [["0", None]]


def test_a_table_in_a_missing_bucket_fails_the_query(stack: Stack) -> None:
    storage = {"Columns": [{"Name": "a", "Type": "string"}], "Location": "s3://gone/table/"}
    stack.glue.create_table(DatabaseName="costs", TableInput={"Name": "homeless", "StorageDescriptor": storage})
    assert stack.reason("SELECT * FROM homeless") == "HIVE_FILESYSTEM_ERROR: The specified bucket does not exist: gone"


def test_objects_of_a_partition_that_nobody_registered_are_not_there(stack: Stack) -> None:
    stack.create("unregistered", {"job": "string"}, {"usage_date": "date"})
    stack.put("unregistered/usage_date=2026-10-01/o.parquet", pa.table({"job": ["a"]}))
    assert stack.result(stack.finished("SELECT job FROM unregistered")) == []
