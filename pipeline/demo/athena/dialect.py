"""How DuckDB says what Athena's SQL means: sqlglot's translation, and repairs where the two engines differ."""

import re
from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp, parse_one
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, UnsupportedError
from sqlglot.generators.duckdb import DuckDBGenerator
from sqlglot.optimizer.annotate_types import annotate_types

from pipeline.errors import UsageError

PRELUDE: tuple[str, ...] = (
    "SET TimeZone = 'UTC'",
    "SET integer_division = true",  # 3 / 2 is 1, and a division by zero is an error
)
"""What every DuckDB connection runs before a translated statement."""


class StatementError(UsageError):
    """Athena would fail the statement; the message is the reason, in Athena's words."""


def to_duckdb(statement: str | exp.Expr) -> str:
    """Translate one Athena statement to DuckDB's SQL; raise `StatementError` where sqlglot cannot read it.

    What is given as a tree has types in it then.
    """
    tree = parse(statement) if isinstance(statement, str) else statement
    typed = annotate_types(tree, dialect="athena")
    try:
        return typed.sql(AthenaOnDuckDB, unsupported_level=ErrorLevel.RAISE, comments=False)
    except UnsupportedError as error:
        raise StatementError(f"NOT_SUPPORTED: {_first_line(error)}") from error


def parse(statement: str) -> exp.Expr:
    """The syntax tree of one Athena statement; `StatementError` for everything that is not understood."""
    try:
        tree = parse_one(statement, read="athena")
    except SqlglotError as error:
        raise StatementError(f"SYNTAX_ERROR: {_position(error)}{_first_line(error)}") from error
    if isinstance(tree, exp.Block):
        raise StatementError("SYNTAX_ERROR: line 1:1: only one statement at a time")
    # sqlglot keeps what it cannot read as the text of a Command; DuckDB might read another meaning into it.
    if tree.find(exp.Command):
        raise StatementError(f"SYNTAX_ERROR: line 1:1: cannot read the statement: {statement.strip()[:200]}")
    return tree


def _position(error: SqlglotError) -> str:
    found = error.errors[0] if isinstance(error, ParseError) and error.errors else {}
    return f"line {found['line']}:{found['col']}: " if found.get("line") else "line 1:1: "


def _first_line(error: SqlglotError) -> str:
    without_colour = re.sub(r"\x1b\[[0-9]*m", "", str(error))
    return re.sub(r"( but got <Token.*|\. Line \d+, Col: \d+\.?)", "", without_colour.split("\n", 1)[0])


class AthenaOnDuckDB(DuckDB):
    """DuckDB's dialect, written so that the results are those of Athena engine version 3."""

    class Generator(DuckDBGenerator):
        """Writes DuckDB's SQL; every transform is one difference between the two engines."""

        TRANSFORMS: ClassVar = {
            **DuckDBGenerator.TRANSFORMS,
            exp.Add: lambda self, node: _date_arithmetic(self, node, "+"),
            exp.Anonymous: lambda self, node: _anonymous(self, node),
            # The plain functions skip rows whose value is NULL; Athena's do not.
            exp.ArgMax: lambda self, node: self.func("ARG_MAX_NULL", node.this, node.expression),
            exp.ArgMin: lambda self, node: self.func("ARG_MIN_NULL", node.this, node.expression),
            exp.ArraySize: lambda self, node: self.func("CARDINALITY", node.this),
            exp.AtTimeZone: lambda self, node: _at_utc(self, node.this, node.args["zone"]),
            exp.Bracket: lambda self, node: _subscript(self, node),
            exp.Cast: lambda self, node: _cast(self, node, ""),
            # 0, not NULL, where the condition is never known.
            exp.CountIf: lambda self, node: self.func("COUNT", exp.case().when(node.this, exp.Literal.number(1))),
            exp.DateAdd: lambda self, node: _same_type(self, DuckDBGenerator.TRANSFORMS[exp.DateAdd], node),
            exp.DateDiff: lambda self, node: _whole_units(self, node),
            exp.Format: lambda self, node: self.func("PRINTF", node.this, *node.expressions),
            exp.Reduce: lambda self, node: _reduce(self, node),
            exp.RegexpExtract: lambda self, node: _first_match(self, node),
            exp.RegexpReplace: lambda self, node: _replace_matches(self, node),
            exp.SplitPart: lambda self, node: _part(self, node),
            exp.Sub: lambda self, node: _date_arithmetic(self, node, "-"),
            exp.TimestampTrunc: lambda self, node: _truncate(self, node),
            exp.TryCast: lambda self, node: _cast(self, node, "TRY_"),
            exp.Unnest: lambda self, node: _unnest(self, node),
        }


