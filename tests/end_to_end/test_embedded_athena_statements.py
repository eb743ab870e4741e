import base64
import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from pyathena.connection import Connection

from tests.end_to_end.athena_stack import TYPES, Stack, connected, rows, running_stack


@pytest.fixture(scope="module")
def stack(moto_url: str) -> Iterator[Stack]:
    with running_stack(moto_url) as stack:
        yield stack


@pytest.fixture
def connection(stack: Stack) -> Iterator[Connection[Any]]:
    with connected() as connection:
        yield connection


def test_views_stand_on_views_and_on_full_names(connection: Connection[Any]) -> None:
    rows(
        connection,
        "CREATE OR REPLACE VIEW job_costs AS\n-- One row per job.\n"
        "WITH runs AS (SELECT * FROM runs) SELECT job, sum(cost) AS cost FROM runs GROUP BY job",
    )
    rows(
        connection,
        'CREATE OR REPLACE VIEW "costs"."total" AS SELECT sum(cost) AS cost FROM "awsdatacatalog"."costs"."job_costs"',
    )
    assert rows(connection, "SELECT t.cost, j.cost FROM total t CROSS JOIN job_costs j WHERE j.job = 'a'") == [
        (12345678.6, 0.1)
    ]


def test_a_query_that_begins_with_a_comment_reads_views(connection: Connection[Any]) -> None:
    rows(connection, "CREATE OR REPLACE VIEW commented AS SELECT job, cost FROM runs")
    query = "-- What's the cost?\nWITH jobs AS (SELECT job, cost FROM commented) SELECT cost FROM jobs WHERE job = 'a'"
    assert rows(connection, query) == [(0.1,)]


def test_a_view_is_stored_as_presto_stores_it(stack: Stack, connection: Connection[Any]) -> None:
    text = "-- One row per run.\nSELECT job, price, labels, started_at, ARRAY[cost] AS costs FROM runs"
    rows(connection, f"CREATE OR REPLACE VIEW stored AS {text}")
    table = stack.glue.get_table(DatabaseName="costs", Name="stored")["Table"]
    assert table["TableType"] == "VIRTUAL_VIEW"
    assert table["Parameters"] == {"presto_view": "true", "comment": "Presto View"}
    assert table["StorageDescriptor"]["SerdeInfo"] == {}
    assert [column["Type"] for column in table["StorageDescriptor"]["Columns"]] == [
        "string",
        "decimal(18,6)",
        "map<string,string>",
        "timestamp",
        "array<double>",
    ]
    definition = json.loads(base64.b64decode(table["ViewOriginalText"].split()[3]))
    assert definition["originalSql"] == text
    assert definition["runAsInvoker"]
    assert [column["type"] for column in definition["columns"]] == [
        "varchar",
        "decimal(18,6)",
        "map(varchar, varchar)",
        "timestamp(3)",
        "array(double)",
    ]


def test_a_view_is_replaced_in_place_but_never_created_twice_or_over_a_table(stack: Stack) -> None:
    assert stack.finished("CREATE VIEW once AS SELECT job FROM runs")["Status"]["State"] == "SUCCEEDED"
    assert stack.reason("CREATE VIEW once AS SELECT day FROM runs") == (
        "ALREADY_EXISTS: line 1:1: View already exists: 'awsdatacatalog.costs.once'"
    )
    stack.finished("CREATE OR REPLACE VIEW once AS SELECT day FROM runs")
    versions = stack.glue.get_table_versions(DatabaseName="costs", TableName="once")["TableVersions"]
    assert len(versions) == 2
    assert stack.reason("CREATE OR REPLACE VIEW runs AS SELECT 1 AS one") == (
        "TABLE_ALREADY_EXISTS: line 1:1: Table already exists: 'awsdatacatalog.costs.runs'"
    )


def test_a_view_goes_when_it_is_dropped(stack: Stack) -> None:
    stack.finished("CREATE VIEW gone AS SELECT job FROM runs")
    assert stack.finished("DROP VIEW gone")["Status"]["State"] == "SUCCEEDED"
    assert stack.reason("DROP VIEW gone") == (
        "TABLE_NOT_FOUND: line 1:1: View 'awsdatacatalog.costs.gone' does not exist"
    )
    assert stack.finished("DROP VIEW IF EXISTS gone")["Status"]["State"] == "SUCCEEDED"
    assert stack.reason("DROP VIEW IF EXISTS runs").startswith("TABLE_NOT_FOUND")


