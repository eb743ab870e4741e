"""The statements of Athena that the embedded engine runs, told apart and taken to pieces."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from pipeline.demo.athena.dialect import StatementError, parse
from pipeline.demo.athena.glue_catalog import Name


@dataclass(frozen=True)
class Select:
    """Any query: SELECT, WITH, VALUES, UNION. Whether it is one is seen when it is bound."""

    query: str


@dataclass(frozen=True)
class CreateView:
    """CREATE [OR REPLACE] VIEW; *text* is its query as the user wrote it, *query* the same at its place."""

    name: Name
    replace: bool
    text: str
    query: str


@dataclass(frozen=True)
class Target:
    """Where and how a query's rows are written; *location* is None where the user leaves it to Athena."""

    location: str | None
    compression: str
    partitioned_by: tuple[str, ...]


@dataclass(frozen=True)
class CreateTable:
    """CREATE TABLE [IF NOT EXISTS] … AS."""

    name: Name
    if_not_exists: bool
    target: Target
    query: str


@dataclass(frozen=True)
class Unload:
    """UNLOAD (…) TO 's3://…'."""

    target: Target
    query: str


@dataclass(frozen=True)
class Drop:
    """DROP VIEW or DROP TABLE, as *kind* says."""

    name: Name
    kind: str
    if_exists: bool


@dataclass(frozen=True)
class Explain:
    """EXPLAIN of a query: its plan, or with *validate* only whether it is right; *stored* says that it makes a view."""

    query: str
    validate: bool
    stored: bool


@dataclass(frozen=True)
class Show:
    """SHOW TABLES or SHOW VIEWS; *pattern* is a regular expression over names."""

    views_only: bool
    database: str
    pattern: str


@dataclass(frozen=True)
class Describe:
    """DESCRIBE of a table or view."""

    name: Name


Statement = Select | CreateView | CreateTable | Unload | Drop | Explain | Show | Describe

_SHOW = re.compile(
    r"SHOW\s+(TABLES|VIEWS)(?:\s+(?:IN|FROM)\s+[`\"]?(\w+)[`\"]?)?(?:\s+(?:LIKE\s+)?'([^']*)')?",
    re.IGNORECASE,
)
_BLACK = re.compile(r"\S")
_COMPRESSION = ("parquet_compression", "write_compression", "compression")


@lru_cache(maxsize=512)
def read_statement(sql: str, database: str, parameters: tuple[str, ...]) -> Statement:
    """Take *sql* to pieces; names without a database are in *database*, `?` stand for *parameters*.

    Its query stays text, with all that is around it made blank, so that places in it are those in *sql*.
    """
    text = _with_parameters(sql.rstrip().rstrip(";"), parameters)
    tokens = _tokens(text)
    match tokens[0].text.upper():
        case "EXPLAIN":
            return _explain(text, tokens, database)
        case "UNLOAD":
            return _unload(text, tokens)
        case "SHOW":
            return _show(text, database)
        case "DESCRIBE" | "DESC":
            return Describe(_named(text[tokens[0].end + 1 :].strip(), database))
        case "CREATE" | "DROP":
            return _definition(text, tokens, database)
    return Select(text)


def full_name(table: exp.Table, database: str) -> Name:
    """The name that *table* means where names without a database are in *database*."""
    if table.catalog and table.catalog.lower() != "awsdatacatalog":
        raise StatementError(f"CATALOG_NOT_FOUND: {position(table)}: Catalog '{table.catalog}' not found")
    return Name((table.db or database).lower(), table.name.lower())


def position(node: exp.Expr) -> str:
    """Where *node* begins in the text, `line 1:15`."""
    found = [name.meta for name in node.find_all(exp.Identifier) if "start" in name.meta]
    if not found:
        return "line 1:1"
    first = min(found, key=lambda meta: int(meta["start"]))
    return f"line {first['line']}:{first['col'] - (first['end'] - first['start'])}"


def _named(text: str, database: str) -> Name:
    try:
        return full_name(exp.to_table(text, dialect="hive"), database)
    except ParseError as error:
        raise StatementError(f"SYNTAX_ERROR: line 1:1: not a table's name: {text}") from error


def _refuse(text: str) -> Statement:
    raise StatementError(f"NOT_SUPPORTED: this engine does not run: {text[:100]}")


class _Words(Trino.Tokenizer):
    """Trino's words; sqlglot's own tokenizers keep the rest of EXPLAIN, SHOW or UNLOAD as one string."""

    COMMANDS: ClassVar[set[TokenType]] = set()


def _tokens(text: str) -> list[Token]:
    try:
        tokens = _Words().tokenize(text)
    except TokenError as error:
        raise StatementError(f"SYNTAX_ERROR: line 1:1: {error}") from error
    if not tokens:
        raise StatementError("SYNTAX_ERROR: line 1:1: no statement")
    return tokens


