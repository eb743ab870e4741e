import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest
from sqlglot import exp, parse_one

from pipeline.errors import ConfigurationError
from pipeline.ledger_table import PUBLISHED_TABLES
from pipeline.relations import (
    Source,
    View,
    checks,
    in_dependency_order,
    inlined,
    levels,
    relations_read,
    render,
    views,
)

SOURCES: tuple[Source, ...] = ("cur1", "cur2", "no_cur")
SHIPPED = {
    "cur_lines",
    "cur_line_costs",
    "cur_line_items",
    "bill_reconciliation",
    "emr_uplift",
    "pod_hours",
    "volume_mounts",
    "resource_charges",
    "resource_entries",
    "resource_shares",
    "attributed_costs",
    "cost_ledger_live",
    "compute_cost",
    "emr_costs_focus",
    "emr_eks_cost",
    "workload_names",
    "job_run_costs",
    "virtual_cluster_costs",
    "instance_costs",
    "endpoint_costs",
    "job_run_hours",
    "job_run_efficiency",
    "job_run_findings",
    "job_name_costs",
    "policy_rules",
    "ledger_cost_centers",
    "cost_center_entries",
    "cost_distribution",
    "cost_center_costs",
    "cost_center_pods",
    "closed_month_adjustments",
    "closed_ledger",
    "statement_costs",
}
STATEMENTS = {
    **{f"{view.name} ({source})": view.template for source in SOURCES for view in views(source)},
    **{check.name: check.template for check in checks()},
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_view_comes_once_and_after_those_it_reads(source: Source) -> None:
    made: set[str] = {table.name for table in PUBLISHED_TABLES}
    ordered = views(source)
    for view in ordered:
        assert relations_read(view.template) <= made
        made.add(view.name)
    assert sorted(view.name for view in ordered) == sorted(SHIPPED)


def test_the_order_does_not_depend_on_the_order_of_the_files() -> None:
    shipped = views("cur2")
    assert in_dependency_order(reversed(shipped)) == in_dependency_order(shipped) == shipped


def test_views_that_read_each_other_are_refused() -> None:
    circle = (View("hen", "hen", "SELECT a FROM egg"), View("egg", "egg", "SELECT a FROM hen"))
    with pytest.raises(ConfigurationError, match=r"hen reads egg reads hen|egg reads hen reads egg"):
        in_dependency_order(circle)


def test_a_cte_and_a_placeholder_are_no_relations() -> None:
    template = "WITH a AS (SELECT x FROM ${cur_table}), b AS (SELECT x FROM a) SELECT x FROM b JOIN c ON TRUE"
    assert relations_read(template) == {"c"}


def test_views_that_are_read_stand_before_the_query_each_after_those_it_reads() -> None:
    definitions = {
        "bottom": "SELECT 1 AS cost",
        "other": "SELECT 2 AS cost",
        "middle": "SELECT cost FROM bottom",
        "top": "WITH parts AS (SELECT cost FROM middle) SELECT cost FROM parts",
    }
    statement = inlined("SELECT cost FROM top", definitions)
    assert [cte.alias for cte in _tree(statement).ctes] == ["bottom", "middle", "top"]
    assert duckdb.connect().execute(statement).fetchall() == [(1,)]


def test_a_query_that_reads_no_view_stays_as_it_is() -> None:
    assert inlined("SELECT 1 AS cost", {"bottom": "SELECT 2 AS cost"}) == "SELECT 1 AS cost"


def test_a_placeholder_becomes_a_quoted_qualified_name() -> None:
    template = "SELECT a FROM ${cur_table} UNION ALL SELECT a FROM ${cur_table}"
    assert (
        render(template, cur_table="athenacurcfn_c_u_r.cur_data")
        == 'SELECT a FROM "athenacurcfn_c_u_r"."cur_data" UNION ALL SELECT a FROM "athenacurcfn_c_u_r"."cur_data"'
    )
    assert render("FROM ${t}", t="awsdatacatalog.billing.cur-2") == 'FROM "awsdatacatalog"."billing"."cur-2"'


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a.b.c.d", "a b", 'a"b', "a;b", "a.b --", "a'b", "a\n", "bücher", "${a}"]
)
def test_what_is_no_table_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="not a table's name"):
        render("SELECT a FROM ${cur_table}", cur_table=name)


def test_a_placeholder_without_an_identifier_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cur_table"):
        render("SELECT a FROM ${cur_table}")
    with pytest.raises(ConfigurationError, match="cur_table"):
        render("SELECT a FROM ${cur_table}", cur_tables="a.b")


def test_only_the_report_is_read_through_a_placeholder() -> None:
    used = {name: set(re.findall(r"\$\{(\w+)\}", text)) for name, text in STATEMENTS.items()}
    assert {name: placeholders for name, placeholders in used.items() if placeholders} == {
        "cur_lines (cur1)": {"cur_table"},
        "cur_lines (cur2)": {"cur_table"},
    }


def test_every_kind_of_bill_gives_the_same_columns() -> None:
    one, other, none = (_tree(STATEMENTS[f"cur_lines ({source})"]).named_selects for source in SOURCES)
    assert one == other == none


