"""The bill's table follows its export: what a query sees is the newest complete execution of each month, once."""

import json
import time
from collections.abc import Iterator

import pyarrow as pa
import pytest

from pipeline.cur_export import find_export
from pipeline.errors import AccessDeniedError, ConfigurationError, ContractError, TemporaryError
from pipeline.models import Location
from tests.end_to_end.athena_stack import Stack, running_stack
from tests.end_to_end.followed_bill import Bill, glue_entries
from tests.export_bucket import lines
from tests.fault_proxy import Fault, faults_before, glue_denies

FIRST, SECOND = "2026-11-03T04:05:06.789Z-0a1b2c3d", "2026-11-04T04:05:06.789Z-9f8e7d6c"


@pytest.fixture(scope="module")
def stack(moto_url: str) -> Iterator[Stack]:
    with running_stack(moto_url) as stack:
        yield stack


@pytest.fixture
def bill(stack: Stack) -> Bill:
    return Bill(stack)


def test_an_overwritten_export_is_read_month_by_month_from_all_its_files(bill: Bill) -> None:
    bill.folder.export("2026-10", lines(1, 2), lines(4))
    bill.folder.export("2026-11", lines(8))
    following = bill.followed()
    assert (following.remarks, following.refused) == ((), ())
    assert bill.costs() == [["2026-10", "1.0"], ["2026-10", "2.0"], ["2026-10", "4.0"], ["2026-11", "8.0"]]
    assert bill.declared.folders == {
        ("2026-10",): f"{bill.folder.uri}/data/BILLING_PERIOD=2026-10/",
        ("2026-11",): f"{bill.folder.uri}/data/BILLING_PERIOD=2026-11/",
    }


def test_of_two_executions_only_the_newest_is_ever_visible(bill: Bill) -> None:
    bill.folder.export("2026-11", lines(1), execution=FIRST)
    bill.followed()
    assert bill.costs() == [["2026-11", "1.0"]]
    bill.folder.export("2026-11", lines(1, 2), execution=SECOND)
    assert bill.costs() == [["2026-11", "1.0"]], "not before the table follows"
    bill.followed()
    assert bill.costs() == [["2026-11", "1.0"], ["2026-11", "2.0"]]
    assert bill.declared.folders == {("2026-11",): f"{bill.folder.uri}/data/BILLING_PERIOD=2026-11/{SECOND}/"}


def test_executions_of_which_only_their_own_manifests_are_there_are_ordered_by_their_time(bill: Bill) -> None:
    bill.folder.export("2026-11", lines(2), execution=SECOND)
    bill.folder.export("2026-11", lines(1), execution=FIRST)
    bill.folder.delete(f"metadata/BILLING_PERIOD=2026-11/{bill.folder.name}-Manifest.json")
    bill.followed()
    assert bill.costs() == [["2026-11", "2.0"]]


def test_a_second_run_with_nothing_new_changes_nothing(bill: Bill) -> None:
    bill.folder.export("2026-10", lines(1), execution=FIRST)
    bill.folder.export("2026-11", lines(2, line_item_resource_id="i-1"), execution=FIRST)
    bill.followed()
    before = glue_entries(bill)
    following = bill.followed()
    assert following.table == following.former
    assert glue_entries(bill) == before


def test_a_new_execution_moves_its_month_and_touches_no_other(bill: Bill) -> None:
    bill.folder.export("2026-10", lines(1), execution=FIRST)
    bill.folder.export("2026-11", lines(2), execution=FIRST)
    bill.followed()
    bill.folder.export("2026-11", lines(4), execution=SECOND)
    assert bill.planned().table.moved(bill.declared) == {
        ("2026-11",): f"{bill.folder.uri}/data/BILLING_PERIOD=2026-11/{SECOND}/"
    }
    bill.followed()
    assert bill.costs() == [["2026-10", "1.0"], ["2026-11", "4.0"]]