def _with_parameters(text: str, parameters: Sequence[str]) -> str:
    """The text with each `?` replaced by its parameter, which is SQL: a literal, quoted if it is text."""
    if not parameters and "?" not in text:  # a long statement takes its time to be cut into words
        return text
    places = [token for token in _tokens(text) if token.token_type is TokenType.PLACEHOLDER]
    if len(places) != len(parameters):
        raise StatementError(
            f"INVALID_PARAMETER_USAGE: line 1:1: Incorrect number of parameters: "
            f"expected {len(places)} but found {len(parameters)}"
        )
    for place, value in reversed(list(zip(places, parameters, strict=True))):
        parse(f"SELECT {value}")  # a parameter is one expression, or the statement fails here
        text = text[: place.start] + value + text[place.end + 1 :]
    return text


def _explain(text: str, tokens: list[Token], database: str) -> Explain:
    rest, options = tokens[1:], ""
    if len(rest) > 1 and rest[0].token_type is TokenType.L_PAREN and rest[1].text.upper() in ("TYPE", "FORMAT"):
        end = [token.text for token in rest].index(")")
        rest, options = rest[end + 1 :], " ".join(token.text.upper() for token in rest[1:end])
    if not rest:
        raise StatementError("SYNTAX_ERROR: line 1:8: nothing to explain")
    statement = read_statement(_in_place(text, rest[0].start), database, ())
    if isinstance(statement, (Select, CreateView, CreateTable, Unload)):
        return Explain(statement.query, "TYPE VALIDATE" in options, isinstance(statement, (CreateView, CreateTable)))
    raise StatementError("NOT_SUPPORTED: EXPLAIN of a statement without a query")


def _definition(text: str, tokens: list[Token], database: str) -> Statement:
    start = next((token.end + 1 for token in tokens if token.token_type is TokenType.ALIAS), None)
    tree = parse(text if start is None else f"{text[:start]} SELECT 1")
    table = tree.find(exp.Table)
    if table is None or tree.args.get("kind") not in {"VIEW", "TABLE"}:
        return _refuse(text)
    name, kind = full_name(table, database), str(tree.args["kind"])
    if isinstance(tree, exp.Drop):
        return Drop(name, kind, bool(tree.args.get("exists")))
    if not isinstance(tree, exp.Create) or start is None:
        return _refuse(text)
    query = _in_place(text, start)
    if kind == "TABLE":
        return CreateTable(name, bool(tree.args.get("exists")), _target(tree), query)
    return CreateView(name, bool(tree.args.get("replace")), text[start:].strip(), query)


def _in_place(text: str, start: int, end: int | None = None) -> str:
    return _BLACK.sub(" ", text[:start]) + text[start:end]


def _unload(text: str, tokens: list[Token]) -> Unload:
    """UNLOAD is no SQL to sqlglot; its parts are those of a CREATE TABLE AS, which is."""
    end = _closing_parenthesis(tokens)
    rest = tokens[end + 1 :]
    if len(rest) < 2 or rest[0].text.upper() != "TO" or rest[1].token_type is not TokenType.STRING:
        raise StatementError("SYNTAX_ERROR: line 1:1: UNLOAD (query) TO 's3://…' WITH (…) is expected")
    create = parse(f"CREATE TABLE unloaded {text[rest[1].end + 1 :]} AS SELECT 1")
    return Unload(_target(create, rest[1].text), _in_place(text, tokens[1].end + 1, tokens[end].start))


def _closing_parenthesis(tokens: list[Token]) -> int:
    depth = 0
    for index, token in enumerate(tokens):
        depth += (token.token_type is TokenType.L_PAREN) - (token.token_type is TokenType.R_PAREN)
        if index and depth == 0:
            return index
    raise StatementError("SYNTAX_ERROR: line 1:1: a parenthesis is not closed")


def _target(create: exp.Expr, location: str | None = None) -> Target:
    found = {_property_name(item): _property_value(item) for item in create.find_all(exp.Property)}
    target = Target(
        location=_one(found.pop("external_location", None)) or location,
        compression=next((value for key in _COMPRESSION if (value := _one(found.pop(key, None)))), "gzip"),
        partitioned_by=tuple(name.lower() for name in found.pop("partitioned_by", ())),
    )
    file_format = (_one(found.pop("format", None)) or "PARQUET").upper()
    if file_format != "PARQUET" or found:
        raise StatementError(f"NOT_SUPPORTED: this engine writes Parquet, not {file_format} {', '.join(found)}")
    return target


def _one(values: Sequence[str] | None) -> str | None:
    return values[0] if values else None


def _property_name(item: exp.Property) -> str:
    if isinstance(item, exp.FileFormatProperty):
        return "format"
    return "partitioned_by" if isinstance(item, exp.PartitionedByProperty) else item.name.lower()


def _property_value(item: exp.Property) -> tuple[str, ...]:
    value = item.this if type(item) is not exp.Property else item.args["value"]
    names = value.expressions if isinstance(value, (exp.Array, exp.Schema, exp.Tuple)) else [value]
    return tuple(name.name for name in names)


def _show(text: str, database: str) -> Show:
    found = _SHOW.fullmatch(text.strip())
    if not found:
        raise StatementError(f"NOT_SUPPORTED: this engine does not run: {text[:100]}")
    what, other, pattern = found.groups()
    wanted = (pattern or "*").replace("*", ".*")
    return Show(what.upper() == "VIEWS", (other or database).lower(), wanted)
