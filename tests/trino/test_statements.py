"""What a month's statement says before and after it is closed on a real Trino; the last of these tests to be run."""

import pytest

from pipeline.demo.stack import WORKGROUP, Stack
from pipeline.warehouse import Warehouse, athena_url
from tests.trino.answers import differences
from tests.trino.estate import Command, Stage

pytestmark = pytest.mark.trino

STATEMENT = ("statement", "--month", "2026-10", "--format", "csv", "--now", "2026-11-05T09:00Z")
CLOSE = ("close", "--month", "2026-10", "--before-invoice", "--now", "2026-11-05T09:00Z")
SUMS = """
SELECT entry, cost_center, cost_category, COUNT(*) AS copied, SUM(effective_cost) AS cost, SUM(charged_cost) AS charged
FROM closed_ledger_runs
GROUP BY 1, 2, 3"""


@pytest.fixture(scope="module")
def statements(stage: Stage, published: None, on_trino: Command) -> tuple[str, str]:
    stage("closing the month")
    before = on_trino(*STATEMENT).stdout
    on_trino(*CLOSE)
    return before, on_trino(*STATEMENT).stdout


def test_a_month_that_is_closed_on_trino_says_what_it_said_before(
    statements: tuple[str, str], trino: Warehouse
) -> None:
    before, after = statements
    assert before.count("\n") > 20
    assert after == before
    assert trino.query("SELECT * FROM closed_month_adjustments", "Looking for adjustments").rows == ()


def test_the_copy_of_a_month_is_the_same_to_both_engines(
    statements: tuple[str, str], trino: Warehouse, stack: Stack
) -> None:
    database, region = (stack.environment[name] for name in ("CHARGEBACK_GLUE_DATABASE", "AWS_DEFAULT_REGION"))
    of_athena = Warehouse(athena_url(region, database, WORKGROUP)).query(SUMS, "Reading the copy")
    assert {"direct", "taken", "given"} == {row[0] for row in of_athena.rows}
    assert list(differences(trino.query(SUMS, "Reading the copy"), of_athena)) == []