def test_maps_timestamps_and_decimals_keep_their_types(bill: Bill) -> None:
    strings = pa.map_(pa.string(), pa.string())
    typed = lines(1).append_column("product", pa.array([[("region", "us-east-1")]], strings))
    typed = typed.append_column("line_item_usage_start_date", pa.array([0], pa.timestamp("ms")))
    typed = typed.append_column("line_item_exact_cost", pa.array([0]).cast(pa.decimal128(38, 12)))
    bill.folder.export("2026-11", typed)
    bill.followed()
    assert bill.declared.columns["product"] == "map<string,string>"
    assert bill.declared.columns["line_item_usage_start_date"] == "timestamp"
    assert bill.declared.columns["line_item_exact_cost"] == "decimal(38,12)"
    columns = "element_at(product, 'region'), line_item_usage_start_date"
    assert bill.rows(columns) == [["us-east-1", "1970-01-01 00:00:00.000"]]


def test_a_column_of_two_types_refuses_its_month_and_no_other(bill: Bill) -> None:
    bill.folder.export("2026-09", lines(1, pricing_rate="0.1"))
    bill.folder.export("2026-10", lines(2, pricing_rate=0.1))
    bill.folder.export("2026-11", lines(4, pricing_rate="0.1"))
    (refused,) = bill.followed().refused
    assert "2026-10" in str(refused)
    assert "column pricing_rate is double, and string in the table" in str(refused)
    assert bill.costs() == [["2026-09", "1.0"], ["2026-11", "4.0"]]


def test_a_column_that_no_bill_has_is_named(bill: Bill) -> None:
    bill.folder.export("2026-11", lines(1).append_column("parts", pa.array([[1]])))
    with pytest.raises(ContractError, match=r"2026-11 of .* column parts is list<"):
        bill.planned()


def test_a_column_called_like_the_partition_key_gives_way_to_it(bill: Bill) -> None:
    bill.folder.export("2026-11", lines(1, billing_period="2026-11"))
    bill.followed()
    assert bill.costs() == [["2026-11", "1.0"]]
    assert "billing_period" not in bill.declared.columns


def test_a_delivery_under_way_leaves_the_month_where_it_was_and_says_so(bill: Bill) -> None:
    bill.folder.export("2026-11", lines(1), execution=FIRST)
    bill.followed()
    folder = f"data/BILLING_PERIOD=2026-11/{SECOND}"
    there = bill.folder.put(f"{folder}/a.parquet", lines(2))
    bill.folder.list_files("2026-11", [there, f"{bill.folder.prefix}/{folder}/b.parquet"], SECOND)
    (remark,) = bill.followed().remarks
    assert "1 of the 2 files of its manifest are not there yet, such as s3://lake/" in remark
    assert bill.costs() == [["2026-11", "1.0"]]
    bill.folder.put(f"{folder}/b.parquet", lines(4))
    assert bill.followed().remarks == ()
    assert bill.costs() == [["2026-11", "2.0"], ["2026-11", "4.0"]]


def test_a_first_delivery_under_way_is_no_table_yet(bill: Bill) -> None:
    bill.folder.list_files("2026-11", [f"{bill.folder.prefix}/data/BILLING_PERIOD=2026-11/a.parquet"])
    with pytest.raises(TemporaryError, match="is being delivered"):
        bill.planned()


def test_a_file_newer_than_its_manifest_is_a_delivery_under_way(bill: Bill) -> None:
    bill.folder.export("2026-11", lines(1))
    bill.followed()
    time.sleep(1.1)  # S3 tells times to the second
    bill.folder.put("data/BILLING_PERIOD=2026-11/b.parquet", lines(2))
    following = bill.followed()
    assert [remark.count("is newer than its manifest") for remark in following.remarks] == [1]
    assert following.refused == ()


def test_rows_of_a_former_execution_in_the_months_folder_are_refused(bill: Bill) -> None:
    bill.folder.export("2026-10", lines(1), execution=FIRST)
    bill.followed()
    bill.folder.export("2026-10", lines(2))  # the export was changed to overwrite; what it kept stays beside
    bill.folder.export("2026-11", lines(4))
    (refused,) = bill.followed().refused
    assert "Athena would count them twice" in str(refused)
    assert FIRST in str(refused)
    assert bill.costs() == [["2026-10", "1.0"], ["2026-11", "4.0"]], "the month stays, the others follow"


