from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from sqlglot import parse_one

from pipeline.demo.athena.dialect import PRELUDE, StatementError, to_duckdb


def value(expression: str, source: str = "") -> Any:
    connection = duckdb.connect()
    for setting in PRELUDE:
        connection.execute(setting)
    row = connection.execute(to_duckdb(f"SELECT {expression} {source}")).fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("split_part('a/b', '/', 2)", "b"),
        ("split_part('a/b', '/', 3)", None),
        ("split_part(split_part('a/b-c', '/', 2), '-', 2)", "c"),
        ("regexp_extract('ab12', '[a-z](\\d)', 1)", "1"),
        ("regexp_extract('ab12', '\\d+')", "12"),
        ("regexp_extract('ab', '\\d')", None),
        ("regexp_replace('abcb', '(b)', '[$1]')", "a[b]c[b]"),
        ("regexp_replace('a1b2', '\\d')", "ab"),
        ("regexp_replace('a1', '\\d', '\\$')", "a$"),
        ("regexp_replace('a1', '\\d', '\\\\')", "a\\"),
        ("format('%.2f', 1.235e0)", "1.24"),
    ],
)
def test_text_functions_answer_as_athenas(expression: str, expected: str | None) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("date_diff('hour', TIMESTAMP '2026-01-01 00:59:00', TIMESTAMP '2026-01-01 01:01:00')", 0),
        ("date_diff('day', DATE '2026-01-01', DATE '2026-03-01')", 59),
        ("date_diff('hour', TIMESTAMP '2026-01-01 02:00:00', TIMESTAMP '2026-01-01 00:30:00')", -1),
        ("date_trunc('month', day)", date(2026, 1, 1)),
        ("date_add('day', 1, day)", date(2026, 2, 1)),
        ("day + INTERVAL '1' MONTH", date(2026, 2, 28)),
        ("day - INTERVAL '1' DAY", date(2026, 1, 30)),
        ("date_trunc('hour', at)", datetime(2026, 1, 31, 5)),  # noqa: DTZ001  as Athena's timestamp
        ("at + INTERVAL '1' HOUR", datetime(2026, 1, 31, 6, 7, 8)),  # noqa: DTZ001
        ("date_add('hour', -1, at)", datetime(2026, 1, 31, 4, 7, 8)),  # noqa: DTZ001
        ("at AT TIME ZONE 'UTC' = at_timezone(with_timezone(at, 'UTC'), 'UTC')", True),
        ("CAST(at AT TIME ZONE 'UTC' AT TIME ZONE 'UTC' AS timestamp) = at", True),
        ("from_unixtime(0) = TIMESTAMP '1970-01-01 00:00:00 UTC'", True),
    ],
)
def test_dates_and_times_are_athenas(expression: str, expected: object) -> None:
    assert (
        value(expression, "FROM (SELECT DATE '2026-01-31' AS day, TIMESTAMP '2026-01-31 05:07:08' AS at)") == expected
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("7 / 2e0", 3.5),
        ("CAST(2.5e0 AS integer)", 3),
        ("CAST(-2.5e0 AS bigint)", -3),
        ("CAST(2.5 AS integer)", 3),
        ("TRY_CAST('x' AS integer)", None),
        ("TRY_CAST(2.5e0 AS integer)", 3),
        ("CAST(1.005e0 AS decimal(10, 2))", Decimal("1.01")),
        ("CAST(CAST(0.1 AS double) AS decimal(38, 12))", Decimal("0.1")),
        ("CAST(TIMESTAMP '2026-01-01 00:00:00' AS varchar)", "2026-01-01 00:00:00.000"),
        ("CAST(DATE '2026-01-01' AS varchar)", "2026-01-01"),
    ],
)
def test_numbers_and_casts_are_athenas(expression: str, expected: object) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("MAP(ARRAY['a'], ARRAY[1])['a']", 1),
        ("element_at(MAP(ARRAY['a'], ARRAY[1]), 'b')", None),
        ("ARRAY[5, 6][2]", 6),
        ("element_at(ARRAY[5, 6], 3)", None),
        ("cardinality(MAP(ARRAY['a'], ARRAY[1]))", 1),
        ("cardinality(ARRAY[5, 6])", 2),
        ("map_filter(MAP(ARRAY['a', 'b'], ARRAY[1, 2]), (k, v) -> v > 1 AND k = 'b')", {"b": 2}),
        ("transform(ARRAY[1, 2], x -> x + 1)", [2, 3]),
        ("reduce(ARRAY[1, 2], 0, (s, x) -> s + x, s -> s)", 3),
    ],
)
def test_maps_and_arrays_are_athenas(expression: str, expected: object) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("json_format(CAST(MAP(ARRAY['a', 'b'], ARRAY['say \"x\"', NULL]) AS json))", '{"a":"say \\"x\\"","b":null}'),
        ("json_format(CAST(MAP() AS json))", "{}"),
        ("json_format(CAST(CAST(NULL AS map(varchar, varchar)) AS json))", None),
        ("json_format(CAST(0.25e0 AS json))", "0.25"),
        ("json_format(CAST('1' AS json))", '"1"'),
        ("json_format(CAST(CAST(NULL AS varchar) AS json))", None),
    ],
)
def test_json_is_written_as_athena_writes_it(expression: str, expected: str | None) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("map_agg(key, item)", {"a": 1, "b": None}),
        ("map_agg(item, key)", {1: "a"}),
        ("max_by(item, key)", None),
        ("min_by(item, key)", 1),
        ("count_if(item IS NULL)", 1),
        ("count_if(item > CAST(NULL AS integer))", 0),
        ("array_agg(key ORDER BY key DESC)", ["b", "a"]),
    ],
)
def test_aggregates_treat_null_as_athena_does(expression: str, expected: object) -> None:
    assert value(expression, "FROM (VALUES ('a', 1), ('b', NULL)) AS t (key, item)") == expected


