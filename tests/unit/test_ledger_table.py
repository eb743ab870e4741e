from pipeline.dictionary import lake_types, typed_views
from pipeline.glue_types import glue_type, partition_columns
from pipeline.ledger_table import COST_LEDGER, COST_LEDGER_RUNS, OUT_OF_SCOPE_COSTS

GLUE_NAMES = {"varchar": "string", "map(varchar, varchar)": "map<string,string>"}


def test_the_table_has_the_columns_of_the_view_that_fills_it_and_the_day_last() -> None:
    [live] = [columns for view, columns in typed_views(lake_types()) if view.name == "cost_ledger_live"]
    listed = {c.name: glue_type(c.type) for c in (*COST_LEDGER.columns, *partition_columns(COST_LEDGER))}
    assert listed == {name: GLUE_NAMES.get(kind, kind) for name, kind in live.items()}
    assert list(listed) == [*(name for name in live if name != "usage_date"), "usage_date"]


def test_what_is_out_of_scope_has_some_of_the_ledgers_columns() -> None:
    assert set(OUT_OF_SCOPE_COSTS.columns) < set(COST_LEDGER.columns)


def test_a_runs_rows_have_the_same_columns_and_the_run_in_front_of_the_day() -> None:
    assert COST_LEDGER_RUNS.columns == COST_LEDGER.columns
    assert [column.name for column in partition_columns(COST_LEDGER_RUNS)] == ["run", "scope", "usage_date"]
