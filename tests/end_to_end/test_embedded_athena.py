import datetime as dt
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any
from urllib.parse import quote_plus

import awswrangler as wr
import pandas as pd
import pytest
import sqlalchemy as sa
from botocore.exceptions import ClientError
from pyathena import connect
from pyathena.connection import Connection
from pyathena.error import OperationalError
from pyathena.pandas.cursor import PandasCursor

from pipeline.demo.athena import service as athena
from tests.end_to_end.athena_stack import NOW, REGION, STARTED, Stack, connected, rows, running_stack


@pytest.fixture(scope="module")
def stack(moto_url: str) -> Iterator[Stack]:
    with running_stack(moto_url) as stack:
        yield stack


@pytest.fixture
def connection(stack: Stack) -> Iterator[Connection[Any]]:
    with connected() as connection:
        yield connection


@pytest.fixture
def engine(stack: Stack) -> Iterator[sa.Engine]:
    staging = quote_plus("s3://results/sqlalchemy/")
    url = f"awsathena+rest://:@athena.{REGION}.amazonaws.com:443/costs?s3_staging_dir={staging}&poll_interval=0.01"
    engine = sa.create_engine(url)
    yield engine
    engine.dispose()


def test_every_type_comes_back_as_python_writes_it(connection: Connection[Any]) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT * FROM runs ORDER BY job NULLS LAST")
    assert [(name, kind) for name, kind, *_ in cursor.description] == [
        ("job", "varchar"),
        ("minutes", "bigint"),
        ("cost", "double"),
        ("price", "decimal"),
        ("started_at", "timestamp"),
        ("day", "date"),
        ("spot", "boolean"),
        ("labels", "map"),
        ("parts", "array"),
    ]
    day = dt.date(2026, 10, 19)
    labels = {"team": "x", "app": "y"}
    assert cursor.fetchall() == [
        ("a", 60, 0.1, Decimal("1.500000"), STARTED, day, True, labels, [1, 2]),
        (
            'say "b", c',
            2**40,
            12345678.5,
            Decimal("-0.000001"),
            STARTED.replace(minute=2, second=3, microsecond=4000),
            dt.date(2026, 10, 20),
            False,
            {},
            [None],
        ),
        (None,) * 9,
    ]


def test_a_column_without_a_name_gets_athenas(connection: Connection[Any]) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT job, count(*), sum(minutes) AS total FROM runs GROUP BY 1")
    assert [column[0] for column in cursor.description] == ["job", "_col1", "total"]


def test_pandas_reads_the_result_file(stack: Stack) -> None:
    with connect(work_group="chargeback", schema_name="costs", region_name=REGION, cursor_class=PandasCursor) as pandas:
        frame = pandas.cursor().execute("SELECT job, cost, minutes FROM runs ORDER BY cost").as_pandas()
    assert frame["job"].tolist()[:2] == ["a", 'say "b", c']
    assert frame["job"].isna().tolist() == [False, False, True]
    assert frame["cost"].tolist()[:2] == [0.1, 12345678.5]


def test_sqlalchemy_reads_writes_and_inspects(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE OR REPLACE VIEW inspected AS SELECT job, cost FROM runs")
        frame = pd.read_sql(sa.text("SELECT * FROM inspected WHERE cost > :least"), connection, params={"least": 1})
    assert frame["job"].tolist() == ['say "b", c']
    inspector = sa.inspect(engine)
    assert "inspected" in inspector.get_view_names()
    assert [column["name"] for column in inspector.get_columns("inspected")] == ["job", "cost"]


@pytest.mark.filterwarnings("ignore:The copy keyword is deprecated")  # awswrangler on pandas 3
@pytest.mark.parametrize(
    "how", [{"ctas_approach": False}, {"ctas_approach": True}, {"unload_approach": True, "ctas_approach": False}]
)
def test_awswrangler_reads_in_each_of_its_ways(stack: Stack, how: dict[str, Any]) -> None:
    folder = "-".join(f"{key}-{value}" for key, value in how.items())
    frame = wr.athena.read_sql_query(
        "SELECT job, minutes, cost, day FROM runs WHERE job IS NOT NULL ORDER BY job",
        database="costs",
        workgroup="chargeback",
        s3_output=f"s3://results/wrangler/{folder}/",
        athena_query_wait_polling_delay=0.01,
        **how,
    )
    assert frame["job"].tolist() == ["a", 'say "b", c']
    assert frame["minutes"].tolist() == [60, 2**40]
    assert frame["day"].tolist() == [dt.date(2026, 10, 19), dt.date(2026, 10, 20)]


def test_clients_raise_what_athena_says(stack: Stack, connection: Connection[Any]) -> None:
    with pytest.raises(OperationalError, match="TABLE_NOT_FOUND"):
        rows(connection, "SELECT * FROM nowhere")
    with pytest.raises(wr.exceptions.QueryFailed, match="COLUMN_NOT_FOUND"):
        wr.athena.read_sql_query("SELECT nope FROM runs", database="costs", workgroup="chargeback", ctas_approach=False)


def test_rows_come_in_pages_of_a_thousand(stack: Stack, connection: Connection[Any]) -> None:
    sql = "SELECT n FROM UNNEST(sequence(1, 2500)) AS t(n) ORDER BY n"
    assert rows(connection, sql) == [(n,) for n in range(1, 2501)]
    execution = stack.finished(sql)["QueryExecutionId"]
    pages = list(stack.athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution))
    assert [len(page["ResultSet"]["Rows"]) for page in pages] == [1000, 1000, 501]
    assert pages[0]["ResultSet"]["Rows"][0] == {"Data": [{"VarCharValue": "n"}]}
    few = stack.athena.get_query_results(QueryExecutionId=execution, MaxResults=3)
    assert len(few["ResultSet"]["Rows"]) == 3
    rest = stack.athena.get_query_results(QueryExecutionId=execution, MaxResults=1, NextToken=few["NextToken"])
    assert rest["ResultSet"]["Rows"] == [{"Data": [{"VarCharValue": "3"}]}]