@pytest.mark.parametrize("source", ["cur1", "cur2"])
def test_a_source_reads_nothing_but_the_bill(source: str) -> None:
    tree = _tree(STATEMENTS[f"cur_lines ({source})"])
    assert [table.sql() for table in tree.find_all(exp.Table)] == ['"billing"."cur"']
    assert not list(tree.find_all(exp.CTE, exp.Subquery)), "every column in it is the bill's, and may be absent"


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_file_is_one_select_that_is_wholly_understood(name: str) -> None:
    tree = _tree(STATEMENTS[name])
    assert isinstance(tree, exp.Query)
    assert not list(tree.find_all(exp.Command, exp.Placeholder))
    assert {function.name for function in tree.find_all(exp.Anonymous)} <= {"map_filter"}
    assert not STATEMENTS[name].rstrip().endswith(";")


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_column_has_a_name_of_its_own(name: str) -> None:
    names = _tree(STATEMENTS[name]).named_selects
    assert all(names)
    assert "*" not in names
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_row_can_be_dropped_by_a_join_or_a_set_operation(name: str) -> None:
    tree = _tree(STATEMENTS[name])
    assert not [join.sql() for join in tree.find_all(exp.Join) if (join.side or join.kind) not in {"LEFT", "CROSS"}]
    assert not list(tree.find_all(exp.Intersect, exp.Except))


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_file_begins_with_its_grain_and_fits_the_line(name: str) -> None:
    assert STATEMENTS[name].startswith("-- One row per ")
    assert max(map(len, STATEMENTS[name].splitlines())) <= 120


def test_grains_are_read_from_the_first_line() -> None:
    grains = {view.name: view.grain for view in views("cur2")}
    assert grains["pod_hours"] == "pod, node and window"


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_a_check_says_why_its_tolerance_is_what_it_is(check: View) -> None:
    assert re.search(r"^-- tolerance: .+ because ", check.template, re.MULTILINE)


def test_checks_are_errors_or_warnings_and_say_whether_they_need_a_bill() -> None:
    assert {check.name: (check.severity, check.needs_bill) for check in checks()} == {
        "allocations_reach_ledger": ("error", False),
        "bill_has_one_currency": ("error", True),
        "bill_is_attributed": ("error", True),
        "bill_is_delivered_once": ("error", True),
        "bill_lines_are_complete": ("error", True),
        "cost_centers_add_up_to_ledger": ("error", False),
        "distribution_sums_to_zero": ("error", False),
        "emr_eks_cost_is_ledger_share": ("error", False),
        "focus_adds_up_to_ledger": ("error", False),
        "focus_rows_conform": ("error", False),
        "focus_usage_is_measured": ("warn", False),
        "instance_hours_add_up": ("error", True),
        "invoices_have_their_totals": ("error", True),
        "invoices_keep_their_lines": ("error", True),
        "kubecost_covers_instances": ("warn", True),
        "ledger_is_current": ("error", False),
        "ledger_rows_are_complete": ("error", False),
        "marts_add_up_to_ledger": ("error", False),
        "observed_hours_match_uplift": ("warn", True),
        "parts_stay_within_instance": ("error", True),
        "split_costs_agree": ("warn", True),
        "policy_rules_agree": ("error", False),
        "policy_rules_decide": ("warn", False),
        "uplift_equals_bill": ("error", True),
        "windows_without_rows": ("warn", False),
    }


def test_checks_that_stop_the_others_come_first_and_say_what_to_do() -> None:
    advised = [check.name for check in checks() if check.advice]
    assert advised == ["bill_has_one_currency", "bill_is_delivered_once"] == [check.name for check in checks()][:2]
    assert all(check.severity == "error" for check in checks() if check.advice)


def test_every_sql_file_of_the_package_is_a_view_a_check_or_a_source() -> None:
    names = {file.name for directory in ("views", "checks") for file in (files("sql") / directory).iterdir()}
    expected = SHIPPED - {"cur_lines"} | {check.name for check in checks()}
    assert {name.removesuffix(".sql") for name in names if name.endswith(".sql")} == expected


def test_the_files_are_found_from_any_directory(tmp_path: Path) -> None:
    program = "from pipeline.relations import checks, views; print(len(views('cur2')), len(checks()))"
    found = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(len(views("cur2"))), str(len(checks()))]


def _tree(template: str) -> exp.Query:
    tree = parse_one(render(template, cur_table="billing.cur"), read="athena")
    assert isinstance(tree, exp.Query)
    return tree


@pytest.mark.parametrize("source", SOURCES)
def test_what_a_level_reads_was_made_with_the_levels_before_it(source: Source) -> None:
    made: set[str] = set()
    found = list(levels(views(source)))
    names = {view.name for view in views(source)}
    for level in found:
        assert all(relations_read(view.template) & names <= made for view in level)
        made |= {view.name for view in level}
    assert sum(map(len, found)) == len(made) == len(names)
    assert 4 < len(found) < len(names) / 2, "views side by side"
