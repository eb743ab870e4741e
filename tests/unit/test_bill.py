import pytest
from sqlglot import exp, parse_one

from pipeline.bill import NO_BILL, Bill, fitted, source_of
from pipeline.relations import View, render, source_template, views
from tests.bills import CUR1_FULL, CUR1_MIN, CUR2_FULL, CUR2_WITHOUT_FAMILY, Columns
from tests.sql.warehouse import warehouse

REPORTS = {
    "cur1-min": CUR1_MIN,
    "cur1-full": CUR1_FULL,
    "cur2-full": CUR2_FULL,
    "cur2-without-family": CUR2_WITHOUT_FAMILY,
}
every_report = pytest.mark.parametrize("columns", REPORTS.values(), ids=REPORTS)


def select(columns: Columns) -> exp.Query:
    """The SELECT that reads a bill of these columns."""
    return parse_one(Bill("billing.cur", source_of(columns), columns).select(_lines(columns)), read="athena").assert_is(
        exp.Query
    )


def written(columns: Columns, name: str) -> str:
    """How one column of the view is made."""
    [column] = [column for column in select(columns).selects if column.alias_or_name == name]
    return column.unalias().sql("athena", comments=False)


@every_report
def test_only_columns_that_the_table_has_are_read(columns: Columns) -> None:
    assert {column.name for column in select(columns).find_all(exp.Column)} <= columns.keys()


@every_report
def test_every_report_gives_the_same_columns_of_the_same_types(columns: Columns) -> None:
    made, none = warehouse({}, source_of(columns), columns), warehouse({}, "no_cur")
    for view in ("cur_lines", "cur_line_costs", "cur_line_items"):
        assert made.columns(view) == none.columns(view)


def test_a_full_export_is_read_as_the_file_says() -> None:
    template = source_template("cur2")
    assert _plain(fitted(template, CUR2_FULL)) == _plain(template)


def test_an_absent_column_is_a_null_of_its_type() -> None:
    assert written(CUR1_MIN, "net_unblended_cost") == "CAST(NULL AS DOUBLE)"
    assert written(CUR1_MIN, "resource_id") == "NULLIF(CAST(NULL AS VARCHAR), '')"
    assert written(CUR1_MIN, "tags") == "CAST(NULL AS MAP(VARCHAR, VARCHAR))"
    without_maps = {name: kind for name, kind in CUR2_FULL.items() if not kind.startswith("map")}
    assert "CAST(NULL AS MAP(VARCHAR, VARCHAR))" in written(without_maps, "vcpu")


def test_what_a_report_lacks_is_named() -> None:
    assert Bill("b", "cur2", CUR2_WITHOUT_FAMILY).absent() == ["product_product_family"]
    assert {"line_item_resource_id", "pricing_unit"} <= set(Bill("b", "cur1", CUR1_MIN).absent())
    assert NO_BILL.absent() == []


@pytest.mark.parametrize(
    ("columns", "period"),
    [
        ({"billing_period": "string", "bill_billing_period_start_date": "timestamp"}, "billing_period"),
        ({"billing_period": "varchar(7)", "year": "string", "month": "string"}, "billing_period"),
        ({"year": "string", "month": "string"}, "CAST(year AS VARCHAR) || '-' || LPAD(CAST(month AS VARCHAR), 2, '0')"),
        (
            {"billing_period": "date", "bill_billing_period_start_date": "timestamp", "year": "string"},
            "DATE_FORMAT(bill_billing_period_start_date, '%Y-%m')",
        ),
    ],
)
def test_the_period_is_the_partition_where_there_is_one(columns: Columns, period: str) -> None:
    assert written(columns, "billing_period") == period


@pytest.mark.parametrize(("count", "maps"), [(1, 1), (254, 1), (255, 2), (600, 3)])
def test_the_tags_of_a_report_1_become_one_map_that_athena_takes(count: int, maps: int) -> None:
    tags = [f"user_tag_{number:03}" for number in range(count)]
    columns = CUR1_MIN | {f"resource_tags_{tag}": "string" for tag in tags}
    arrays = list(parse_one(written(columns, "tags"), read="athena").find_all(exp.Array))
    assert max(len(array.expressions) for array in arrays) <= 254
    assert len(arrays) == 2 * maps
    line = {f"resource_tags_{tag}": f"value of {tag}" for tag in tags}
    [row] = warehouse({"cur": [line]}, "cur1", columns).query("SELECT tags FROM cur_line_items")
    assert dict(row["tags"]) == {tag: f"value of {tag}" for tag in tags}


@pytest.mark.parametrize(
    ("lacking", "source"),
    [
        (set(), "cur2"),
        ({"bill_payer_account_name"}, "cur2"),
        ({"product"}, "cur2"),
        ({"bill_payer_account_name", "product"}, "cur1"),
    ],
)
def test_a_report_2_is_told_by_the_payers_name_or_by_a_map_of_products(lacking: set[str], source: str) -> None:
    assert source_of({name: kind for name, kind in CUR2_FULL.items() if name not in lacking}) == source


def test_a_report_1_has_no_map_whatever_its_columns_are_called() -> None:
    assert source_of(CUR1_FULL) == "cur1"
    assert source_of(CUR1_MIN | {"product": "string"}) == "cur1"


def _lines(columns: Columns, source: str | None = None) -> View:
    kind = source_of(columns) if source is None else "no_cur"
    return next(view for view in views(kind) if view.name == "cur_lines")


def _plain(template: str) -> str:
    """The SQL without comments and layout."""
    return parse_one(render(template, cur_table="cur"), read="athena").sql("athena", comments=False)