def test_a_view_whose_base_changed_is_stale(stack: Stack) -> None:
    stack.finished("CREATE OR REPLACE VIEW base AS SELECT job FROM runs")
    stack.finished("CREATE OR REPLACE VIEW upper_view AS SELECT * FROM base")
    stack.finished("CREATE OR REPLACE VIEW base AS SELECT job, day FROM runs")
    assert stack.reason("SELECT * FROM upper_view").startswith(
        "VIEW_IS_STALE: line 1:15: View 'awsdatacatalog.costs.upper_view' is stale"
    )
    stack.finished("DROP VIEW base")
    assert stack.reason("SELECT * FROM upper_view") == (
        "INVALID_VIEW: line 1:15: Failed analyzing stored view 'awsdatacatalog.costs.upper_view': "
        "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.costs.base' does not exist"
    )


def test_a_view_that_leads_to_itself_is_refused(stack: Stack) -> None:
    stack.finished("CREATE OR REPLACE VIEW ring AS SELECT job FROM runs")
    stack.finished("CREATE OR REPLACE VIEW ring AS SELECT job FROM ring")
    assert "View is recursive: 'awsdatacatalog.costs.ring'" in stack.reason("SELECT * FROM ring")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELEC 1", "SYNTAX_ERROR: line 1:7: Invalid expression / Unexpected token"),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR: line 1:1: only one statement at a time"),
        ("SELECT * FROM nowhere", "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.costs.nowhere' does not exist"),
        ("SELECT * FROM no.runs", "SCHEMA_NOT_FOUND: line 1:15: Schema 'no' does not exist"),
        ("SELECT * FROM other.costs.runs", "CATALOG_NOT_FOUND: line 1:15: Catalog 'other' not found"),
        ("SELECT job,\n  price_usd FROM runs", "COLUMN_NOT_FOUND: line 2:3: Column 'price_usd' cannot be resolved"),
        ("SELECT r.nope FROM runs r", "COLUMN_NOT_FOUND: line 1:10: Column 'nope' cannot be resolved"),
        ("SELECT nope(job) FROM runs", "FUNCTION_NOT_FOUND: line 1:1: Function 'nope' not registered"),
        ("SELECT minutes / 0 FROM runs", "DIVISION_BY_ZERO: Division by zero"),
        ("SELECT labels['none'] FROM runs", "GENERIC_USER_ERROR: Key not present in map: none"),
        (
            "SELECT CAST(job AS integer) FROM runs",
            "INVALID_CAST_ARGUMENT: Could not convert string 'a' to INT32 when casting from source column job",
        ),
        ("SELECT ?", "INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: expected 1 but found 0"),
        (
            "CREATE VIEW x AS SELECT count(*) FROM runs",
            "MISSING_COLUMN_NAME: line 1:1: Column name not specified at position 1",
        ),
        ("CREATE VIEW x AS SELECT NULL AS a", "COLUMN_TYPE_UNKNOWN: line 1:1: Column type is unknown: a"),
        (
            "CREATE VIEW x AS SELECT 1 AS a, 2 AS A",
            "DUPLICATE_COLUMN_NAME: line 1:1: Column name 'a' specified more than once",
        ),
        ("INSERT INTO runs VALUES (1)", "NOT_SUPPORTED: this engine does not run: INSERT INTO runs VALUES (1)"),
        ("SELECT * FROM read_text('/etc/hostname')", "NOT_SUPPORTED: table function: READ_TEXT('/etc/hostname')"),
    ],
)
def test_a_wrong_statement_fails_with_athenas_reason(stack: Stack, sql: str, expected: str) -> None:
    assert stack.reason(sql) == expected


def test_explain_plans_and_reads_nothing(stack: Stack, connection: Connection[Any]) -> None:
    plan = stack.finished("EXPLAIN SELECT sum(cost) FROM runs")
    assert plan["StatementType"] == "UTILITY"
    assert plan["Statistics"]["DataScannedInBytes"] == 0
    assert any("sum" in line for (line,) in rows(connection, "EXPLAIN SELECT sum(cost) FROM runs"))
    assert stack.reason("EXPLAIN SELECT nope FROM runs").startswith("COLUMN_NOT_FOUND")