def test_what_is_left_of_an_execution_that_wrote_more_files_is_empty_and_no_matter(bill: Bill) -> None:
    bill.folder.put("data/BILLING_PERIOD=2026-11/chunk-2.parquet", lines())
    bill.folder.put("data/BILLING_PERIOD=2026-11/chunk-3.parquet", b"")
    bill.folder.put("data/BILLING_PERIOD=2026-11/_SUCCESS", b"done")
    bill.folder.export("2026-11", lines(1))
    assert bill.followed().refused == ()
    assert bill.costs() == [["2026-11", "1.0"]]


def test_a_month_that_had_rows_and_is_empty_is_refused_and_stays(bill: Bill) -> None:
    bill.folder.export("2026-11", lines(1), execution=FIRST)
    bill.followed()
    bill.folder.export("2026-11", lines(), execution=SECOND)
    (refused,) = bill.followed().refused
    assert f"2026-11 of {bill.folder.uri} had rows and is now empty" in str(refused)
    assert bill.costs() == [["2026-11", "1.0"]]
    bill.folder.list_files("2026-11", [], SECOND)
    (refused,) = bill.followed().refused
    assert "is now empty" in str(refused), "a manifest without files is empty, too"


def test_a_month_without_rows_yet_is_no_error_and_no_partition(bill: Bill) -> None:
    bill.folder.export("2026-11", lines())
    following = bill.followed()
    assert (following.remarks, following.refused) == ((f"2026-11 of {bill.folder.uri} has no rows yet.",), ())
    assert bill.costs() == []
    bill.folder.export("2026-11", lines(), lines(1))
    bill.followed()
    assert bill.costs() == [["2026-11", "1.0"]]


def test_a_month_that_vanished_is_said_and_stays(bill: Bill) -> None:
    bill.folder.export("2026-10", lines(1))
    bill.folder.export("2026-11", lines(2))
    bill.followed()
    bill.folder.delete(f"metadata/BILLING_PERIOD=2026-10/{bill.folder.name}-Manifest.json")
    (remark,) = bill.followed().remarks
    assert "billing_period=2026-10 is no longer in" in remark
    assert bill.costs() == [["2026-10", "1.0"], ["2026-11", "2.0"]]


