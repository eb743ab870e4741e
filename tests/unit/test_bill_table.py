import pytest

from pipeline.bill_table import BillTable, statements
from pipeline.errors import ContractError

TABLE = BillTable("s3://bills/export", ("billing_period",), {"line_item_usage_amount": "double", "count": "int"})
MONTHS: dict[tuple[str, ...], str] = {("2026-10",): "s3://bills/export/a/", ("2026-11",): "s3://bills/export/b/"}


def over(columns: dict[str, str], folders: dict[tuple[str, ...], str] | None = None) -> BillTable:
    return BillTable(TABLE.export, TABLE.keys, columns, folders or {})


def test_columns_of_another_month_come_last_and_none_goes() -> None:
    assert list(TABLE.widened({"new": "string", "count": "int"})) == ["line_item_usage_amount", "count", "new"]


@pytest.mark.parametrize(
    ("first", "second", "wider"),
    [("int", "bigint", "bigint"), ("bigint", "int", "bigint"), ("float", "double", "double")],
)
def test_the_wider_of_two_types_reads_both(first: str, second: str, wider: str) -> None:
    assert over({"a": first}).widened({"a": second}) == {"a": wider}


@pytest.mark.parametrize(
    ("first", "second"),
    [("string", "double"), ("bigint", "double"), ("map<string,string>", "map<string,double>"), ("timestamp", "date")],
)
def test_types_that_no_type_reads_are_refused(first: str, second: str) -> None:
    with pytest.raises(ContractError, match=f"column a is {second}, and {first} in the table"):
        over({"a": first}).widened({"a": second})


def test_a_partition_is_called_as_hive_calls_its_folder() -> None:
    legacy = BillTable("s3://bills/export", ("year", "month"))
    assert legacy.partition(("2026", "9")) == "year=2026/month=9"


def test_the_statements_of_a_new_table_make_all_of_it() -> None:
    create, *partitions = statements("billing.lines", over({"a": "string", "b": "double"}, MONTHS), None)
    assert create == (
        "CREATE EXTERNAL TABLE `billing`.`lines` (\n  `a` string,\n  `b` double\n)\n"
        "PARTITIONED BY (`billing_period` string)\nSTORED AS PARQUET\nLOCATION 's3://bills/export/'\n"
        "TBLPROPERTIES ('classification' = 'parquet', 'chargeback.export' = 's3://bills/export')"
    )
    assert partitions == [
        f"ALTER TABLE `billing`.`lines` ADD PARTITION (`billing_period` = '{month[0]}') LOCATION '{folder}'"
        for month, folder in MONTHS.items()
    ]


def test_the_statements_of_a_table_that_stands_are_what_changed() -> None:
    former = over({"a": "string"}, MONTHS)
    assert list(statements("billing.lines", former, former)) == []
    moved = over({"a": "string", "b": "double"}, {**MONTHS, ("2026-11",): "s3://bills/it's/"})
    assert list(statements("billing.lines", moved, former)) == [
        "ALTER TABLE `billing`.`lines` REPLACE COLUMNS (\n  `a` string,\n  `b` double\n)",
        "ALTER TABLE `billing`.`lines` PARTITION (`billing_period` = '2026-11') SET LOCATION 's3://bills/it\\'s/'",
    ]