def _part(self: DuckDBGenerator, node: exp.SplitPart) -> str:
    """NULL past the last part, not an empty string."""
    parts = self.func("STR_SPLIT", node.this, node.args["delimiter"])
    return self.func("LIST_EXTRACT", parts, node.args["part_index"])


def _first_match(self: DuckDBGenerator, node: exp.RegexpExtract) -> str:
    """NULL without a match, not an empty string."""
    matches = self.func("REGEXP_EXTRACT_ALL", node.this, node.expression, node.args.get("group"))
    return self.func("LIST_EXTRACT", matches, "1")


def _replace_matches(self: DuckDBGenerator, node: exp.RegexpReplace) -> str:
    r"""Groups are called $1 in Athena and \1 in DuckDB; every match is replaced, as Athena does."""
    replacement = node.args.get("replacement")
    if isinstance(replacement, exp.Literal):
        text = re.sub(r"\\(.)|\$(\d)", _group_reference, replacement.name)
        replacement = exp.Literal.string(text)
    return self.func("REGEXP_REPLACE", node.this, node.expression, replacement, "'g'")


def _group_reference(match: re.Match[str]) -> str:
    escaped, group = match.groups()
    return f"\\{group}" if group else escaped.replace("\\", "\\\\")


def _whole_units(self: DuckDBGenerator, node: exp.DateDiff) -> str:
    """Count whole units between the two, not the boundaries crossed."""
    unit = exp.Literal.string(node.text("unit").lower())
    return self.func("DATE_SUB", unit, node.expression, node.this)


def _same_type(self: DuckDBGenerator, write: Callable[[DuckDBGenerator, exp.Expr], str], node: exp.Expr) -> str:
    """A date stays a date; DuckDB makes a timestamp of it."""
    return self.func("CAST_TO_TYPE", write(self, node), node.this)


def _truncate(self: DuckDBGenerator, node: exp.TimestampTrunc) -> str:
    unit = exp.Literal.string(node.text("unit").lower())
    return self.func("CAST_TO_TYPE", self.func("DATE_TRUNC", unit, node.this), node.this)


def _date_arithmetic(self: DuckDBGenerator, node: exp.Binary, operator: str) -> str:
    text = self.binary(node, operator)
    if isinstance(node.expression, exp.Interval) and not isinstance(node.this, exp.Interval):
        return self.func("CAST_TO_TYPE", text, node.this)
    return text


def _reduce(self: DuckDBGenerator, node: exp.Reduce) -> str:
    """DuckDB's has no last step; the identity needs none."""
    finish = node.args.get("finish")
    if not isinstance(finish, exp.Lambda) or finish.this != finish.expressions[0]:
        raise StatementError("NOT_SUPPORTED: reduce with another output function than x -> x")
    return self.func("LIST_REDUCE", node.this, node.args["merge"], node.args["initial"])


def _at_utc(self: DuckDBGenerator, moment: exp.Expr, zone: exp.Expr) -> str:
    """A timestamp without a zone is UTC, one with a zone stays the instant it is."""
    if zone.name.upper() != "UTC":
        raise StatementError(f"NOT_SUPPORTED: time zone {zone.name}: this engine knows UTC only")
    return f"CAST({self.sql(moment)} AS TIMESTAMPTZ)"


def _subscript(self: DuckDBGenerator, node: exp.Bracket) -> str:
    """A map's missing key is an error when it is asked for as `m['key']`; `element_at` says NULL."""
    key = node.expressions[0]
    if node.args.get("safe") or not (isinstance(key, exp.Literal) and key.is_string):
        return self.bracket_sql(node)
    this, value = self.sql(node.this), self.sql(key)
    reason = self.sql(exp.Literal.string(f"Key not present in map: {key.name}"))
    return f"CASE WHEN NOT MAP_CONTAINS({this}, {value}) THEN ERROR({reason}) ELSE {this}[{value}] END"


