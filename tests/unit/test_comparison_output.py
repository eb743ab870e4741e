import csv
import io
import json
from decimal import Decimal

from pipeline.comparison import Comparison, Difference, Told
from pipeline.comparison_output import comparison_csv, comparison_json, comparison_table
from pipeline.output import plain
from pipeline.period import Periods

ODD = "[red]<script>[/red]"
ROWS = (
    Difference(
        (ODD, "prod"),
        Decimal("1.000000"),
        Decimal("3.000001"),
        Decimal("2.5"),
        Decimal(-1),
        Decimal("0.500001"),
        Decimal(0),
        Decimal(0),
    ),
    Difference(
        (None, "prod"),
        Decimal("5.000000"),
        Decimal("4.000000"),
        Decimal(0),
        Decimal(0),
        Decimal(0),
        Decimal("-1.000000"),
        Decimal(0),
    ),
    Difference(
        ("=1+1", "prod"),
        Decimal("1.000000"),
        Decimal("1.000000"),
        Decimal(0),
        Decimal(0),
        Decimal(0),
        Decimal(0),
        Decimal(0),
    ),
)
COMPARISON = Comparison(
    by="job",
    periods=Periods.parse("2026-09..2026-10"),
    currency="USD",
    keys=("workload_name", "cluster_name"),
    parts=("price", "hours", "efficiency", "other"),
    differences=ROWS,
    before=Told(),
    after=Told(2, {"estimated": Decimal("1.5"), "final": Decimal("6.500001")}),
)


def test_the_table_shows_signs_totals_and_what_the_periods_are_founded_on() -> None:
    text = plain(comparison_table(COMPARISON, 0))
    assert "Change of cost by job, 2026-09 to 2026-10, USD" in text
    [odd] = [line.split() for line in text.splitlines() if ODD in line]
    assert odd == [ODD, "1.0000", "3.0000", "+2.0000", "+2.5000", "-1.0000", "+0.5000", "+0.0000"]
    [total] = [line.split() for line in text.splitlines() if line.split()[:1] == ["total"]]
    assert total == ["total", "7.0000", "8.0000", "+1.0000", "+2.5000", "-1.0000", "+0.5000", "-1.0000"]
    assert "2026-09: no cost" in text
    assert "2026-10: 2 of 31 days with cost; 1.5000 estimated, 6.5000 final" in text


def test_a_column_that_says_the_same_on_every_line_is_left_out_of_the_table_alone() -> None:
    assert "cluster name" not in plain(comparison_table(COMPARISON, 0))
    assert "cluster_name" in comparison_csv(COMPARISON)


def test_rows_beyond_the_top_are_added_up() -> None:
    lines = plain(comparison_table(COMPARISON, 1)).splitlines()
    [others] = [line.split() for line in lines if "others" in line]
    assert others == ["2", "others", "6.0000", "5.0000", "-1.0000", "+0.0000", "+0.0000", "+0.0000", "-1.0000"]


def test_the_parts_in_the_csv_are_the_change_to_the_last_digit() -> None:
    rows = list(csv.DictReader(io.StringIO(comparison_csv(COMPARISON))))
    assert [row["workload_name"] for row in rows] == [ODD, "", "=1+1"]
    for row in rows:
        assert (
            sum(Decimal(row[name]) for name in COMPARISON.parts)
            == Decimal(row["change"])
            == Decimal(row["after"]) - Decimal(row["before"])
        )


def test_the_json_says_the_same_and_the_totals() -> None:
    document = json.loads(comparison_json(COMPARISON))
    assert document["rows"][0] == {
        "workload_name": ODD, "cluster_name": "prod", "before": 1.0, "after": 3.000001, "change": 2.000001,
        "price": 2.5, "hours": -1.0, "efficiency": 0.500001, "other": 0.0,
    }  # fmt: skip
    assert document["rows"][1]["workload_name"] is None
    assert document["total"]["change"] == 1.000001
    assert document["before"] == {"period": "2026-09", "days": 30, "days_with_cost": 0, "states": {}}


def test_nothing_at_all_is_a_table_that_says_so() -> None:
    empty = Comparison("job", COMPARISON.periods, "USD", COMPARISON.keys, COMPARISON.parts, (), Told(), Told())
    text = plain(comparison_table(empty, 25))
    assert "2026-09: no cost" in text
    assert "2026-10: no cost" in text
    assert comparison_csv(empty).count("\n") == 1
