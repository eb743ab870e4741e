import csv
import io
import json
from dataclasses import asdict, replace

import pandas as pd
import pytest

from pipeline.errors import ConfigurationError
from pipeline.month import Month
from pipeline.output import (
    findings_json,
    findings_table,
    offenders_table,
    plain,
    reconciliation_table,
    report_csv,
    report_json,
    report_table,
    verdict_table,
)
from pipeline.probe import Finding
from pipeline.probe import Verdict as ProbeVerdict
from pipeline.relations import Check
from pipeline.report import Reconciliation, Report
from pipeline.verify import Verdict
from pipeline.warehouse import Answer

ODD = "[red]<script>[/red]"
ROWS = pd.DataFrame(
    {
        "workload_name": ["orders-nightly", ODD, None, "=1+1"],
        "workload_id": ["0000000q56xbnfko3t1", "[/]", pd.NA, ":warning:"],
        "compute": [1234.5, 10.0, 1.00004, 0.0],
        "emr_uplift": [100.25, 0.0, 0.0, -0.25],
        "total": [1334.75, 10.0, 1.00004, -0.25],
        "cost_state": ["estimated+final", "final", "estimated", "final"],
    }
)
RECONCILIATION = Reconciliation(
    allocated=800.0, idle=200.25, shared=99.75, unattributed=-0.00001, out_of_scope=1900.0, bill=3000.0, difference=0.0
)
REPORT = Report(
    by="job",
    month=Month(2026, 11),
    currency="USD",
    keys=("workload_name", "workload_id"),
    categories=("compute", "emr_uplift"),
    rows=ROWS,
    states={"estimated": 1000.5, "final": 344.99995 + 0.00005},
    reconciliation=RECONCILIATION,
)


def cells(text: str) -> list[list[str]]:
    """The words of a table's lines, without its rules."""
    return [line.split() for line in text.splitlines() if line.strip(" ─")]


def test_the_totals_of_a_report_are_the_sums_of_its_rows() -> None:
    assert REPORT.totals == {
        "compute": pytest.approx(1245.50004),
        "emr_uplift": pytest.approx(100.0),
        "total": pytest.approx(1345.50004),
    }


def test_the_table_has_a_line_for_every_row_and_one_for_the_total() -> None:
    assert cells(plain(report_table(REPORT, top=0))) == [
        ["Effective", "cost", "by", "job,", "2026-11,", "USD"],
        ["name", "ID", "compute", "EMR", "uplift", "total"],
        ["orders-nightly", "0000000q56xbnfko3t1", "1,234.5000", "100.2500", "1,334.7500"],
        [ODD, "[/]", "10.0000", "0.0000", "10.0000"],
        ["-", "-", "1.0000", "0.0000", "1.0000"],
        ["=1+1", ":warning:", "0.0000", "-0.2500", "-0.2500"],
        ["total", "1,245.5000", "100.0000", "1,345.5000"],
        ["1,000.5000", "estimated,", "345.0000", "final"],
    ]


def test_a_shortened_table_adds_the_other_rows_up_and_keeps_the_total() -> None:
    lines = cells(plain(report_table(REPORT, top=2)))
    assert lines[3][0] == ODD
    assert lines[4:6] == [
        ["2", "others", "1.0000", "-0.2500", "0.7500"],
        ["total", "1,245.5000", "100.0000", "1,345.5000"],
    ]


@pytest.mark.parametrize("top", [4, 5, 25])
def test_a_table_that_is_short_enough_names_no_others(top: int) -> None:
    assert plain(report_table(REPORT, top)) == plain(report_table(REPORT, top=0))


def test_what_only_one_dimension_sums_stands_after_the_total() -> None:
    charged = replace(REPORT, rows=ROWS.assign(charged_cost=ROWS["total"] * 2), sums=("charged_cost",))
    for compact in (False, True):
        lines = cells(plain(report_table(charged, top=1, compact=compact)))
        assert lines[1][-3:] == ["total", "charged", "cost"]
        assert [line[-2:] for line in lines[2:5]] == [
            ["1,334.7500", "2,669.5000"],
            ["10.7500", "21.5001"],
            ["1,345.5000", "2,691.0001"],
        ]
    assert json.loads(report_json(charged))["total"]["charged_cost"] == pytest.approx(2691.00008)
    assert report_csv(charged).splitlines()[0].endswith("total,cost_state,charged_cost")


def test_a_report_without_rows_has_a_total_of_nothing() -> None:
    nothing = replace(REPORT, rows=ROWS.iloc[:0], states={}, reconciliation=None)
    assert cells(plain(report_table(nothing, top=25)))[-1] == ["total", "0.0000", "0.0000", "0.0000"]
    document = json.loads(report_json(nothing))
    assert (document["rows"], document["reconciliation"]) == ([], None)
    assert report_csv(nothing) == "workload_name,workload_id,compute,emr_uplift,total,cost_state\n"


def test_a_table_for_a_file_has_no_colours_and_no_line_is_broken() -> None:
    long = "a" * 200
    wide = replace(REPORT, rows=ROWS.assign(workload_name=long))
    text = plain(report_table(wide, top=0))
    assert text.count(long) == len(ROWS)
    assert "\x1b" not in text