def _cast(self: DuckDBGenerator, node: exp.Cast, prefix: str) -> str:
    """Casts of a known type: doubles round half away from zero, timestamps show three digits."""
    source, target, text = node.this, node.to, self.sql(node.this)
    if target.is_type("json"):
        return self.func("TO_JSON", text)  # a text becomes a JSON string; DuckDB's cast reads it as JSON
    if source.is_type(*exp.DataType.REAL_TYPES) and not source.is_type("decimal"):
        if target.is_type(*exp.DataType.INTEGER_TYPES):
            text = self.func("ROUND", text)
        elif target.is_type("decimal"):
            text = f"CAST({text} AS TEXT)"  # 1.005e0 becomes 1.01: the digits are rounded, not the bits
    elif target.is_type(*exp.DataType.TEXT_TYPES) and source.is_type("timestamp", "timestamptz"):
        zone = " UTC" if source.is_type("timestamptz") else ""
        text = self.func("STRFTIME", text, f"'%Y-%m-%d %H:%M:%S.%g{zone}'")
    return f"{prefix}CAST({text} AS {self.sql(target)})"


def _anonymous(self: DuckDBGenerator, node: exp.Anonymous) -> str:
    """Functions that sqlglot passes on by name and DuckDB does not have."""
    match node.name.lower(), node.expressions:
        case (("at_timezone" | "with_timezone"), [moment, zone]):
            return _at_utc(self, moment, zone)
        case "checksum", [value]:
            return f"CAST(SUM(HASH({self.sql(value)})) AS TEXT)"  # another number, but as blind to the rows' order
        case "map_agg", [key, value]:
            pairs = f"LIST(ROW({self.sql(key)}, {self.sql(value)})) FILTER (WHERE NOT {self.sql(key)} IS NULL)"
            return self.func("MAP_FROM_ENTRIES", pairs)
        case "map_filter", [pairs, exp.Lambda() as keep]:
            return self.func("MAP_FROM_ENTRIES", self.func("LIST_FILTER", *_entries(self, pairs, keep)))
    return self.anonymous_sql(node)


def _entries(self: DuckDBGenerator, pairs: exp.Expr, keep: exp.Lambda) -> tuple[str, str]:
    """The map's entries, and the lambda over key and value as one over an entry."""
    fields = {name.name: field for name, field in zip(keep.expressions, ("key", "value"), strict=True)}

    def rename(node: exp.Expr) -> exp.Expr:
        if isinstance(node, (exp.Identifier, exp.Column)) and node.name in fields:
            return exp.Dot.build([exp.to_identifier("entry"), exp.to_identifier(fields[node.name])])
        return node

    condition = self.sql(keep.this.transform(rename))
    return self.func("MAP_ENTRIES", pairs), f"LAMBDA entry : {condition}"


def _unnest(self: DuckDBGenerator, node: exp.Unnest) -> str:
    """Side by side: several arrays, padded with NULL, or a map's keys and values."""
    alias, lists = node.args.get("alias"), [self.sql(item) for item in node.expressions]
    columns = alias.columns if alias else []
    if len(lists) == 1 and len(columns) == 2:
        lists = [f"MAP_KEYS({lists[0]})", f"MAP_VALUES({lists[0]})"]
    if len(lists) == 1:
        return self.unnest_sql(node)
    selected = [f"UNNEST({item})" for item in lists]
    names = [self.sql(column) for column in columns]
    if ordinality := node.args.get("offset"):
        longest = self.func("GREATEST", *(f"LEN({item})" for item in lists))
        selected.append(f"UNNEST(RANGE(1, {longest} + 1))")
        names.append(self.sql(ordinality) if isinstance(ordinality, exp.Identifier) else "ordinality")
    name = self.sql(alias, "this") or "unnested"
    return f"LATERAL (SELECT {', '.join(selected)}) AS {name}{'(' + ', '.join(names) + ')' if names else ''}"