@pytest.mark.parametrize(
    ("unnested", "expected"),
    [
        ("CROSS JOIN UNNEST(tags) AS u (x, y)", [("a", 1), ("b", 2)]),
        ("CROSS JOIN UNNEST(many, few) AS u (x, y)", [(7, 9), (8, None)]),
        ("CROSS JOIN UNNEST(many) WITH ORDINALITY AS u (x, y)", [(7, 1), (8, 2)]),
        ("LEFT JOIN UNNEST(none) AS u (x, y) ON TRUE", [(None, None)]),
    ],
)
def test_unnest_opens_maps_and_several_arrays(unnested: str, expected: list[tuple[object, ...]]) -> None:
    source = (
        "SELECT MAP(ARRAY['a', 'b'], ARRAY[1, 2]) AS tags, ARRAY[7, 8] AS many, ARRAY[9] AS few, "
        "CAST(NULL AS map(varchar, integer)) AS none"
    )
    found = duckdb.execute(to_duckdb(f"SELECT x, y FROM ({source}) {unnested} ORDER BY x")).fetchall()
    assert found == expected


def test_several_arrays_are_numbered_to_the_end_of_the_longest() -> None:
    sql = to_duckdb("SELECT n FROM UNNEST(ARRAY[1], ARRAY[5, 6, 7]) WITH ORDINALITY AS t (a, b, n) ORDER BY n")
    assert duckdb.execute(sql).fetchall() == [(1,), (2,), (3,)]


@pytest.mark.parametrize("expression", ["1 / 0", "MAP(ARRAY['a'], ARRAY[1])['b']", "CAST('x' AS integer)"])
def test_what_fails_in_athena_fails_here(expression: str) -> None:
    with pytest.raises(duckdb.Error):
        value(expression)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("SELEC 1", "SYNTAX_ERROR: line 1:7: Invalid expression / Unexpected token"),
        ("CREATE OR REPLACE VIEW v AS SELEC 1", "SYNTAX_ERROR: line 1:1: cannot read the statement"),
        ("SHOW TABLES", "SYNTAX_ERROR: line 1:1: cannot read the statement: SHOW TABLES"),
        ("SELECT 1; SELECT 2", "SYNTAX_ERROR: line 1:1: only one statement at a time"),
        ("SELECT 'open", "SYNTAX_ERROR: line 1:1: Error tokenizing"),
        ("", "SYNTAX_ERROR: line 1:1: No expression was parsed"),
        ("SELECT now() AT TIME ZONE 'Europe/Berlin'", "NOT_SUPPORTED: time zone Europe/Berlin"),
        ("SELECT reduce(ARRAY[1], 0, (s, x) -> s + x, s -> s * 2)", "NOT_SUPPORTED: reduce"),
    ],
)
def test_a_statement_that_cannot_be_translated_is_an_error(statement: str, reason: str) -> None:
    with pytest.raises(StatementError) as raised:
        to_duckdb(statement)
    assert str(raised.value).startswith(reason)


def test_a_tree_is_translated_and_left_as_it_was() -> None:
    tree = parse_one("SELECT split_part(a, '/', 3) FROM t", read="athena")
    before = tree.sql("athena")
    assert to_duckdb(tree) == to_duckdb(before)
    assert tree.sql("athena") == before


def test_moments_are_in_utc() -> None:
    assert value("from_unixtime(3600)") == datetime(1970, 1, 1, 1, tzinfo=UTC)
    assert value("CAST(from_unixtime(3600) AS timestamp)") == datetime(1970, 1, 1, 1)  # noqa: DTZ001
