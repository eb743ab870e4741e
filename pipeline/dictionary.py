"""The data dictionary: every table and view that analysts query, its grain and its columns, as Markdown."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping

from sqlglot import Dialect, MappingSchema, exp, parse_one
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify

from pipeline.errors import ConfigurationError
from pipeline.glue_types import glue_type, partition_columns
from pipeline.ledger_table import PUBLISHED_TABLES
from pipeline.relations import View, relations_read, views
from pipeline.tables import Column, Table

_HEAD = """\
# Data dictionary

Every table and view that `chargeback publish` makes, with the types that Athena shows. Times are UTC. This file is
written by `make docs` from the schema and the SQL; change those, never this file.
"""

_MARKUP = re.compile(r"[*<`|]|_(?=_)|(?<=_)_")

_ATHENA = Dialect.get_or_raise("athena")
_VARCHAR = {"returns": exp.DType.VARCHAR}
# sqlglot knows these functions, but not what they return: https://trino.io/docs/current/functions/string.html,
# https://trino.io/docs/current/functions/regexp.html and https://trino.io/docs/current/functions/json.html
# MIN_BY is what MAX is: of its first argument's type.
_METADATA = {
    **_ATHENA.EXPRESSION_METADATA,
    exp.ArgMin: _ATHENA.EXPRESSION_METADATA[exp.Max],
    exp.JSONFormat: _VARCHAR,
    exp.RegexpExtract: _VARCHAR,
    exp.SplitPart: _VARCHAR,
}


def dictionary() -> str:
    """Write the tables by name, then the views, each after those it reads."""
    sections = [_HEAD, "## Tables\n", *map(_table_section, sorted(PUBLISHED_TABLES, key=_name))]
    sections += ["## Views\n", *(_view_section(view, columns) for view, columns in typed_views(lake_types()))]
    return "\n".join(sections)


def _name(table: Table) -> str:
    return table.name


def _table_section(table: Table) -> str:
    rows = ((column.name, _athena_type(column), _escaped(column.comment)) for column in _columns(table))
    listed = _markdown_table(("Column", "Type", "Meaning"), rows)
    partitions = "".join(f" Partitioned by `{column.name}`." for column in partition_columns(table))
    return f"### {table.name}\n\nOne row per {table.grain}.{partitions}\n\n{listed}"


def _view_section(view: View, columns: Mapping[str, str]) -> str:
    read = ", ".join(f"`{name}`" for name in sorted(relations_read(view.template)))
    source = f"Reads {read}." if read else "Reads the Cost and Usage Report; without one it has no rows."
    listed = _markdown_table(("Column", "Type"), columns.items())
    return f"### {view.name}\n\nOne row per {view.grain}. {source}\n\n{listed}"


def _markdown_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *((f"`{name}`", *others) for name, *others in rows))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _escaped(text: str) -> str:
    """Keep Markdown from reading emphasis, code, tags or the end of a cell into *text*."""
    return _MARKUP.sub(r"\\\g<0>", text)


def _columns(table: Table) -> tuple[Column, ...]:
    return (*table.columns, *partition_columns(table))


def _athena_type(column: Column) -> str:
    """Athena's name of a type; the Glue catalog has Hive's."""
    return exp.DataType.build(glue_type(column.type), dialect="hive").sql(_ATHENA).lower()


def lake_types() -> MappingSchema:
    """The columns of the tables and their types in Athena's words."""
    known = MappingSchema(dialect=_ATHENA)
    for table in PUBLISHED_TABLES:
        known.add_table(table.name, {column.name: _athena_type(column) for column in _columns(table)})
    return known


def typed_views(known: MappingSchema) -> Iterator[tuple[View, dict[str, str]]]:
    """The views, with their columns' types as they follow from what each reads; they, too, are *known* then."""
    # Every kind of bill gives the same columns; this one says their types without the bill's own table.
    templates = {view.name: view.template for view in views("no_cur")}
    for view in views("cur2"):
        columns = output_types(templates[view.name], known)
        known.add_table(view.name, columns)
        yield view, columns


def output_types(select: str, known: MappingSchema) -> dict[str, str]:
    """Infer the types of a query's columns from those of the relations that it reads.

    Raises:
        ConfigurationError: the type of a column does not follow from the SQL.
    """
    return {column.alias_or_name: _type_of(column) for column in typed(select, known).selects}


def typed(select: str, known: MappingSchema) -> exp.Query:
    """A query with a type on every expression, as far as it follows from the relations that it reads."""
    tree = parse_one(select, read=_ATHENA).assert_is(exp.Query)
    qualified = qualify(tree, schema=known, dialect=_ATHENA)
    return annotate_types(qualified, schema=known, dialect=_ATHENA, expression_metadata=_METADATA)


def _type_of(column: exp.Expr) -> str:
    if column.type is None or column.type.is_type(exp.DType.UNKNOWN):
        raise ConfigurationError(f"the type of the column {column.alias_or_name} is not known; write a CAST")
    return column.type.sql(_ATHENA).lower()


if __name__ == "__main__":
    sys.stdout.write(dictionary())
