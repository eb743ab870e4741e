"""What DuckDB lets pass and Trino refuses, or answers otherwise: a rule for each, with statements that break it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from tests.sql import trino_offences as offences
from tests.sql.trino_offences import Statement

_PODS = "(VALUES (1, DATE '2026-10-13', 'a/b', MAP(ARRAY['app'], ARRAY['x']))) AS pods (id, usage_date, path, labels)"
_HOURS = "(VALUES (2.5e0, TIMESTAMP '2026-10-13 04:00:00')) AS pods (hours, window_start)"


class Proof(Enum):
    """How Trino shows that a rule is needed."""

    ANSWER = "it refuses the statement, or answers it otherwise than DuckDB does after sqlglot's own translation"
    MEANING = "it answers otherwise than the statement's author meant"
    PRUNING = "asked for one day, it reads them all"
    VIEW = "it refuses a view of it, or those above such a view once its text has become longer"


@dataclass(frozen=True)
class Example:
    """A statement that *breaks* a rule, and one that says what its author meant and *keeps* the rule."""

    breaks: str
    keeps: str


@dataclass(frozen=True)
class Rule:
    """*offences* finds in a statement what breaks the rule; what Trino makes of each of *examples* is the *proof*."""

    name: str
    offences: Callable[[Statement], Iterable[object]]
    examples: tuple[Example, ...]
    proof: Proof = Proof.ANSWER
    of_checks: bool = True


RULES = (
    Rule(
        "a map or an array is asked by element_at",
        offences.subscripts,
        (
            Example(
                f"SELECT labels['team'] AS team FROM {_PODS}", f"SELECT element_at(labels, 'team') AS team FROM {_PODS}"
            ),
            Example("SELECT ARRAY['a'][2] AS part", "SELECT element_at(ARRAY['a'], 2) AS part"),
        ),
    ),
    Rule(
        "a part that may be missing or empty is NULL",
        offences.unguarded_parts,
        (
            Example(
                f"SELECT split_part(path, '/', 3) AS part FROM {_PODS}",
                f"SELECT NULLIF(split_part(path, '/', 3), '') AS part FROM {_PODS}",
            ),
        ),
    ),
    Rule(
        "decimals are divided and averaged as doubles",
        offences.decimal_quotients,
        (
            Example(
                "SELECT CAST(1 AS decimal(18, 6)) / CAST(3 AS decimal(18, 6)) AS share",
                "SELECT CAST(1 AS double) / CAST(3 AS double) AS share",
            ),
            Example(
                "SELECT avg(CAST(cost AS decimal(18, 2))) AS mean FROM (VALUES 1, 2, 2) AS pods (cost)",
                "SELECT avg(CAST(cost AS double)) AS mean FROM (VALUES 1, 2, 2) AS pods (cost)",
            ),
        ),
    ),
    Rule(
        "what is compared is of one kind",
        offences.mixed_comparisons,
        (
            Example(
                f"SELECT id FROM {_PODS} WHERE usage_date >= '2026-10-01'",
                f"SELECT id FROM {_PODS} WHERE usage_date >= DATE '2026-10-01'",
            ),
            Example(
                f"SELECT id FROM {_PODS} WHERE usage_date BETWEEN '2026-10-01' AND '2026-10-31'",
                f"SELECT id FROM {_PODS} WHERE usage_date BETWEEN DATE '2026-10-01' AND DATE '2026-10-31'",
            ),
            Example(f"SELECT path FROM {_PODS} WHERE id IN ('1')", f"SELECT path FROM {_PODS} WHERE id IN (1)"),
        ),
    ),
    Rule(
        "whichever branch gives a value, it is of one kind",
        offences.mixed_results,
        (
            Example(
                f"SELECT CASE WHEN id > 1 THEN id ELSE '0' END AS id FROM {_PODS}",
                f"SELECT CASE WHEN id > 1 THEN id ELSE 0 END AS id FROM {_PODS}",
            ),
            Example(f"SELECT IF(id > 1, id, '0') AS id FROM {_PODS}", f"SELECT IF(id > 1, id, 0) AS id FROM {_PODS}"),
            Example(f"SELECT COALESCE(id, '0') AS id FROM {_PODS}", f"SELECT COALESCE(id, 0) AS id FROM {_PODS}"),
        ),
    ),
    Rule(
        "a column of a union is of one kind",
        offences.mixed_unions,
        (
            Example(
                f"SELECT path FROM {_PODS} UNION ALL SELECT id FROM {_PODS}",
                f"SELECT path FROM {_PODS} UNION ALL SELECT CAST(id AS varchar) FROM {_PODS}",
            ),
        ),
    ),
    Rule(
        "what is joined by || is text",
        offences.joined_numbers,
        (
            Example(
                f"SELECT path || id AS name FROM {_PODS}", f"SELECT path || CAST(id AS varchar) AS name FROM {_PODS}"
            ),
        ),
    ),
    Rule(
        "days are counted by date_add and date_diff",
        offences.day_arithmetic,
        (
            Example(
                f"SELECT usage_date + 1 AS next FROM {_PODS}",
                f"SELECT usage_date + INTERVAL '1' DAY AS next FROM {_PODS}",
            ),
            Example(
                f"SELECT usage_date - DATE '2026-10-01' AS days FROM {_PODS}",
                f"SELECT date_diff('day', DATE '2026-10-01', usage_date) AS days FROM {_PODS}",
            ),
        ),
    ),
    Rule(
        "doubles and moments become texts by a format, and texts with a zone become moments by a function",
        offences.foreign_texts,
        (
            Example(
                f"SELECT CAST(hours AS varchar) AS hours FROM {_HOURS}",
                f"SELECT CAST(CAST(hours AS decimal(18, 6)) AS varchar) AS hours FROM {_HOURS}",
            ),
            Example(
                f"SELECT CAST(CAST(window_start AS timestamp) AS varchar) AS hour FROM {_HOURS}",
                f"SELECT date_format(window_start, '%Y-%m-%d %H') AS hour FROM {_HOURS}",
            ),
            Example(
                "SELECT CAST('2026-10-13T04:00:00Z' AS timestamp) AS moment",
                "SELECT CAST(from_iso8601_timestamp('2026-10-13T04:00:00Z') AS timestamp) AS moment",
            ),
        ),
    ),
    Rule(
        "a double becomes an integer by round",
        offences.cut_doubles,
        (
            Example(
                f"SELECT CAST(hours AS bigint) AS hours FROM {_HOURS}",
                f"SELECT CAST(round(hours) AS bigint) AS hours FROM {_HOURS}",
            ),
        ),
    ),
    Rule(
        "an alias is no column of its own SELECT",
        offences.aliases_as_columns,
        (
            Example(
                f"SELECT upper(path) AS shout FROM {_PODS} GROUP BY shout",
                f"SELECT upper(path) AS shout FROM {_PODS} GROUP BY 1",
            ),
            Example(
                f"SELECT id + 1 AS next FROM {_PODS} WHERE next > 1",
                f"SELECT id + 1 AS next FROM {_PODS} WHERE id + 1 > 1",
            ),
            Example(
                f"SELECT path, SUM(id) AS ids FROM {_PODS} GROUP BY 1 HAVING ids > 0",
                f"SELECT path, SUM(id) AS ids FROM {_PODS} GROUP BY 1 HAVING SUM(id) > 0",
            ),
            Example(
                f"SELECT id + 1 AS next, next + 1 AS last FROM {_PODS}",
                f"SELECT id + 1 AS next, id + 1 + 1 AS last FROM {_PODS}",
            ),
        ),
    ),
    Rule(
        "an order sums up no column of the result",
        offences.sums_of_results,
        (
            Example(
                f"SELECT path, SUM(id) AS id FROM {_PODS} GROUP BY 1 ORDER BY SUM(id)",
                f"SELECT path, SUM(id) AS id FROM {_PODS} GROUP BY 1 ORDER BY id",
            ),
        ),
    ),
    Rule(
        "a column that USING merges has no table",
        offences.qualified_after_using,
        (
            Example(
                f"SELECT pods.id FROM {_PODS} LEFT JOIN (VALUES 1) AS runs (id) USING (id)",
                f"SELECT id FROM {_PODS} LEFT JOIN (VALUES 1) AS runs (id) USING (id)",
            ),
        ),
    ),
    Rule(
        "what a LEFT JOIN unnests is joined ON TRUE",
        offences.conditions_on_unnest,
        (
            Example(
                f"SELECT part FROM {_PODS} LEFT JOIN UNNEST(split(path, '/')) AS parts (part) ON part > 'a'",
                f"SELECT part FROM {_PODS} LEFT JOIN UNNEST(split(path, '/')) AS parts (part) ON TRUE",
            ),
        ),
    ),
    Rule(
        "distinct rows are ordered by what they show",
        offences.orders_beside_distinct,
        (
            Example(
                f"SELECT DISTINCT path FROM {_PODS} ORDER BY id",
                f"SELECT DISTINCT path, id FROM {_PODS} ORDER BY id",
            ),
        ),
    ),
    Rule(
        "a union keeps every row",
        offences.distinct_unions,
        (Example("SELECT 1 AS cost UNION SELECT 1 AS cost", "SELECT 1 AS cost UNION ALL SELECT 1 AS cost"),),
        Proof.MEANING,
    ),
    Rule(
        "the partition column is passed through",
        offences.computed_partitions,
        (
            Example(
                "SELECT CAST(window_start AS date) AS usage_date, pod FROM allocations",
                "SELECT usage_date, pod FROM allocations",
            ),
        ),
        Proof.PRUNING,
        of_checks=False,  # those are of a month, not asked for a day
    ),
    Rule(
        "a text or a NULL that becomes a column of a view is cast",
        offences.stale_columns,
        (
            Example("SELECT 'idle' AS category", "SELECT CAST('idle' AS varchar) AS category"),
            Example(
                "SELECT CASE WHEN pod IS NULL THEN 'idle' END AS category FROM allocations",
                "SELECT CASE WHEN pod IS NULL THEN CAST('idle' AS varchar) END AS category FROM allocations",
            ),
            Example("SELECT NULL AS reason", "SELECT CAST(NULL AS varchar) AS reason"),
        ),
        Proof.VIEW,
        of_checks=False,
    ),
    Rule(
        "every function is one of Trino's",
        offences.foreign_functions,
        (
            Example(f"SELECT ifnull(id, 0) AS id FROM {_PODS}", f"SELECT coalesce(id, 0) AS id FROM {_PODS}"),
            Example("SELECT string_split('a/b', '/') AS parts", "SELECT split('a/b', '/') AS parts"),
        ),
    ),
    Rule(
        "every word is one of Trino's",
        offences.foreign_words,
        (
            Example("SELECT 1::double AS cost", "SELECT CAST(1 AS double) AS cost"),
            Example(
                f"SELECT id FROM {_PODS} WHERE path ILIKE 'A%'", f"SELECT id FROM {_PODS} WHERE lower(path) LIKE 'a%'"
            ),
            Example(
                f"SELECT path, COUNT(*) AS pods FROM {_PODS} GROUP BY ALL",
                f"SELECT path, COUNT(*) AS pods FROM {_PODS} GROUP BY 1",
            ),
            Example(f"SELECT id, path, FROM {_PODS}", f"SELECT id, path FROM {_PODS}"),
            Example(f"SELECT id FROM {_PODS} LIMIT 1 OFFSET 0", f"SELECT id FROM {_PODS} OFFSET 0 LIMIT 1"),
            Example(f"SELECT * EXCLUDE (labels) FROM {_PODS}", f"SELECT id, usage_date, path FROM {_PODS}"),
            Example("SELECT 1 AS cost;", "SELECT 1 AS cost"),
            Example("CREATE VIEW costs AS SELEC 1", "SELECT 1 AS cost"),
        ),
    ),
)
