"""How a statement shows that Trino refuses it, or answers it otherwise than DuckDB or than its author meant."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from sqlglot import MappingSchema, exp, parse_one, tokenize
from sqlglot.errors import OptimizeError
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.tokenizer_core import TokenType

from pipeline.dictionary import typed

_FAMILIES = {
    "moment": {exp.DType.DATE, exp.DType.TIMESTAMP, exp.DType.TIMESTAMPNTZ, exp.DType.TIMESTAMPTZ},
    "text": exp.DataType.TEXT_TYPES,
    "number": exp.DataType.NUMERIC_TYPES,
    "truth": {exp.DType.BOOLEAN},
    "map": {exp.DType.MAP},
    "array": {exp.DType.ARRAY, exp.DType.LIST},
}
_DOUBLES = {exp.DType.DOUBLE, exp.DType.FLOAT}
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In)
_WITH_ZONE = re.compile(r"\d(Z|[+-]\d\d:\d\d)$")
_NOT_IN_TRINO = {TokenType.DCOLON, TokenType.ILIKE, TokenType.SEMICOLON}
_NO_ITEM = {TokenType.COMMA, TokenType.FROM, TokenType.R_PAREN}

FORMS = frozenset({"cast", "coalesce", "if", "nullif", "row", "try", "try_cast"})
"""What looks like a function, and is a word of Trino's grammar."""

_FUNCTIONS = (
    "abs arbitrary array_agg array_distinct array_join array_max array_min array_sort avg bool_and bool_or "
    "cardinality ceil concat contains count count_if date_add date_diff date_format date_parse date_trunc day "
    "day_of_week dense_rank element_at every filter first_value floor from_iso8601_date from_iso8601_timestamp "
    "greatest hour is_nan json_extract_scalar json_format json_parse lag last_day_of_month last_value lead least "
    "length lower lpad map map_agg map_concat map_filter map_keys map_values max max_by min min_by mod month "
    "nth_value ntile percent_rank power rank reduce regexp_extract regexp_like regexp_replace replace round "
    "row_number sequence split split_part starts_with stddev strpos substr sum transform trim upper year "
)
FUNCTIONS = frozenset(_FUNCTIONS.split())
"""Functions that Trino has by this name; one that is not here is proven on Trino when it comes to be."""


@dataclass(frozen=True)
class Statement:
    """One statement: its text, its tree as it was written, and the same with its columns qualified and typed.

    *known* are the relations that it may read.
    """

    text: str
    tree: exp.Expr
    typed: exp.Expr
    known: MappingSchema

    @classmethod
    def of(cls, text: str, known: MappingSchema) -> "Statement":
        """Read *text*; whatever is no query has no types."""
        tree = parse_one(text, read="athena")
        return cls(text, tree, typed(text, known) if isinstance(tree, exp.Query) else tree, known)


def subscripts(statement: Statement) -> Iterator[exp.Expr]:
    """A key or an element that is missing is an error; `element_at` gives NULL."""
    for bracket in statement.tree.find_all(exp.Bracket):
        if not bracket.args.get("safe"):
            yield bracket


def unguarded_parts(statement: Statement) -> Iterator[exp.Expr]:
    """A part past the end is NULL, one between two delimiters empty. The first is always there, and so are an ARN's."""
    for part in statement.tree.find_all(exp.SplitPart):
        of = part.this.find(exp.Column)
        is_certain = part.args["part_index"].name == "1" or (of is not None and of.name.endswith("_arn"))
        if not is_certain and not isinstance(part.parent, exp.Nullif):
            yield part


def decimal_quotients(statement: Statement) -> Iterator[exp.Expr]:
    """A quotient or a mean keeps no more digits than the operands; DuckDB makes a double of it."""
    for division in statement.typed.find_all(exp.Div):
        operands = (division.this, division.expression)
        if any(o.is_type(exp.DType.DECIMAL) for o in operands) and not any(o.is_type(*_DOUBLES) for o in operands):
            yield division
    yield from (mean for mean in statement.typed.find_all(exp.Avg) if mean.this.is_type(exp.DType.DECIMAL))


def mixed_comparisons(statement: Statement) -> Iterator[exp.Expr]:
    """A date is no text, and neither is a number: `usage_date >= '2026-10-01'` needs the word DATE."""
    for node in statement.typed.find_all(*_COMPARISONS):
        if _is_mixed(node.iter_expressions()):
            yield node