def test_explain_validates_what_is_asked_and_every_cte_before_it(stack: Stack, connection: Connection[Any]) -> None:
    rows(connection, "CREATE OR REPLACE VIEW known AS SELECT job, cost FROM runs")
    sql = (
        "WITH runs AS (SELECT job, cost FROM known), jobs AS (WITH runs AS (SELECT job AS name FROM runs) "
        "SELECT name FROM runs), aside AS (SELECT {} FROM jobs) SELECT cost FROM Runs r"
    )
    assert rows(connection, f"EXPLAIN (TYPE VALIDATE) {sql.format('name')}") == [(True,)]
    assert rows(connection, "EXPLAIN (FORMAT JSON, TYPE VALIDATE) SELECT job FROM known") == [(True,)]
    assert stack.finished(f"EXPLAIN (TYPE VALIDATE) {sql.format('name')}")["Statistics"]["DataScannedInBytes"] == 0
    assert stack.reason(f"EXPLAIN (TYPE VALIDATE) {sql.format('job')}") == (
        "COLUMN_NOT_FOUND: line 1:163: Column 'job' cannot be resolved"
    ), "although nobody reads it"
    assert stack.reason("EXPLAIN (TYPE VALIDATE) WITH a AS (SELECT 1 AS b) SELECT b FROM c").startswith(
        "TABLE_NOT_FOUND"
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE VIEW x AS SELECT count(*) FROM runs", "MISSING_COLUMN_NAME: line 1:1: Column name not specified"),
        ("WITH a(b) AS (SELECT nope FROM runs) SELECT b FROM a", "COLUMN_NOT_FOUND: line 1:46: Column 'nope'"),
        (
            "WITH runs AS (SELECT 1 AS a) SELECT job FROM costs.runs",
            "NOT_SUPPORTED: line 1:70: a CTE has the name of the table 'awsdatacatalog.costs.runs'",
        ),
    ],
)
def test_explain_validates_as_far_as_this_engine_can(stack: Stack, sql: str, expected: str) -> None:
    assert stack.reason(f"EXPLAIN (TYPE VALIDATE) {sql}").startswith(expected)


def test_a_statement_that_is_too_long_is_not_started(stack: Stack) -> None:
    assert stack.finished(f"SELECT '{'x' * 262_135}'")["Status"]["State"] == "SUCCEEDED"
    with pytest.raises(ClientError, match="Member must have length less than or equal to 262144"):
        stack.finished(f"SELECT '{'x' * 262_136}'")


def test_a_partitioned_table_comes_of_a_query_with_its_partitions_registered(
    stack: Stack, connection: Connection[Any]
) -> None:
    sql = (
        "CREATE TABLE ledger WITH (format = 'PARQUET', partitioned_by = ARRAY['day']) AS "
        "SELECT job, price, labels, day FROM runs"
    )
    execution = stack.finished(f"{sql} WHERE job IS NOT NULL")
    assert (execution["StatementType"], execution["Status"]["State"]) == ("DDL", "SUCCEEDED")
    partitions = stack.glue.get_partitions(DatabaseName="costs", TableName="ledger")["Partitions"]
    assert [partition["Values"] for partition in partitions] == [["2026-10-19"], ["2026-10-20"]]
    assert rows(connection, "SELECT job, price, labels FROM ledger WHERE day = DATE '2026-10-19'") == [
        ("a", Decimal("1.500000"), {"team": "x", "app": "y"})
    ]
    assert stack.reason(sql).startswith("TABLE_ALREADY_EXISTS")
    stack.finished("DROP TABLE ledger")
    assert stack.reason("SELECT * FROM ledger").startswith("TABLE_NOT_FOUND")


def test_unload_writes_objects_and_their_list(stack: Stack) -> None:
    sql = (
        "UNLOAD (SELECT job, cost FROM runs WHERE job <> ')' ORDER BY cost) TO 's3://lake/unloaded' "
        "WITH (format = 'PARQUET', compression = 'ZSTD')"
    )
    execution = stack.finished(sql)
    bucket, _, key = execution["Statistics"]["DataManifestLocation"].removeprefix("s3://").partition("/")
    written = stack.s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().split()
    assert len(written) == 1
    content = stack.s3.get_object(Bucket="lake", Key=written[0].removeprefix("s3://lake/"))["Body"].read()
    assert pq.read_table(io.BytesIO(content)).to_pydict() == {"job": ["a", 'say "b", c'], "cost": [0.1, 12345678.5]}
    assert stack.reason(sql) == "HIVE_PATH_ALREADY_EXISTS: Target directory already exists: s3://lake/unloaded/"


def test_show_and_describe_say_what_the_catalog_has(stack: Stack, connection: Connection[Any]) -> None:
    rows(connection, "CREATE OR REPLACE VIEW shown_view AS SELECT job FROM runs")
    assert ("runs",) in rows(connection, "SHOW TABLES IN costs")
    assert rows(connection, "SHOW VIEWS LIKE 'shown*'") == [("shown_view",)]
    described = [row[0].split() for row in rows(connection, "DESCRIBE runs")]
    assert described == [[name, kind] for name, kind in TYPES.items()]
