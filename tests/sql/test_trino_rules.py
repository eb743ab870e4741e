import pytest
from sqlglot import MappingSchema, exp, parse_one

from pipeline.bill import Bill
from pipeline.dictionary import lake_types, typed, typed_views
from pipeline.examples import examples
from pipeline.relations import Source, checks, views
from tests.sql.trino_rules import RULES, Rule, Statement
from tests.sql.warehouse import BILLS

SOURCES: tuple[Source, ...] = ("cur1", "cur2", "no_cur")
VIEWS = {f"{view.name} ({of})": Bill(of, of, BILLS[of]).select(view) for of in SOURCES for view in views(of)}
CHECKS = {check.name: check.template for check in checks()}
EXAMPLES = {example.name: example.statement for example in examples()}


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


def statement(text: str, known: MappingSchema) -> Statement:
    return Statement(text, parse_one(text, read="athena"), typed(text, known))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_finds_what_breaks_it_and_nothing_else(rule: Rule, known: MappingSchema) -> None:
    assert list(rule.offences(statement(rule.breaks, known)))
    assert not list(rule.offences(statement(rule.keeps, known)))


@pytest.mark.parametrize("name", [*VIEWS, *CHECKS, *EXAMPLES])
def test_what_ships_keeps_every_rule(name: str, known: MappingSchema) -> None:
    shipped = statement({**VIEWS, **CHECKS, **EXAMPLES}[name], known)
    rules = [rule for rule in RULES if name not in CHECKS or rule.of_checks]
    broken = {rule.name: [str(offence) for offence in rule.offences(shipped)] for rule in rules}
    assert broken == {rule.name: [] for rule in rules}
