from datetime import date, datetime, time, timedelta

from pipeline.bill import NO_BILL, Bill
from pipeline.ledger_sql import below, days_billed, digests_of, rows_of, whole_tables
from tests.bills import CUR2_FULL, LINE
from tests.sql.warehouse import warehouse

OCTOBER = [date(2026, 10, 1) + timedelta(days=number) for number in range(31)]
BILL = Bill("cur", "cur2", CUR2_FULL)
POD = {
    "cluster_arn": "arn:aws:eks:us-east-1:111122223333:cluster/analytics",
    "cluster_name": "analytics",
    "account_id": "111122223333",
    "region": "us-east-1",
    "namespace": "spark",
    "pod": "driver",
    "node": "n1",
    "instance_id": "i-1",
    "capacity_type": "on_demand",
    "workload_kind": "spark",
    "cpu_cost": 0.5,
}


def pods_of(*days: date) -> list[dict[str, object]]:
    hours = {day: datetime.combine(day, time(10)) for day in days}
    return [POD | {"usage_date": day, "window_start": at, "window_end": at} for day, at in hours.items()]


def test_the_statement_reads_no_other_days_and_no_other_periods() -> None:
    statement = rows_of(OCTOBER, ["2026-10", "2026-11"], BILL.definitions())
    assert "WHERE billing_period IN ('2026-10', '2026-11')" in statement
    assert "usage_date >= DATE '2026-10-01' AND usage_date < DATE '2026-11-01'" in statement
    assert "usage_date IN" not in statement


def test_days_that_do_not_follow_each_other_are_named() -> None:
    assert "usage_date IN (DATE '2026-10-01', DATE '2026-10-03')" in rows_of(
        [OCTOBER[0], OCTOBER[2]], [], {"cur_lines": ""}
    )


def test_without_periods_the_statement_does_not_name_the_bill() -> None:
    assert '"cur"' in rows_of(OCTOBER, ["2026-10"], BILL.definitions())
    assert '"cur"' not in rows_of(OCTOBER, [], NO_BILL.definitions())


def test_the_rows_are_those_of_the_view_and_of_their_days() -> None:
    made = warehouse({"allocations": pods_of(OCTOBER[0], OCTOBER[1], OCTOBER[2])})
    rows = made.query(rows_of([OCTOBER[0], OCTOBER[2]], [], NO_BILL.definitions()))
    assert sorted((row["usage_date"], row["effective_cost"]) for row in rows) == [(OCTOBER[0], 0.5), (OCTOBER[2], 0.5)]
    assert list(rows[0])[-2:] == ["scope", "usage_date"]


def test_what_no_cluster_has_anything_to_do_with_is_computed_beside_the_ledger() -> None:
    others = {name: value for name, value in LINE.items() if name in CUR2_FULL} | {
        "line_item_usage_start_date": datetime(2026, 10, 1, 10),  # noqa: DTZ001  a report's times are naive UTC
        "line_item_usage_end_date": datetime(2026, 10, 1, 11),  # noqa: DTZ001
        "bill_billing_period_start_date": datetime(2026, 10, 1),  # noqa: DTZ001
        "billing_period": "2026-10",
    }
    made = warehouse({"allocations": pods_of(OCTOBER[0]), "cur": [others]})
    rows = made.query(rows_of(OCTOBER[:1], ["2026-10"], BILL.definitions()))
    assert sorted((row["scope"], row["effective_cost"]) for row in rows) == [("ledger", 0.5), ("out_of_scope", 0.1)]


def test_a_digest_does_not_depend_on_the_order_of_rows_or_the_last_digits_of_sums() -> None:
    def digest(*costs: float) -> str:
        rows = [
            {"run": "r", "scope": "ledger", "usage_date": OCTOBER[0], "pod": f"p{cost:.3f}", "effective_cost": cost}
            for cost in costs
        ]
        made = warehouse({}, reading=())
        made.fill("cost_ledger_runs", rows)
        [row] = made.query(digests_of("r", OCTOBER))
        return f"{row['ledger_rows']}:{row['digest']}"

    assert digest(0.25, 0.1 + 0.2) == digest(0.3, 0.25)
    assert digest(0.25, 0.3) != digest(0.25, 0.3 + 1e-8)
    assert digest(0.25) != digest(0.25, 0.25)


def test_the_days_of_a_bill_are_asked_of_its_periods_alone() -> None:
    assert "WHERE billing_period IN ('2026-10', '2026-11')" in days_billed(["2026-11", "2026-10"])


def test_the_ledger_follows_from_the_views_below_it_and_from_what_they_read() -> None:
    names = below(BILL.definitions()).keys()
    assert {"cur_lines", "resource_shares", "attributed_costs", "cost_ledger_live"} <= names
    assert not {"job_run_costs", "emr_uplift"} & names
    tables = {table.name for table in whole_tables(BILL.definitions())}
    assert tables == {"policy_other_services", "policy_settings", "virtual_clusters"}
