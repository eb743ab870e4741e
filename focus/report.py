"""What the FOCUS validator's console report says, and which failures cannot be helped."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import ContractError

Outcome = Literal["PASS", "FAIL", "SKIPPED"]

# The validator demands that InvoiceId is NULL on every row (C-004) and that it is NULL on none (C-005), because it
# cannot see whether a charge was invoiced. One of them fails on any data; where some charges are invoiced and some
# are not, both do, and with them the two rules that are made of them.
CANNOT_PASS = frozenset({"InvoiceId-C-000-O", "InvoiceId-C-003-C", "InvoiceId-C-004-C", "InvoiceId-C-005-C"})

_TOTAL = re.compile(r"^Total: (\d+) \| Pass: (\d+) \| Fail: (\d+) \| Skipped: (\d+)$", re.MULTILINE)
_RULE = re.compile(r"^\S+ (?P<rule>\w+-[A-Z]-\d+-[A-Z]): (?P<outcome>PASS|FAIL|SKIPPED)\b", re.MULTILINE)
_FAILURE = re.compile(
    r"^- (?P<rule>[\w-]+): violations=(?P<violations>\S+); .*\n  MustSatisfy: (?P<text>.*)$", re.MULTILINE
)


@dataclass(frozen=True)
class Failure:
    """A rule that fails: how often, as the validator counts, and its text in the specification."""

    rule: str
    violations: str
    text: str


@dataclass(frozen=True)
class Report:
    """The outcome of each rule, and what is said of those that fail."""

    outcomes: tuple[tuple[str, Outcome], ...]
    failures: tuple[Failure, ...]

    @property
    def unexpected(self) -> tuple[Failure, ...]:
        """The failures that are the data's fault."""
        return tuple(failure for failure in self.failures if failure.rule not in CANNOT_PASS)

    def by_subject(self) -> dict[str, Counter[Outcome]]:
        """How many rules about each column or attribute had which outcome, by name."""
        subjects: dict[str, Counter[Outcome]] = {}
        for rule, outcome in self.outcomes:
            subjects.setdefault(rule.partition("-")[0], Counter())[outcome] += 1
        return dict(sorted(subjects.items()))

    def total(self) -> Counter[Outcome]:
        """How many rules had which outcome."""
        return Counter(outcome for _, outcome in self.outcomes)


def parse(text: str) -> Report:
    """Read the validator's console report.

    Raises:
        ContractError: it has no total, tested nothing, or its lines are not what its total says.
    """
    total = _TOTAL.search(text)
    if total is None:
        raise ContractError("The FOCUS validator printed no total; see what it said instead.")
    outcomes = tuple(_outcomes(text))
    failures = tuple(sorted((Failure(*found.groups()) for found in _FAILURE.finditer(text)), key=_rule))
    counted = Counter(outcome for _, outcome in outcomes)
    listed = [len(outcomes), counted["PASS"], counted["FAIL"], counted["SKIPPED"]]
    if listed != [int(number) for number in total.groups()] or len(failures) != counted["FAIL"]:
        raise ContractError("The FOCUS validator's report is not understood: its lines are not what its total says.")
    if not counted["PASS"]:
        raise ContractError("The FOCUS validator tested nothing.")
    return Report(outcomes, failures)


def _rule(failure: Failure) -> str:
    return failure.rule


def _outcomes(text: str) -> Iterable[tuple[str, Outcome]]:
    for found in _RULE.finditer(text):
        match found["outcome"]:
            case "PASS" | "FAIL" | "SKIPPED" as outcome:
                yield found["rule"], outcome