def test_csv_has_full_precision_empty_nulls_and_no_total() -> None:
    read = list(csv.reader(io.StringIO(report_csv(REPORT))))
    assert read == [
        ["workload_name", "workload_id", "compute", "emr_uplift", "total", "cost_state"],
        ["orders-nightly", "0000000q56xbnfko3t1", "1234.5", "100.25", "1334.75", "estimated+final"],
        [ODD, "[/]", "10.0", "0.0", "10.0", "final"],
        ["", "", "1.00004", "0.0", "1.00004", "estimated"],
        ["=1+1", ":warning:", "0.0", "-0.25", "-0.25", "final"],
    ]


def test_json_has_full_precision_nulls_and_the_total() -> None:
    document = json.loads(report_json(REPORT))
    assert (document["by"], document["month"], document["currency"]) == ("job", "2026-11", "USD")
    assert document["rows"][2] == {
        "workload_name": None,
        "workload_id": None,
        "compute": 1.00004,
        "emr_uplift": 0.0,
        "total": 1.00004,
        "cost_state": "estimated",
    }
    assert document["rows"][1]["workload_name"] == ODD
    assert len(document["rows"]) == len(ROWS)
    assert document["total"] == REPORT.totals
    assert document["reconciliation"] == asdict(RECONCILIATION)


def test_the_reconciliation_has_a_column_for_every_part_of_the_bill() -> None:
    assert cells(plain(reconciliation_table(RECONCILIATION, REPORT))) == [
        ["The", "bill", "of", "2026-11,", "amortized,", "USD"],
        ["allocated", "idle", "shared", "unattributed", "out", "of", "scope", "bill", "difference"],
        ["800.0000", "200.2500", "99.7500", "0.0000", "1,900.0000", "3,000.0000", "0.0000"],
    ]


def test_the_same_report_gives_the_same_text() -> None:
    again = replace(REPORT, rows=ROWS.copy())
    assert report_json(again) == report_json(REPORT)
    assert report_csv(again) == report_csv(REPORT)


CHECK = Check("uplift_equals_bill", "billing period", "error", needs_bill=True, template="SELECT 1")
WARNING = Check("windows_without_rows", "stretch of hours", "warn", needs_bill=False, template="SELECT 1")
OFFENDERS = Answer(("month", "difference"), (("2026-11", 0.5), (ODD, None), ("2026-12", float("nan"))))


def test_every_check_has_a_line_that_says_what_it_found() -> None:
    verdicts = [Verdict(CHECK, OFFENDERS), Verdict(WARNING), Verdict(CHECK, not_run="not run: no CUR")]
    assert cells(plain(verdict_table(verdicts)))[1:] == [
        ["check", "severity", "result"],
        ["uplift_equals_bill", "error", "3", "rows", "break", "it"],
        ["windows_without_rows", "warn", "ok"],
        ["uplift_equals_bill", "error", "not", "run:", "no", "CUR"],
    ]


@pytest.mark.parametrize(
    ("verdict", "broken", "fails"),
    [
        (Verdict(CHECK, OFFENDERS), True, True),
        (Verdict(WARNING, OFFENDERS), True, False),
        (Verdict(CHECK), False, False),
        (Verdict(CHECK, not_run="not run: no CUR"), False, False),
    ],
)
def test_only_a_broken_check_of_severity_error_fails(verdict: Verdict, broken: bool, fails: bool) -> None:
    assert (verdict.broken, verdict.fails) == (broken, fails)


def test_the_rows_that_break_a_check_are_shown_as_they_stand() -> None:
    text = plain(offenders_table(Verdict(CHECK, OFFENDERS)))
    assert " ".join(text.split()).startswith("uplift_equals_bill: one row per billing period")
    assert cells(text)[-4:] == [
        ["month", "difference"],
        ["2026-11", "0.5"],
        [ODD, "-"],
        ["2026-12", "-"],
    ]


FINDINGS = [
    Finding("Kubecost", ProbeVerdict.OK, f"OpenCost at {ODD}"),
    Finding("AWS account", ProbeVerdict.FAILED, "of another", f"use {ODD}", ConfigurationError("of another")),
    Finding("bill: table", ProbeVerdict.NOT_RUN, "not set"),
]


def test_a_finding_is_a_line_and_its_fix_another_below_it() -> None:
    assert cells(plain(findings_table(FINDINGS, "arn"))) == [
        ["What", "arn", "depends", "on"],
        ["probe", "verdict", "what", "was", "found,", "and", "what", "to", "do"],
        ["Kubecost", "ok", "OpenCost", "at", ODD],
        ["AWS", "account", "failed", "of", "another"],
        ["→", "use", ODD],
        ["bill:", "table", "not", "run", "not", "set"],
        ["1", "ok,", "1", "failed,", "1", "not", "run"],
    ]


def test_a_long_finding_is_folded_even_where_nobody_says_how_wide_the_screen_is() -> None:
    long = Finding("Kubecost", ProbeVerdict.FAILED, "word " * 60, "fix " * 60, ConfigurationError(""))
    assert max(map(len, plain(findings_table([long], "arn")).splitlines())) < 120


def test_findings_are_json_with_the_exit_code_of_each_that_failed() -> None:
    found = json.loads(findings_json("arn", FINDINGS))
    assert found["cluster_arn"] == "arn"
    assert found["verdicts"] == {"ok": 1, "warning": 0, "failed": 1, "not run": 1}
    assert found["findings"][1] == {
        "probe": "AWS account",
        "verdict": "failed",
        "found": "of another",
        "fix": f"use {ODD}",
        "exit_code": 78,
    }
    assert [finding["exit_code"] for finding in found["findings"]] == [None, 78, None]