def mixed_results(statement: Statement) -> Iterator[exp.Expr]:
    """What stands for one value is of one kind, whichever branch gives it."""
    for node in statement.typed.find_all(exp.Case, exp.If, exp.Coalesce, exp.Greatest, exp.Least):
        if isinstance(node, exp.If) and isinstance(node.parent, exp.Case):
            continue
        if _is_mixed(_results(node)):
            yield node


def mixed_unions(statement: Statement) -> Iterator[exp.Expr]:
    """A column of a union is of one kind above and below."""
    for union in statement.typed.find_all(exp.SetOperation):
        columns = zip(union.left.selects, union.right.selects, strict=True)
        yield from (above for above, below in columns if _is_mixed((above, below)))


def joined_numbers(statement: Statement) -> Iterator[exp.Expr]:
    """`||` joins texts, or arrays, and nothing is made a text for it."""
    for node in statement.typed.find_all(exp.DPipe):
        if any(_family(side) not in {None, "text", "array"} for side in (node.this, node.expression)):
            yield node


def aliases_as_columns(statement: Statement) -> Iterator[object]:
    """GROUP BY, WHERE, HAVING and the SELECT itself do not know what that SELECT calls a column."""
    for select in statement.tree.find_all(exp.Select):
        made_here = {item.alias for item in select.selects if isinstance(item, exp.Alias)} - {
            column.name for item in select.selects for column in item.find_all(exp.Column)
        }
        for clause in ("where", "group", "having"):
            if found := select.args.get(clause):
                yield from (c for c in found.find_all(exp.Column) if not c.table and c.name in made_here)
    if isinstance(statement.tree, exp.Query):
        try:
            qualify(statement.tree.copy(), schema=statement.known, dialect="athena", expand_alias_refs=False)
        except OptimizeError as unresolved:
            yield unresolved


def qualified_after_using(statement: Statement) -> Iterator[exp.Expr]:
    """A column that USING has merged belongs to neither table any more."""
    for select in statement.tree.find_all(exp.Select):
        merged = {name.name for join in select.args.get("joins") or () for name in join.args.get("using") or ()}
        yield from (column for column in select.find_all(exp.Column) if column.table and column.name in merged)


def distinct_unions(statement: Statement) -> Iterator[exp.Expr]:
    """Two rows that are the same are two charges."""
    return (union for union in statement.tree.find_all(exp.Union) if union.args["distinct"])


def orders_beside_distinct(statement: Statement) -> Iterator[exp.Expr]:
    """Distinct rows are ordered by what they show."""
    for select in statement.tree.find_all(exp.Select):
        order = select.args.get("order")
        if select.args.get("distinct") and order:
            shown = {item.alias_or_name for item in select.selects} | {item.unalias() for item in select.selects}
            for by in (key.this for key in order.expressions):
                if not by.is_int and by.name not in shown and by not in shown:
                    yield by


def sums_of_results(statement: Statement) -> Iterator[exp.Expr]:
    """In an order a name is first a column of the result, and what has been summed up is not summed again."""
    for select in statement.tree.find_all(exp.Select):
        made_here = {item.alias for item in select.selects if isinstance(item, exp.Alias)}
        if order := select.args.get("order"):
            for total in order.find_all(exp.AggFunc):
                yield from (c for c in total.find_all(exp.Column) if not c.table and c.name in made_here)


def computed_partitions(statement: Statement) -> Iterator[exp.Expr]:
    """A computed `usage_date` prunes no partition: passed through, it does."""
    for scope in traverse_scope(statement.typed):
        reads_days = any("usage_date" in _columns(source, statement.known) for source in scope.sources.values())
        if reads_days and isinstance(scope.expression, exp.Query):
            for item in scope.expression.selects:
                if item.alias_or_name == "usage_date" and not isinstance(item.unalias(), exp.Column):
                    yield item


def day_arithmetic(statement: Statement) -> Iterator[exp.Expr]:
    """A date and a number are not added, and two dates are an interval apart."""
    for node in statement.typed.find_all(exp.Add, exp.Sub):
        if node.this.is_type(exp.DType.DATE) and not isinstance(node.expression, exp.Interval):
            yield node