def test_compressed_csv_is_refused_with_the_advice_to_choose_parquet(bill: Bill) -> None:
    csv = bill.folder.put("data/BILLING_PERIOD=2026-10/export-00001.csv.gz", b"\x1f\x8b")
    bill.folder.list_files("2026-10", [csv])
    with pytest.raises(ConfigurationError, match="Choose Parquet as the file format"):
        bill.planned()
    bill.folder.export("2026-11", lines(1))
    assert "Choose Parquet" in bill.followed().remarks[0], "once the advice was followed, the old months are left out"
    assert bill.costs() == [["2026-11", "1.0"]]


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (b"{", "is no manifest of an export"),
        (b'{"dataFiles": ["s3://lake"]}', "is no manifest of an export"),
        (b'{"dataFiles": ["a/1.parquet", "b/2.parquet"]}', "files in several folders, a/, b/"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(manifest: bytes, said: str, bill: Bill) -> None:
    bill.folder.put("metadata/BILLING_PERIOD=2026-11/a-Manifest.json", manifest)
    with pytest.raises(ContractError, match=said):
        bill.planned()


def test_a_listed_file_that_is_no_parquet_is_refused(bill: Bill) -> None:
    key = bill.folder.put("data/BILLING_PERIOD=2026-11/a.parquet", b"no Parquet at all")
    bill.folder.list_files("2026-11", [key])
    with pytest.raises(ContractError, match=r"a\.parquet is not a Parquet file"):
        bill.planned()


def test_another_kind_of_export_is_refused(bill: Bill) -> None:
    bill.folder.export("2026-11", pa.table({"BilledCost": [1.0]}))
    with pytest.raises(ConfigurationError, match="is no Cost and Usage Report"):
        bill.planned()


@pytest.mark.parametrize("below", ["", "/data", "/data/BILLING_PERIOD=2026-11"])
def test_a_folder_without_an_export_is_named(below: str, bill: Bill) -> None:
    if below:
        bill.folder.export("2026-11", lines(1))
    with pytest.raises(ConfigurationError, match="Give the folder that is called like the export"):
        bill.planned(below)


def test_a_bucket_that_does_not_exist_is_named(stack: Stack) -> None:
    with pytest.raises(ConfigurationError, match=r"Listing s3://no-such-bucket/.*NoSuchBucket"):
        find_export(stack.s3, Location.parse("s3://no-such-bucket/export"))


def test_the_period_is_found_in_either_case(bill: Bill) -> None:
    key = bill.folder.put("data/billing_period=2026-11/a.parquet", lines(1))
    manifest = json.dumps({"dataFiles": [key]}).encode()
    bill.folder.put("metadata/billing_period=2026-11/a-manifest.json", manifest)
    bill.followed()
    assert bill.costs() == [["2026-11", "1.0"]]


def test_a_table_that_we_did_not_make_is_never_touched(bill: Bill) -> None:
    bill.stack.create(bill.table.removeprefix("costs."), {"a": "string"}, {"billing_period": "string"})
    bill.folder.export("2026-11", lines(1))
    before = glue_entries(bill)
    with pytest.raises(ConfigurationError, match="was not made by `chargeback publish --cur-location`"):
        bill.followed()
    assert glue_entries(bill) == before


def test_one_table_never_follows_two_exports(bill: Bill, stack: Stack) -> None:
    bill.folder.export("2026-11", lines(1))
    bill.followed()
    other = Bill(stack)
    other.folder.export("2026-11", lines(2))
    other.table = bill.table
    with pytest.raises(ConfigurationError, match=f"is declared over {bill.folder.uri}, by billing_period"):
        other.followed()
    assert bill.costs() == [["2026-11", "1.0"]]


@pytest.mark.parametrize("denied", ["CreatePartition", "UpdateTable"])
def test_a_run_that_was_cut_off_is_completed_by_the_next(
    denied: str, bill: Bill, moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bill.folder.export("2026-10", lines(1), execution=FIRST)
    bill.followed()
    bill.folder.export("2026-10", lines(2, line_item_resource_id="i-1"), execution=SECOND)
    bill.folder.export("2026-11", lines(4), execution=SECOND)
    with faults_before(moto_url, Fault(glue_denies(denied), "POST", times=None)) as proxy, monkeypatch.context() as cut:
        cut.setenv("AWS_ENDPOINT_URL", proxy.url)
        with pytest.raises(AccessDeniedError, match=f"glue:{denied}"):
            bill.followed()
    assert bill.followed().refused == ()
    assert bill.costs() == [["2026-10", "2.0"], ["2026-11", "4.0"]]
    table, partitions = glue_entries(bill)
    for entry in (table, *partitions):
        assert [c["Name"] for c in entry["StorageDescriptor"]["Columns"]][-1] == "line_item_resource_id"


def test_what_others_noted_on_the_table_stays_when_its_columns_change(bill: Bill) -> None:
    bill.folder.export("2026-10", lines(1))
    bill.followed()
    glue, name = bill.stack.glue, bill.table.removeprefix("costs.")
    entry = glue.get_table(DatabaseName="costs", Name=name)["Table"]
    kept = {k: entry[k] for k in ("Name", "TableType", "PartitionKeys", "StorageDescriptor")}
    noted = {**kept, "Parameters": {**entry["Parameters"], "owner": "finops"}}
    glue.update_table(DatabaseName="costs", TableInput=noted)
    bill.folder.export("2026-11", lines(2, line_item_resource_id="i-1"))
    bill.followed()
    assert glue.get_table(DatabaseName="costs", Name=name)["Table"]["Parameters"]["owner"] == "finops"
