from datetime import date

import pytest
from sqlglot import MappingSchema, exp

from pipeline.bill import Bill
from pipeline.dictionary import lake_types, typed_views
from pipeline.examples import examples
from pipeline.month import Month
from pipeline.questions import Asked, question
from pipeline.relations import Source, checks, views
from pipeline.story import read_story
from tests.sql.trino_offences import Statement
from tests.sql.trino_rules import RULES, Example, Proof, Rule
from tests.sql.warehouse import BILLS

SOURCES: tuple[Source, ...] = ("cur1", "cur2", "no_cur")
VIEWS = {f"{view.name} ({of})": Bill(of, of, BILLS[of]).select(view) for of in SOURCES for view in views(of)}
CHECKS = {check.name: check.template for check in checks()}
SHIPPED_EXAMPLES = {example.name: example.statement for example in examples()}
STORY = read_story()
DATA_SETS = {f"the data set {name}": select for name, select in STORY.selects.items()}
QUESTIONS = {
    f"the visual {name}/{visual.id}": question(STORY, visual, Asked(Month(2026, 10), date(2026, 10, 15)), limit=25)
    for name, sheet in STORY.sheets.items()
    for visual in sheet.visuals
}
SHIPPED = {**VIEWS, **CHECKS, **SHIPPED_EXAMPLES, **DATA_SETS, **QUESTIONS}
EXAMPLES = [pytest.param(rule, example, id=example.breaks) for rule in RULES for example in rule.examples]


@pytest.fixture(scope="module")
def known() -> MappingSchema:
    """Every relation that a statement of ours may read; `cur1` and `cur2` are bills."""
    everything = lake_types()
    for _ in typed_views(everything):
        pass
    for source in ("cur1", "cur2"):
        columns = {name: exp.DataType.build(kind, dialect="hive") for name, kind in BILLS[source].items()}
        everything.add_table(source, {name: kind.sql("athena") for name, kind in columns.items()})
    return everything


@pytest.mark.parametrize(("rule", "example"), EXAMPLES)
def test_a_rule_finds_what_breaks_it_and_nothing_else(rule: Rule, example: Example, known: MappingSchema) -> None:
    assert list(rule.offences(Statement.of(example.breaks, known)))
    kept = Statement.of(example.keeps, known)
    assert {other.name: list(map(str, other.offences(kept))) for other in RULES} == {rule.name: [] for rule in RULES}


@pytest.mark.parametrize("name", SHIPPED)
def test_what_ships_keeps_every_rule(name: str, known: MappingSchema) -> None:
    shipped = Statement.of(SHIPPED[name], known)
    asked = [rule for rule in RULES if name in VIEWS or rule.proof is not Proof.VIEW]
    rules = [rule for rule in asked if name not in CHECKS or rule.of_checks]
    broken = {rule.name: [str(offence) for offence in rule.offences(shipped)] for rule in rules}
    assert broken == {rule.name: [] for rule in rules}
