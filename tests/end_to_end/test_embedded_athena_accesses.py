from collections.abc import Iterator
from typing import Any

import pytest
from moto.athena.models import athena_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from tests.end_to_end.athena_stack import REGION, Stack, running_stack


@pytest.fixture
def stack(moto_url: str) -> Iterator[Stack]:
    with running_stack(moto_url) as running:
        yield running


def test_a_query_looks_its_table_up_lists_and_reads_the_objects_and_writes_its_result(stack: Stack) -> None:
    execution = stack.finished("SELECT job FROM runs")
    assert accesses(execution) == {
        ("s3:GetBucketLocation", "s3://results/"),
        ("glue:GetDatabase", "costs"),
        ("glue:GetTable", "costs/runs"),
        ("s3:ListBucket", "s3://lake/runs/"),
        ("s3:GetObject", "s3://lake/runs/1.parquet"),
        ("s3:PutObject", execution["ResultConfiguration"]["OutputLocation"]),
    }


def test_a_view_is_stored_in_glue_and_nothing_is_read_for_it(stack: Stack) -> None:
    created = accesses(stack.finished("CREATE VIEW jobs AS SELECT job FROM runs"))
    assert ("glue:CreateTable", "costs/jobs") in created
    replaced = accesses(stack.finished("CREATE OR REPLACE VIEW jobs AS SELECT job FROM runs"))
    assert ("glue:UpdateTable", "costs/jobs") in replaced
    assert "s3:GetObject" not in {action for action, _ in created | replaced}
    assert ("glue:DeleteTable", "costs/jobs") in accesses(stack.finished("DROP VIEW jobs"))


def test_unload_looks_whether_its_place_is_empty_and_writes_there(stack: Stack) -> None:
    done = accesses(stack.finished("UNLOAD (SELECT job FROM runs) TO 's3://lake/out/' WITH (format = 'PARQUET')"))
    assert ("s3:ListBucket", "s3://lake/out/") in done
    assert any(action == "s3:PutObject" and target.startswith("s3://lake/out/") for action, target in done)


def test_what_a_statement_did_before_it_failed_is_remembered_too(stack: Stack) -> None:
    execution = stack.finished("SELECT nothing FROM runs")
    assert execution["Status"]["State"] == "FAILED"
    assert ("glue:GetTable", "costs/runs") in accesses(execution)


def accesses(execution: dict[str, Any]) -> set[tuple[str, str]]:
    known: Any = athena_backends[DEFAULT_ACCOUNT_ID][REGION].executions[execution["QueryExecutionId"]]
    return {(access.action, access.target) for access in known.accesses}