def foreign_texts(statement: Statement) -> Iterator[exp.Expr]:
    """Texts of doubles and of moments are written otherwise, and a moment's text has no zone."""
    for node in statement.typed.find_all(exp.Cast):
        source, is_text = node.this, node.to.is_type(*exp.DataType.TEXT_TYPES)
        if is_text and (
            source.is_type(*_DOUBLES) or (_family(source) == "moment" and not source.is_type(exp.DType.DATE))
        ):
            yield node
        if isinstance(source, exp.Literal) and node.to.is_type(*_FAMILIES["moment"]) and _WITH_ZONE.search(source.name):
            yield node


def cut_doubles(statement: Statement) -> Iterator[exp.Expr]:
    """A double becomes the nearest integer, of two that are as near the one that is further from zero."""
    for node in statement.typed.find_all(exp.Cast):
        is_whole = isinstance(node.this, exp.Round | exp.Floor | exp.Ceil)
        if node.to.is_type(*exp.DataType.INTEGER_TYPES) and node.this.is_type(*_DOUBLES) and not is_whole:
            yield node


def conditions_on_unnest(statement: Statement) -> Iterator[exp.Expr]:
    """What a LEFT JOIN unnests is joined ON TRUE."""
    for join in statement.tree.find_all(exp.Join):
        on = join.args.get("on")
        if isinstance(join.this, exp.Unnest) and on is not None and on != exp.true():
            yield join


def stale_columns(statement: Statement) -> Iterator[exp.Expr]:
    """A text's width becomes the view's: a longer text makes the views above stale. A NULL alone has no type at all."""
    for select in statement.tree.find_all(exp.Select):
        for item in select.selects:
            column = item.unalias()
            texts = _results(column) if isinstance(column, exp.Case) else [column]
            is_text = any(isinstance(text, exp.Literal) and text.is_string for text in texts)
            if is_text or (isinstance(column, exp.Null) and select is statement.tree):
                yield item


def foreign_words(statement: Statement) -> Iterator[object]:
    """What sqlglot reads and Trino's grammar has not, and what sqlglot only keeps as text."""
    yield from statement.tree.find_all(exp.Command)
    yield from (star for star in statement.tree.find_all(exp.Star) if any(star.args.values()))
    yield from (group for group in statement.tree.find_all(exp.Group) if group.args.get("all"))
    kinds = [token.token_type for token in tokenize(statement.text, read="athena")]
    yield from (kind.name for kind in kinds if kind in _NOT_IN_TRINO)
    yield from (f", {after.name}" for kind, after in pairwise(kinds) if kind == TokenType.COMMA and after in _NO_ITEM)
    if (TokenType.LIMIT, TokenType.OFFSET) in zip(kinds, kinds[2:], strict=False):
        yield "LIMIT before OFFSET"


def foreign_functions(statement: Statement) -> Iterator[str]:
    """Functions that Trino has by another name, or not at all."""
    tokens = tokenize(statement.text, read="athena")
    for before, token, after in zip([None, *tokens], tokens, tokens[1:], strict=False):
        names_columns = before is not None and before.token_type == TokenType.ALIAS
        is_called = token.token_type == TokenType.VAR and after.token_type == TokenType.L_PAREN and not names_columns
        if is_called and token.text.lower() not in FUNCTIONS | FORMS:
            yield token.text


def _family(node: exp.Expr) -> str | None:
    return next((name for name, types in _FAMILIES.items() if node.is_type(*types)), None)


def _is_mixed(nodes: Iterable[exp.Expr]) -> bool:
    return len({_family(node) for node in nodes} - {None}) > 1


def _results(node: exp.Expr) -> list[exp.Expr]:
    """What *node* may come to: the branches of a CASE, the arguments of COALESCE and its like, else itself."""
    match node:
        case exp.Case():
            found = [*(branch.args["true"] for branch in node.args["ifs"]), node.args.get("default")]
        case exp.If():
            found = [node.args["true"], node.args.get("false")]
        case exp.Coalesce() | exp.Greatest() | exp.Least():
            found = [node.this, *node.expressions]
        case _:
            found = [node]
    return [result for result in found if result is not None]


def _columns(source: exp.Expr | Scope, known: MappingSchema) -> list[str]:
    if isinstance(source, Scope):
        made = source.expression
        return made.named_selects if isinstance(made, exp.Query) else made.alias_column_names
    return list(known.column_names(source.assert_is(exp.Table)))
