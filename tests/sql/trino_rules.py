"""What DuckDB lets pass and Trino refuses, or answers otherwise: a rule for each, with a statement that breaks it."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sqlglot import exp, tokenize
from sqlglot.tokenizer_core import TokenType

_MOMENTS = {exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ}
_TEXTS = {exp.DType.VARCHAR, exp.DType.TEXT, exp.DType.CHAR}
_DOUBLES = {exp.DType.DOUBLE, exp.DType.FLOAT}
_NOT_IN_TRINO = {TokenType.DCOLON, TokenType.ILIKE, TokenType.QUALIFY}
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_PODS = "(VALUES (1, DATE '2026-10-13', 'a/b', MAP(ARRAY['app'], ARRAY['x']))) AS pods (id, usage_date, path, labels)"


@dataclass(frozen=True)
class Statement:
    """One statement: its text, its tree as it was written, and the same with its columns qualified and typed."""

    text: str
    tree: exp.Expr
    typed: exp.Expr


@dataclass(frozen=True)
class Rule:
    """*offences* finds in a statement what breaks the rule.

    Trino refuses the statement *breaks*, or answers it otherwise than DuckDB does after sqlglot's own translation, or
    than its author meant; *keeps* says the same and holds.
    """

    name: str
    breaks: str
    keeps: str
    offences: Callable[[Statement], Iterable[object]]
    of_checks: bool = True


def _subscripts(statement: Statement) -> Iterator[exp.Expr]:
    """A key or an element that is missing is an error; `element_at` gives NULL."""
    for bracket in statement.tree.find_all(exp.Bracket):
        if not bracket.args.get("safe"):
            yield bracket


def _unguarded_parts(statement: Statement) -> Iterator[exp.Expr]:
    """A part past the end is NULL, one between two delimiters empty. The first is always there, and so are an ARN's."""
    for part in statement.tree.find_all(exp.SplitPart):
        of = part.this.find(exp.Column)
        is_certain = part.args["part_index"].name == "1" or (of is not None and of.name.endswith("_arn"))
        if not is_certain and not isinstance(part.parent, exp.Nullif):
            yield part


def _decimal_divisions(statement: Statement) -> Iterator[exp.Expr]:
    """The quotient keeps no more digits than the operands; DuckDB makes a double of it."""
    for division in statement.typed.find_all(exp.Div):
        operands = (division.this, division.expression)
        if any(o.is_type(exp.DType.DECIMAL) for o in operands) and not any(o.is_type(*_DOUBLES) for o in operands):
            yield division


def _mixed_comparisons(statement: Statement) -> Iterator[exp.Expr]:
    """A date is no text: `usage_date >= '2026-10-01'` needs the word DATE."""
    for node in statement.typed.find_all(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In):
        sides = list(node.iter_expressions())
        if any(side.is_type(*_MOMENTS) for side in sides) and any(side.is_type(*_TEXTS) for side in sides):
            yield node


def _aliases_as_columns(statement: Statement) -> Iterator[exp.Expr]:
    """GROUP BY, WHERE and HAVING do not know what the SELECT beside them calls a column."""
    for select in statement.tree.find_all(exp.Select):
        made_here = {item.alias for item in select.selects if isinstance(item, exp.Alias)} - {
            column.name for item in select.selects for column in item.find_all(exp.Column)
        }
        for clause in ("where", "group", "having"):
            if found := select.args.get(clause):
                yield from (c for c in found.find_all(exp.Column) if not c.table and c.name in made_here)


def _qualified_after_using(statement: Statement) -> Iterator[exp.Expr]:
    """A column that USING has merged belongs to neither table any more."""
    for select in statement.tree.find_all(exp.Select):
        merged = {name.name for join in select.args.get("joins") or () for name in join.args.get("using") or ()}
        yield from (column for column in select.find_all(exp.Column) if column.table and column.name in merged)


def _distinct_unions(statement: Statement) -> Iterator[exp.Expr]:
    """Two rows that are the same are two charges."""
    return (union for union in statement.tree.find_all(exp.Union) if union.args["distinct"])


def _computed_partitions(statement: Statement) -> Iterator[exp.Expr]:
    """A computed `usage_date` prunes no partition: passed through, it does."""
    for select in statement.tree.find_all(exp.Select):
        reads_days = any(column.name == "usage_date" for column in select.find_all(exp.Column))
        for item in select.selects:
            if item.alias == "usage_date" and reads_days and not isinstance(item.unalias(), exp.Column):
                yield item


def _foreign_words(statement: Statement) -> Iterator[object]:
    """What sqlglot reads and Trino's grammar has not, and what sqlglot only keeps as text."""
    yield from statement.tree.find_all(exp.Command)
    yield from (token.text for token in tokenize(statement.text, read="athena") if token.token_type in _NOT_IN_TRINO)
    text = _COMMENT.sub("", statement.text).rstrip()
    yield from (mark for mark in ("`", "==") if mark in text)
    if text.endswith(";"):
        yield ";"


RULES = (
    Rule(
        "a map is asked by element_at",
        f"SELECT labels['team'] AS team FROM {_PODS}",
        f"SELECT element_at(labels, 'team') AS team FROM {_PODS}",
        _subscripts,
    ),
    Rule(
        "a part that may be missing or empty is NULL",
        f"SELECT split_part(path, '/', 3) AS part FROM {_PODS}",
        f"SELECT NULLIF(split_part(path, '/', 3), '') AS part FROM {_PODS}",
        _unguarded_parts,
    ),
    Rule(
        "decimals are divided as doubles",
        "SELECT CAST(1 AS decimal(18, 6)) / CAST(3 AS decimal(18, 6)) AS share",
        "SELECT CAST(1 AS double) / CAST(3 AS double) AS share",
        _decimal_divisions,
    ),
    Rule(
        "a date is compared with a date",
        f"SELECT id FROM {_PODS} WHERE usage_date >= '2026-10-01'",
        f"SELECT id FROM {_PODS} WHERE usage_date >= DATE '2026-10-01'",
        _mixed_comparisons,
    ),
    Rule(
        "an alias is no column of its own SELECT",
        f"SELECT upper(path) AS shout FROM {_PODS} GROUP BY shout",
        f"SELECT upper(path) AS shout FROM {_PODS} GROUP BY 1",
        _aliases_as_columns,
    ),
    Rule(
        "a column that USING merges has no table",
        f"SELECT pods.id FROM {_PODS} LEFT JOIN (VALUES 1) AS runs (id) USING (id)",
        f"SELECT id FROM {_PODS} LEFT JOIN (VALUES 1) AS runs (id) USING (id)",
        _qualified_after_using,
    ),
    Rule(
        "a union keeps every row",
        "SELECT 1 AS cost UNION SELECT 1 AS cost",
        "SELECT 1 AS cost UNION ALL SELECT 1 AS cost",
        _distinct_unions,
    ),
    Rule(
        "the partition column is passed through",
        f"SELECT date_trunc('month', usage_date) AS usage_date FROM {_PODS}",
        f"SELECT usage_date AS usage_date FROM {_PODS}",
        _computed_partitions,
        of_checks=False,  # those are of a month, not asked for a day
    ),
    Rule(
        "every word is one of Trino's",
        "SELECT 1::double AS cost",
        "SELECT CAST(1 AS double) AS cost",
        _foreign_words,
    ),
)