def test_parameters_stand_in_the_order_of_the_text(connection: Connection[Any]) -> None:
    sql = "WITH named AS (SELECT ? AS first) SELECT first, ?, '?' FROM named WHERE ? < 3 -- ?"
    assert rows(connection, sql, "'it''s'", "DATE '2026-10-19'", "2") == [("it's", dt.date(2026, 10, 19), "?")]


def test_a_parameter_cannot_smuggle_in_a_statement(stack: Stack) -> None:
    found = stack.reason("SELECT ?", ExecutionParameters=["1; DROP VIEW x"])
    assert found == "SYNTAX_ERROR: line 1:1: only one statement at a time"


def test_the_clock_is_the_servers(connection: Connection[Any]) -> None:
    assert rows(connection, "SELECT current_date, CAST(current_timestamp AS timestamp)") == [
        (dt.date(2026, 10, 20), NOW.replace(tzinfo=None))
    ]


def test_the_workgroup_decides_where_results_lie(stack: Stack) -> None:
    asked = stack.finished("SELECT 1", ResultConfiguration={"OutputLocation": "s3://results/asked/"})
    assert asked["ResultConfiguration"]["OutputLocation"].startswith("s3://results/chargeback/")
    free = stack.athena.start_query_execution(
        QueryString="SELECT 1 AS one, CAST(NULL AS varchar) AS none, '' AS empty",
        ResultConfiguration={"OutputLocation": "s3://results/free"},
    )["QueryExecutionId"]
    body = stack.s3.get_object(Bucket="results", Key=f"free/{free}.csv")["Body"].read()
    assert body == b'"one","none","empty"\n"1",,""\n'


@pytest.mark.parametrize(
    ("request_of", "message"),
    [
        ({"WorkGroup": "none"}, "WorkGroup"),
        ({"WorkGroup": "primary"}, "No output location provided"),
    ],
)
def test_a_query_that_cannot_start_is_an_invalid_request(
    stack: Stack, request_of: dict[str, str], message: str
) -> None:
    with pytest.raises(ClientError, match=message) as raised:
        stack.athena.start_query_execution(QueryString="SELECT 1", **request_of)
    assert raised.value.response["Error"]["Code"] == "InvalidRequestException"


def test_unknown_executions_and_unfinished_results_are_invalid_requests(stack: Stack) -> None:
    failed = stack.finished("SELECT * FROM nowhere")["QueryExecutionId"]
    calls: tuple[Callable[[], object], ...] = (
        lambda: stack.athena.get_query_execution(QueryExecutionId="none"),
        lambda: stack.athena.get_query_results(QueryExecutionId=failed),
        lambda: stack.athena.get_work_group(WorkGroup="none"),
    )
    for call in calls:
        with pytest.raises(ClientError) as raised:
            call()
        assert raised.value.response["Error"]["Code"] == "InvalidRequestException"


def test_a_missing_results_bucket_fails_the_query(stack: Stack) -> None:
    started = stack.athena.start_query_execution(
        QueryString="SELECT 1", ResultConfiguration={"OutputLocation": "s3://no-such-bucket/"}
    )
    status = stack.athena.get_query_execution(QueryExecutionId=started["QueryExecutionId"])["QueryExecution"]["Status"]
    assert (status["State"], status["StateChangeReason"]) == (
        "FAILED",
        "Unable to verify/create output bucket no-such-bucket",
    )


def test_many_clients_ask_at_once(stack: Stack) -> None:
    def ask(number: int) -> list[list[str | None]]:
        sql = f"SELECT {number} + count(*) FROM runs"
        return stack.result(stack.finished(sql))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(24))) == [[[str(number + 3)]] for number in range(24)]


def test_installing_again_changes_nothing_but_the_clock(stack: Stack) -> None:
    athena.install(lambda: NOW)
    assert stack.result(stack.finished("SELECT count(*) FROM runs")) == [["3"]]
