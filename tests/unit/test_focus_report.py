import re
import stat
from pathlib import Path

import pytest
from sqlglot import exp, parse_one

from focus.report import CANNOT_PASS, Report, parse
from focus.unload import in_focus_case
from focus.validator import CRITERIA, validate
from pipeline.errors import ConfigurationError, ContractError
from pipeline.relations import views
from tests.sql.warehouse import warehouse

CAPTURED = Path(__file__).parents[1] / "data" / "focus"
VALIDATOR = """\
#!/bin/sh
test -f focus_validator/rules/currency_codes.csv || exit 3
echo "$@" > "{home}/asked"
cat "{report}"
exit {code}
"""


def captured(name: str) -> str:
    return (CAPTURED / f"{name}.txt").read_text(encoding="utf-8")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An environment that holds something at the places where the validator would be."""
    rules = tmp_path / "lib" / "python3.12" / "site-packages" / "focus_validator" / "rules"
    rules.mkdir(parents=True)
    (rules / "currency_codes.csv").write_text("currency_codes\nUSD\n")
    (tmp_path / "bin").mkdir()
    return tmp_path


def install(home: Path, report: str, code: int = 0) -> None:
    program = home / "bin" / "focus-validator"
    program.write_text(VALIDATOR.format(home=home, report=CAPTURED / f"{report}.txt", code=code))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_the_rule_that_no_data_can_pass_is_the_only_failure_of_invoiced_charges() -> None:
    report = parse(captured("invoiced"))
    assert [failure.rule for failure in report.failures] == ["InvoiceId-C-004-C"]
    assert report.unexpected == ()
    assert report.total() == {"PASS": 11, "FAIL": 1, "SKIPPED": 4}


def test_where_only_some_charges_are_invoiced_both_rules_and_what_is_made_of_them_fail() -> None:
    report = parse(captured("partly-invoiced"))
    assert {failure.rule for failure in report.failures} == CANNOT_PASS
    assert report.unexpected == ()


def test_any_other_failure_is_unexpected_and_says_what_the_specification_wants() -> None:
    report = parse(captured("a-cost-is-missing"))
    assert [failure.rule for failure in report.unexpected] == ["BilledCost-C-000-M", "BilledCost-C-003-M"]
    assert report.unexpected[1].text == "BilledCost MUST NOT be null."


def test_outcomes_are_counted_by_what_the_rules_are_about() -> None:
    subjects = parse(captured("a-cost-is-missing")).by_subject()
    assert list(subjects) == ["BilledCost", "CostAndUsage", "InvoiceIssuerName", "ProviderName"]
    assert subjects["BilledCost"] == {"PASS": 3, "FAIL": 2, "SKIPPED": 3}


@pytest.mark.parametrize(
    ("there", "instead", "reason"),
    [
        ("Total: ", "Sum: ", "no total"),
        ("Fail: 2", "Fail: 1", "not understood"),
        ("BilledCost-C-003-M: FAIL", "BilledCost-C-003-M: ODD", "not understood"),
        ("  MustSatisfy: BilledCost MUST", "  BilledCost MUST", "not understood"),
        (captured("a-cost-is-missing"), "Total: 0 | Pass: 0 | Fail: 0 | Skipped: 0\n", "tested nothing"),
    ],
    ids=["without a total", "another total", "another outcome", "a failure untold", "no rules"],
)
def test_a_report_that_is_not_understood_passes_nobody(there: str, instead: str, reason: str) -> None:
    text = captured("a-cost-is-missing")
    assert there in text
    with pytest.raises(ContractError, match=reason):
        parse(text.replace(there, instead))


def test_the_validator_runs_where_its_list_of_currencies_is(home: Path, tmp_path: Path) -> None:
    install(home, "invoiced")
    assert parse(validate(home, tmp_path / "costs.parquet")) == parse(captured("invoiced"))
    asked = (home / "asked").read_text().split()
    assert {"--block-download", str(tmp_path / "costs.parquet"), ",".join(CRITERIA)} <= set(asked)


def test_a_validator_that_breaks_down_is_an_error(home: Path, tmp_path: Path) -> None:
    install(home, "invoiced", code=1)
    with pytest.raises(ContractError, match="broke down with exit code 1"):
        validate(home, tmp_path / "costs.parquet")


def test_an_environment_without_a_validator_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make focus"):
        validate(tmp_path, tmp_path / "costs.parquet")


def test_a_report_without_failures_is_a_report() -> None:
    text = "Total: 1 | Pass: 1 | Fail: 0 | Skipped: 0\n✅ BilledCost-C-003-M: PASS  (violations=0, 1.0ms)\n"
    assert parse(text) == Report((("BilledCost-C-003-M", "PASS"),), ())


def test_the_view_has_all_columns_of_focus_and_the_others_begin_with_x() -> None:
    standard = (CAPTURED / "columns-of-1.2.txt").read_text(encoding="utf-8").split()
    [template] = (view.template for view in views("cur2") if view.name == "emr_costs_focus")
    names = parse_one(template, read="athena").assert_is(exp.Query).named_selects
    assert names[: len(standard)] == standard
    assert [name for name in names[len(standard) :] if not re.fullmatch(r"x_([A-Z][a-z]+)+", name)] == []


def test_athenas_lower_case_columns_get_the_names_of_focus_again() -> None:
    costs = warehouse({}).connection.sql("FROM emr_costs_focus").to_arrow_table()
    lower = costs.rename_columns([name.lower() for name in costs.column_names])
    assert in_focus_case(lower).column_names == costs.column_names
